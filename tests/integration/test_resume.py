"""A run goes on where an interrupted one stopped: what that has read to the end is not asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.fake import PLAIN, THINGS, Bench, stamp

from syncd.model import ResourceReport, RunReport, Status
from syncd.storage.reports import Reports

LONG = replace(THINGS, name="long", path="/rest/v1.0/long")
CATALOG = {one.name: one for one in (THINGS, PLAIN, LONG)}


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    made = Bench(database_url, CATALOG)
    made.source.page_size = 3
    made.source.lists = {
        THINGS.path: [record(made, 1), record(made, 2)],
        PLAIN.path: [record(made, 3)],
        LONG.path: [record(made, number) for number in range(10, 30)],
    }
    yield made
    made.database.close()


def record(bench: Bench, number: int, name: str = "a") -> dict[str, Any]:
    return {"id": number, "name": name, "updated_at": stamp(bench.clock.now()), "parts": []}


def stopped(bench: Bench, **wishes: Any) -> RunReport:
    """A run that is asked to stop at the first seam between two pages: the long list's."""

    def stop(_: int) -> None:
        bench.clock.stopped = True

    bench.source.between = stop
    report = bench.run(workers=1, **wishes)
    bench.source.between = lambda _: None
    bench.clock.stopped = False
    bench.source.asked.clear()
    return report


def change(bench: Bench, *, minutes: int) -> None:
    """Some minutes after a run was stopped, change a record that it has read to the end and one under way."""
    bench.clock.advance(minutes=minutes)
    bench.source.lists[THINGS.path][0] = record(bench, 1, "changed")
    bench.source.lists[LONG.path][0] = record(bench, 10, "changed")


def changed(bench: Bench) -> bool:
    """Whether the tables say so."""
    stored = "SELECT name FROM things WHERE id = 1 UNION ALL SELECT name FROM long WHERE id = 10"
    return bench.rows(stored) == [("changed",), ("changed",)]


def asked(bench: Bench) -> list[str]:
    return [request.path.rpartition("/")[2] for request in bench.source.asked]


def of(report: RunReport, resource: str) -> ResourceReport:
    return next(one for one in report.resources if one.resource == resource)


def resumes(bench: Bench) -> list[str | None]:
    return [row[0] for row in bench.rows("SELECT resumes FROM syncd_runs ORDER BY started_at, id")]


def test_what_an_interrupted_run_has_read_to_the_end_is_not_asked_for_again(bench: Bench) -> None:
    first = stopped(bench)
    assert first.status is Status.PARTIAL
    with capture_logs() as logs:
        report = bench.run(workers=1)
    assert asked(bench) == ["long"]
    assert bench.source.asked[0].start is not None
    assert report.status is Status.OK
    assert of(report, "things").status is Status.OK
    assert of(report, "things").partitions == 1
    assert of(report, "things").rows.read == 0
    assert len(bench.rows("SELECT id FROM long")) == len(bench.source.lists[LONG.path])
    assert "goes on where run run-1 stopped: 2 partitions are already read" in [line["event"] for line in logs]
    assert resumes(bench) == [None, "run-1"]


def test_runs_that_are_interrupted_again_and_again_count_as_one(bench: Bench) -> None:
    stopped(bench)
    stopped(bench)
    stopped(bench)
    assert bench.run(workers=1).status is Status.OK
    assert "things" not in asked(bench)
    assert resumes(bench) == [None, "run-1", "run-1", "run-1"]


def test_what_changed_since_the_interrupted_run_began_is_right_after_the_next(bench: Bench) -> None:
    stopped(bench)
    change(bench, minutes=1)
    assert bench.run(workers=1).status is Status.OK
    bench.clock.advance(minutes=1)
    assert bench.run(workers=1).status is Status.OK
    assert changed(bench)


@pytest.mark.parametrize("wish", ["full", "retry_refused", "accept_deletes"])
def test_who_asks_for_more_than_to_sync_gets_it(bench: Bench, wish: str) -> None:
    stopped(bench)
    wishes: dict[str, Any] = {wish: True}
    assert bench.run(workers=1, **wishes).status is Status.OK
    assert sorted(set(asked(bench))) == ["long", "plain", "things"]


def test_a_run_that_ended_well_is_not_gone_on_with(bench: Bench) -> None:
    assert bench.run(workers=1).status is Status.OK
    bench.source.asked.clear()
    bench.run(workers=1)
    assert asked(bench) == ["things", "plain", "long"]


def test_a_run_that_was_interrupted_long_ago_is_not_gone_on_with_and_what_changed_since_is_right(bench: Bench) -> None:
    stopped(bench)
    change(bench, minutes=20)
    assert bench.run(workers=1).status is Status.OK
    assert asked(bench)[:2] == ["things", "plain"]
    assert bench.source.asked[2].start is not None, "the list under way goes on in its page"
    assert changed(bench)


def test_a_listing_that_an_interrupted_run_doubted_is_not_believed_by_the_run_that_goes_on(bench: Bench) -> None:
    assert bench.run(workers=1).status is Status.OK
    things = bench.source.lists[THINGS.path]
    bench.source.lists[THINGS.path] = []
    bench.clock.advance(days=8)
    stopped(bench)
    report = bench.run(workers=1)
    assert "not believed" in (of(report, "things").error or "")
    assert bench.rows("SELECT count(*) FROM things WHERE _syncd_deleted_at IS NOT NULL") == [(0,)]
    assert "twice in a row" not in (bench.run(workers=1).error or "")
    assert bench.rows("SELECT count(*) FROM things WHERE _syncd_deleted_at IS NOT NULL") == [(len(things),)]


def test_partitions_that_the_interrupted_run_has_read_count_as_fresh(bench: Bench) -> None:
    stopped(bench)
    bench.clock.advance(minutes=1)
    bench.run(workers=1)
    fresh = {one.resource: one for one in Reports(bench.database).freshness(["job"])}
    assert {name: one.partitions for name, one in fresh.items()} == {"things": 1, "plain": 1, "long": 1}


def test_a_listing_under_way_for_long_begins_anew_where_changes_cannot_be_asked_for(bench: Bench) -> None:
    bench.source.lists[PLAIN.path] = [record(bench, number) for number in range(10, 20)]
    stopped(bench)
    bench.clock.advance(minutes=20)
    bench.source.lists[PLAIN.path][0] = record(bench, 10, "changed")
    assert bench.run(workers=1).status is Status.OK
    assert bench.rows("SELECT name FROM plain WHERE id = 10") == [("changed",)]
