"""Changes over time: people who edit, add and delete records while a client reads."""

from __future__ import annotations

import random
import threading

from syncd.sandbox.partition import Partition
from syncd.sandbox.store import Store

_ACTIONS = ("edit",) * 6 + ("create",) * 3 + ("delete",) + ("restore",)
_PLACES = 240


class Editors:
    """Make changes to records, the same ones for the same seed.

    Args:
        store: The records.
        seed: Of what is changed.
    """

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def stir(self, changes: int) -> int:
        """Make so many changes to records that clients read before; returns how many could be made."""
        with self._store.lock:
            places = self._store.changeable() or self._store.sample(_PLACES)
            places.sort(key=repr)
            return (
                sum(self._change(self._store.partition(self._rng.choice(places))) for _ in range(changes))
                if places
                else 0
            )

    def _change(self, partition: Partition) -> bool:
        action = self._rng.choice(_ACTIONS)
        place = partition.place
        live = [index for index in range(partition.size) if partition.deleted(index) is None]
        gone = [index for index in range(partition.size) if partition.deleted(index) is not None]
        if action == "create":
            self._store.create(place.resource, place.project, dict(place.parent))
            return True
        pool = gone if action == "restore" else live
        if not pool:
            return False
        index = self._rng.choice(pool)
        now = int(self._store.clock())
        if action == "edit":
            partition.edit(index, now, {})
        elif action == "delete":
            partition.delete(index, now)
        else:
            partition.restore(index, now)
        return True

    def start(self, every: float) -> None:
        """Make a change every so many seconds, until `stop`."""

        def work() -> None:
            while not self._stop.wait(every):
                self.stir(1)

        self._thread = threading.Thread(target=work, name="sandbox-editors", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the changes."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
