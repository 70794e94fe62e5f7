"""What the writer does while the database is away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from structlog.testing import capture_logs

from syncd.catalog.layout import Layout
from syncd.engine.batch import Item
from syncd.engine.ports import Lease, Store
from syncd.engine.writer import DATABASE, Writer
from syncd.errors import StoreUnavailable
from syncd.model import Counts, Partition, Write


class Hasty:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def stopping(self) -> bool:
        return False


class Watch:
    """Progress: what was waited for."""

    def __init__(self) -> None:
        self.waits: list[tuple[float, str]] = []

    def planned(self, resource: str, partitions: int) -> None: ...

    def page(self, partition: Partition, records: int) -> None: ...

    def done(self, partition: Partition, counts: Counts) -> None: ...

    def waiting(self, seconds: float, why: str) -> None:
        self.waits.append((seconds, why))


class Away:
    """A store that is away so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.committed: list[Write] = []

    def commit(
        self, layouts: Mapping[str, Layout], writes: Sequence[Write], run_id: str, lease: Lease
    ) -> Sequence[Counts]:
        if self.times:
            self.times -= 1
            raise StoreUnavailable("There is no room left.", "Free some.")
        self.committed += writes
        return [write.counts for write in writes]


def written(times: int) -> tuple[Away, Watch, Hasty, list[str]]:
    """Write a batch to a store that is away so many times; the levels of the log's lines too."""
    store, watch, clock = Away(times), Watch(), Hasty()
    writer = Writer(cast(Store, store), {}, "1", cast(Lease, None), clock, watch)
    with capture_logs() as logs:
        writer.start()
        writer.put(Item(Write(Partition("things", "service", 1))))
        writer.close()
    return store, watch, clock, [line["log_level"] for line in logs]


def test_a_database_that_is_away_is_waited_for_and_everybody_who_watches_is_told() -> None:
    store, watch, clock, levels = written(3)
    assert len(store.committed) == 1
    assert watch.waits == [(0.5, DATABASE), (1.0, DATABASE), (2.0, DATABASE)]
    assert clock.slept == 3.5
    assert levels == ["warning"] * 3


def test_one_that_stays_away_needs_a_person() -> None:
    *_, levels = written(13)
    assert levels[:10] == ["warning"] * 10
    assert levels[-1] == "error"
