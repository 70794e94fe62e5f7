"""Helper processes for first loads: Python runs one thread at a time, and a page's shaping takes most of its time.

They cost nothing where they are not needed: they start when a run has met enough new records, and end with the last
run. What they cannot do, or not now, the caller does itself.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from syncd.engine.prepare import Prepared, Recipe
from syncd.helpers import frames
from syncd.helpers.process import loads, order
from syncd.model import Partition
from syncd.threads import background

_log = structlog.get_logger(__name__)

_MOST = 4
_WORTH = 50_000
"""Bytes of a page that are worth to be handed over."""
_ENOUGH = 5_000_000
"""Bytes of such pages that a run has met before it is worth to start processes."""
_PATIENCE = 60.0
"""Seconds within which a page is ready, or the process is given up."""


def useful() -> int:
    """How many helpers this machine has cores for."""
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    return 0 if cores == 1 else min(cores, _MOST)


class Helpers:
    """Processes that make pages ready, for all runs of this process.

    Args:
        count: How many there are at most.
        enough: Bytes of new pages met before they are started.
    """

    def __init__(self, count: int, *, enough: int = _ENOUGH) -> None:
        self._count = count
        self._enough = enough
        self._changed = threading.Condition()
        self._runs = 0
        self._met = 0
        self._all: list[_Helper] = []
        self._idle: list[_Helper] = []
        self._starting: threading.Thread | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While a run is under way; with the last one the processes end."""
        with self._changed:
            self._runs += 1
        try:
            yield
        finally:
            with self._changed:
                self._runs -= 1
                ended = self._runs == 0
                starting = self._starting
            if ended:
                if starting is not None:
                    starting.join()
                self._end()

    def prepare(self, recipe: Recipe, partition: Partition, text: bytes, seam: str) -> Prepared | None:
        """A page made ready by a helper; None where the caller has to do it. Arguments as `Assistance.prepare`."""
        helper = self._taken(len(text)) if len(text) >= _WORTH else None
        if helper is None:
            return None
        try:
            prepared = helper.prepare(recipe, partition, text, seam)
        except (OSError, EOFError) as error:
            _log.warning("a helper process ended, its work is done without it", why=str(error) or type(error).__name__)
            self._drop(helper)
            return None
        except BaseException:
            # Others may wait for it.
            self._drop(helper)
            raise
        with self._changed:
            self._idle.append(helper)
            self._changed.notify()
        return prepared

    def _taken(self, size: int) -> _Helper | None:
        with self._changed:
            if not self._all:
                self._met += size
                if self._count > 0 and self._met >= self._enough and self._starting is None:
                    self._starting = background("helpers", self._start)
                    self._starting.start()
                return None
            self._changed.wait_for(lambda: self._idle or not self._all)
            return self._idle.pop() if self._idle else None

    def _start(self) -> None:
        for _ in range(self._count):
            try:
                helper = _Helper()
            except OSError as error:
                _log.warning("no helper process can be started, its work is done without it", why=str(error))
                return
            with self._changed:
                self._all.append(helper)
                self._idle.append(helper)
                self._changed.notify()

    def _drop(self, helper: _Helper) -> None:
        helper.close()
        with self._changed:
            self._all.remove(helper)
            self._changed.notify_all()

    def _end(self) -> None:
        with self._changed:
            helpers, self._all, self._idle = self._all, [], []
            self._starting, self._met = None, 0
        for helper in helpers:
            helper.close()


class _Helper:
    """One process.

    Raises:
        OSError: It could not be started.
    """

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._known: set[bytes] = set()
        command = [sys.executable, "-P", "-m", "syncd.helpers.process"]
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of this program
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            except OSError:
                self._socket.close()
                raise
        self._socket.settimeout(_PATIENCE)
        if frames.receive(self._socket, 1) is None:
            self.close()
            raise OSError("it ended at once")

    def prepare(self, recipe: Recipe, partition: Partition, text: bytes, seam: str) -> Prepared | None:
        """A page made ready.

        Raises:
            OSError: It does not answer.
            EOFError: It has ended.
        """
        frames.send(self._socket, order(recipe, partition, text, seam, known=recipe.digest in self._known))
        self._known.add(recipe.digest)
        answer = frames.receive(self._socket, 1)
        if answer is None:
            raise EOFError
        return loads(answer[0], text) if answer[0] else None

    def close(self) -> None:
        """Let it end."""
        self._socket.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
            return
        self._process.kill()
        self._process.wait()
