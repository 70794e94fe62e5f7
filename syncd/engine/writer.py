"""One thread that commits: batches of all partitions queue up, and as many as have gathered share a transaction.

The queue is bounded, so readers wait for the database and memory stays flat.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import structlog

from syncd.catalog.layout import Layout
from syncd.engine.batch import Compared, Item, alone, together, with_rows
from syncd.engine.identity import record_id
from syncd.engine.ports import Clock, Lease, Progress, Store
from syncd.errors import StoreUnavailable, SyncdError, Unstorable
from syncd.model import Counts, Reject, Status, Write
from syncd.threads import background

_log = structlog.get_logger(__name__)

REFUSED_BY_DATABASE = "the database refused records, see syncd_rejects"
DATABASE = "the database"
"""What a run waits for that cannot commit."""

_LONGEST_PAUSE = 60.0
_LOUD_AFTER = 300.0
"""A database that has been away for so many seconds needs a person."""
_BRISK = 0.02
"""Seconds between batches that come one upon the other."""


class Writer:
    """Commits batches in the order they come.

    Args:
        store: Where to.
        layouts: Current layout of every resource; read at each commit.
        run_id: Written to the rows.
        lease: Checked inside every transaction.
        clock: For pauses while the database is away.
        progress: Is told of these.
        batch_rows: As many records share a transaction at most, one page excepted.
        most_rows: As many records wait for their commit at most, one page per reader excepted.
        patience: Seconds to wait for a database that is away before giving up.
        linger: Seconds for which small batches are gathered while nobody waits for their commit and they come one upon
            the other: what comes more slowly is committed at once, so that less is lost when the process is killed.
    """

    def __init__(
        self,
        store: Store,
        layouts: Mapping[str, Layout],
        run_id: str,
        lease: Lease,
        clock: Clock,
        progress: Progress,
        *,
        batch_rows: int = 1_250,
        most_rows: int = 2_500,
        patience: float = 3_600.0,
        linger: float = 0.2,
    ) -> None:
        self._store = store
        self._layouts = layouts
        self._run_id = run_id
        self._lease = lease
        self._clock = clock
        self._progress = progress
        self._batch_rows = batch_rows
        self._patience = patience
        self._linger = linger
        self._most_rows = most_rows
        self._queue: queue.Queue[Item | threading.Event | None] = queue.Queue(maxsize=256)
        self._room = threading.Condition()
        self._rows = 0
        self._came = -math.inf
        self._failure: BaseException | None = None
        self._lost: set[str] = set()
        self._thread = background("writer", self._work)

    @property
    def lost(self) -> frozenset[str]:
        """Resources of which a batch was not committed; to be asked after `close`."""
        return frozenset(self._lost)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue a batch; waits while as many rows as memory is to hold wait for their commit.

        Raises:
            SyncdError: An earlier batch could not be committed; nothing after it will be.
        """
        with self._room:
            self._room.wait_for(lambda: self._rows < self._most_rows or self._failure is not None)
            self._rows += item.size
        self._check()
        self._queue.put(item)

    def flush(self) -> None:
        """Wait until everything queued before is committed. Raises as `put`."""
        reached = threading.Event()
        self._check()
        self._queue.put(reached)
        reached.wait()
        self._check()

    def close(self) -> None:
        """Commit what is queued and end. Raises as `put`."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            items: list[Item] = []
            marks: list[threading.Event] = []
            end = self._gather(first, items, marks)
            if items and self._failure is None:
                try:
                    self._commit(items)
                except BaseException as error:  # noqa: BLE001 - handed to every reader by `put`, `flush` and `close`
                    self._failure = error
            if self._failure is not None:
                self._lost |= {item.write.partition.resource for item in items}
            with self._room:
                self._rows -= sum(item.size for item in items)
                self._room.notify_all()
            for mark in marks:
                mark.set()
            if end:
                return
            # Rows that are committed must not be held while the next batch is awaited.
            del items, first

    def _gather(self, first: Item | threading.Event | None, items: list[Item], marks: list[threading.Event]) -> bool:
        """Take what has queued up, to one transaction's worth; True at the end of the work."""
        rows = 0
        until = time.monotonic()
        if until - self._came < _BRISK:
            until += self._linger
        one = first
        while True:
            if one is None:
                return True
            if isinstance(one, threading.Event):
                marks.append(one)
            else:
                items.append(one)
                rows += one.size
                self._came = time.monotonic()
            if rows >= self._batch_rows:
                return False
            try:
                one = self._queue.get(timeout=0 if marks else max(0.0, until - time.monotonic()))
            except queue.Empty:
                return False

    def _commit(self, items: Sequence[Item]) -> int:
        """Commit batches; how many of their records the database refused."""
        waited, pause = 0.0, 0.5
        whole: Sequence[Item] = ()
        while True:
            try:
                whole = whole or self._whole(items)
                counts = self._store.commit(self._layouts, [item.write for item in whole], self._run_id, self._lease)
            except StoreUnavailable as error:
                if waited >= self._patience:
                    raise
                tell = _log.error if waited >= _LOUD_AFTER else _log.warning
                tell("the database is away, waiting", error=error.message, remedy=error.remedy, seconds=pause)
                self._progress.waiting(pause, DATABASE)
                self._clock.sleep(pause)
                waited += pause
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Unstorable as error:
                return self._divide(items if len(items) > 1 else whole, error)
            else:
                for item, count in zip(whole, counts, strict=True):
                    if item.done is not None:
                        item.done(count)
                return 0

    def _whole(self, items: Sequence[Item]) -> Sequence[Item]:
        """Batches none of which is late.

        Those that were of one resource are compared by one query and shaped as one page, where no record is touched
        twice: their rows come before what else stands in the transaction.
        """
        late: dict[str, list[int]] = defaultdict(list)
        for number, item in enumerate(items):
            if item.late is not None:
                late[item.write.partition.resource].append(number)
        whole: list[Sequence[Item]] = [[item] for item in items]
        for resource, numbers in late.items():
            pages = self._compared(self._layouts[resource], [items[number] for number in numbers])
            others = [item.write for item in items if item.late is None and item.write.partition.resource == resource]
            once = len(pages) > 1 and _touch_once(pages, others)
            for number, page in zip(numbers, pages, strict=True):
                whole[number] = () if once else [alone(page)]
            if once:
                whole[numbers[0]] = together(pages)
        return list(chain.from_iterable(whole))

    def _compared(self, layout: Layout, items: Sequence[Item]) -> Sequence[Compared]:
        pages = [(item, item.late) for item in items if item.late is not None]
        asked = [(item.write.partition, late.found.keys) for item, late in pages]
        known = self._store.known(layout, asked)
        return [(item, late, have) for (item, late), have in zip(pages, known, strict=True)]

    def _divide(self, items: Sequence[Item], error: SyncdError) -> int:
        """The database refused a value: find its record, keep it whole among the rejects, and store the rest."""
        if len(items) > 1:
            return sum(self._commit([item]) for item in items)
        (item,) = items
        write = item.write
        if write.root is None or not write.keys:
            raise error
        if write.root.packed is not None:
            assert item.shape is not None
            shaped = item.shape()
            return self._commit([replace(item, write=with_rows(write, shaped), shape=None)])
        if len(write.keys) == 1:
            row = [one[0] for one in write.root.values]
            reject = Reject(error.message, item.records[0] if item.records else row)
            counts = replace(write.counts, rejected=write.counts.rejected + 1)
            alone = replace(
                _without(write, 1), root=None, children=(), keys=(), hashes=(), misfits=(), counts=counts,
                rejects=(*write.rejects, reject),
            )  # fmt: skip
            return 1 + self._commit([replace(item, write=alone, records=())])
        first, second = _halves(item, len(write.keys) // 2)
        refused = self._commit([first])
        return refused + self._commit([replace(second, write=_without(second.write, refused))])


def _touch_once(pages: Sequence[Compared], others: Sequence[Write]) -> bool:
    """Whether no record is on two of these pages, or in another batch."""
    keys = list(chain.from_iterable(late.found.keys for _, late, _ in pages))
    once = set(keys)
    return len(once) == len(keys) and all(
        once.isdisjoint(chain(write.keys, write.seen, write.gone)) for write in others
    )


def _without(write: Write, refused: int) -> Write:
    """A batch that goes with records of which the database refused so many."""
    if not refused:
        return write
    proof = write.proof
    if proof is not None:
        proof = replace(
            proof,
            stored=proof.stored - refused,
            rejected=proof.rejected + refused,
            status=Status.PARTIAL,
            note="; ".join(filter(None, [proof.note, REFUSED_BY_DATABASE])),
            standing=None if proof.standing is None else proof.standing - refused,
        )
    return replace(write, proof=proof, arrived=max(0, write.arrived - refused))


def _halves(item: Item, middle: int) -> tuple[Item, Item]:
    """A batch as two; the cursor and all that goes with it come with the second."""
    write = item.write
    root = write.root
    assert root is not None
    scope = [name for name in ("company_id", "project_id") if name in root.columns]
    position = len(scope)

    def part(lower: int, upper: int | None) -> Write:
        ids = {record_id(key) for key in write.keys[lower:upper]}
        children = tuple(
            table.only([row for row, owner in enumerate(table.values[position]) if owner in ids])
            for table in write.children
        )
        return replace(
            write,
            root=root.only(range(len(root))[lower:upper]),
            children=children,
            keys=write.keys[lower:upper],
            hashes=write.hashes[lower:upper],
            misfits=write.misfits[lower:upper],
        )

    first = replace(
        part(0, middle), counts=Counts(), arrived=0, seen=(), sightings=(), gone=(), rejects=(), cursor=None, proof=None
    )
    return (
        Item(first, item.records[:middle], item.done),
        Item(part(middle, None), item.records[middle:], item.done),
    )
