"""How a run goes, on stderr: bars at a terminal, now and then a line of the log in a pipe."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from syncd.engine.ports import Progress
from syncd.model import Counts, Partition

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

_BETWEEN_LINES = 10.0
_WORTH_A_WORD = 1.0


@dataclass(slots=True)
class _Tally:
    """What is known of a resource, or of all of them."""

    planned: int = 0
    done: int = 0
    records: int = 0
    requests: int = 0

    @property
    def finished(self) -> bool:
        return self.done >= self.planned


class Silent:
    """Tells nobody."""

    def planned(self, resource: str, partitions: int) -> None:
        """See `Progress`."""

    def page(self, partition: Partition, records: int) -> None:
        """See `Progress`."""

    def done(self, partition: Partition, counts: Counts) -> None:
        """See `Progress`."""

    def waiting(self, seconds: float, why: str) -> None:
        """See `Progress`."""


class Lines:
    """A line of the log when a resource is through, and one from time to time in between.

    Args:
        log: A structlog logger.
        now: Seconds that never go back.
        between: Least seconds between two lines that report no end.
    """

    def __init__(self, log: Any, now: Callable[[], float] = time.monotonic, between: float = _BETWEEN_LINES) -> None:
        self._log = log
        self._now = now
        self._between = between
        self._next = now() + between
        self._all = _Tally()
        self._tallies: dict[str, _Tally] = {}
        self._lock = threading.Lock()

    def planned(self, resource: str, partitions: int) -> None:
        """Count partitions to come."""
        with self._lock:
            self._tallies.setdefault(resource, _Tally()).planned += partitions
            self._all.planned += partitions

    def page(self, partition: Partition, records: int) -> None:
        """Count a page; every so often say how far the run is."""
        with self._lock:
            for tally in (self._tallies.setdefault(partition.resource, _Tally()), self._all):
                tally.records += records
                tally.requests += 1
            if self._due():
                self._say("reading", self._all)

    def done(self, partition: Partition, counts: Counts) -> None:
        """Count a partition; say so when it was the resource's last."""
        del counts
        with self._lock:
            tally = self._tallies.setdefault(partition.resource, _Tally())
            tally.done += 1
            self._all.done += 1
            if tally.finished:
                self._say("resource read", tally, resource=partition.resource)

    def waiting(self, seconds: float, why: str) -> None:
        """Say what is waited for, where it is long enough to wonder."""
        with self._lock:
            if seconds >= _WORTH_A_WORD and self._due():
                self._log.info("waiting", seconds=round(seconds), why=why)

    def _due(self) -> bool:
        if self._now() < self._next:
            return False
        self._next = self._now() + self._between
        return True

    def _say(self, event: str, tally: _Tally, **context: str) -> None:
        self._log.info(
            event,
            partitions=f"{tally.done}/{tally.planned}",
            records=tally.records,
            requests=tally.requests,
            **context,
        )


class Bars:
    """A bar per resource under way, and one for the run: partitions, records, requests, time left.

    Args:
        console: Where they are drawn.
    """

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self._bars = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[records]:,} rows", justify="right"),
            TextColumn("{task.fields[requests]:,} requests", justify="right"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False, style="yellow"),
            console=console,
            transient=True,
        )
        self._most = max(3, console.size.height - 4)
        self._lock = threading.Lock()
        self._all = _Tally()
        self._total = self._add("all")
        self._tallies: dict[str, _Tally] = {}
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def planned(self, resource: str, partitions: int) -> None:
        """Lengthen the resource's bar."""
        with self._lock:
            self._tallies.setdefault(resource, _Tally()).planned += partitions
            self._all.planned += partitions
            self._draw(resource)

    def page(self, partition: Partition, records: int) -> None:
        """Count a page's rows."""
        with self._lock:
            for tally in (self._tallies.setdefault(partition.resource, _Tally()), self._all):
                tally.records += records
                tally.requests += 1
            self._draw(partition.resource)

    def done(self, partition: Partition, counts: Counts) -> None:
        """Move the resource's bar; a full one makes room."""
        del counts
        with self._lock:
            self._tallies.setdefault(partition.resource, _Tally()).done += 1
            self._all.done += 1
            self._draw(partition.resource)

    def waiting(self, seconds: float, why: str) -> None:
        """Show what is waited for beside the run's bar."""
        if seconds >= _WORTH_A_WORD:
            self._bars.update(self._total, note=f"waiting {seconds:.0f} s for {why}")

    def _draw(self, resource: str) -> None:
        tally, task = self._tallies[resource], self._tasks.get(resource)
        if tally.finished:
            if task is not None:
                self._bars.remove_task(self._tasks.pop(resource))
        elif task is None and len(self._tasks) < self._most:
            task = self._tasks[resource] = self._add(resource)
        if task is not None and not tally.finished:
            self._show(task, tally)
        self._show(self._total, self._all)

    def _add(self, name: str) -> TaskID:
        return self._bars.add_task(name, total=None, records=0, requests=0, note="")

    def _show(self, task: TaskID, tally: _Tally) -> None:
        self._bars.update(
            task,
            total=tally.planned,
            completed=tally.done,
            records=tally.records,
            requests=tally.requests,
            note="",
        )


@contextmanager
def progress_for(*, quiet: bool = False) -> Iterator[Progress]:
    """The progress that suits stderr: bars at a terminal, lines of the log elsewhere.

    Args:
        quiet: Tell nobody.
    """
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        from rich.console import Console

        with Bars(Console(file=sys.stderr, highlight=False, emoji=False)) as bars:
            yield bars
    else:
        import structlog

        yield Lines(structlog.get_logger("syncd.progress"))
