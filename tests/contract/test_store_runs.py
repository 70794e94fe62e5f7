"""What the engine may expect of its store about runs: leases, claims, the ledger, remembered refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from support.shelf import Desk, Shelf
from support.things import ALICE, ALL, HERE, THERE, THINGS, lines, only, things

from syncd.errors import JobBusy, LeaseLost
from syncd.model import (
    Counts,
    CursorState,
    Interrupted,
    Mode,
    Reject,
    ResourceReport,
    RunRecord,
    RunReport,
    Status,
    Write,
)


def test_one_owner_has_a_lease_at_a_time(shelf: Shelf) -> None:
    first = shelf.store().lease("job:a", 60)
    other = shelf.store()
    with pytest.raises(JobBusy):
        other.lease("job:a", 60)
    other.lease("job:b", 60).release()
    shelf.clock.advance(seconds=50)
    first.renew()
    shelf.clock.advance(seconds=50)
    with pytest.raises(JobBusy):
        other.lease("job:a", 60)
    first.release()
    second = other.lease("job:a", 60)
    assert second.fence > first.fence
    first.release()
    second.renew()
    with pytest.raises(LeaseLost):
        first.renew()


def test_a_lease_that_ran_out_is_kept_until_somebody_takes_it(shelf: Shelf) -> None:
    lease = shelf.store().lease("job:a", 60)
    shelf.clock.advance(seconds=90)
    lease.renew()
    with pytest.raises(JobBusy):
        shelf.store().lease("job:a", 60)


def test_an_owner_that_was_replaced_writes_nothing(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a"}], sightings=[(1,)])
    shelf.clock.advance(seconds=61)
    owner = Desk(shelf.store(), ALL, "run-2")
    owner.store.claim(owner.lease, "service", 1, ["things"])
    layout = desk.layout("things")
    late: list[Callable[[], object]] = [
        lambda: desk.put(HERE, [{"id": 1, "name": "b"}], cursor=CursorState(), rejects=[Reject("bad", {})]),
        lambda: desk.put(HERE, gone=[(1,)]),
        lambda: desk.store.sweep(layout, HERE, [(1,)], "run-1", desk.lease, remove=False),
        lambda: desk.store.sweep(layout, HERE, [(1,)], "run-1", desk.lease, remove=True),
        lambda: desk.store.forget_sightings(HERE, desk.lease),
        lambda: desk.store.claim(desk.lease, "service", 1, ["things"]),
        desk.lease.renew,
    ]
    for write in late:
        with pytest.raises(LeaseLost):
            write()
    desk.store.disclaim(desk.lease, ["things"])
    assert only(things(shelf, desk))["name"] == "a"
    assert (owner.missing(HERE, None), owner.live(HERE)) == ([], 1)
    assert (owner.store.cursors([HERE]), shelf.remembered("syncd_rejects")) == ({}, [])
    third = shelf.store()
    assert third.claim(third.lease("job:b", 60), "service", 1, ["things"]) == frozenset()


def test_who_gave_a_lease_back_writes_nothing_more(desk: Desk) -> None:
    desk.lease.release()
    with pytest.raises(LeaseLost):
        desk.put(HERE, [{"id": 1}])
    assert desk.live(HERE) == 0


def test_a_resource_is_claimed_by_one_run_at_a_time(shelf: Shelf) -> None:
    one, other = shelf.store(), shelf.store()
    a, b = one.lease("job:a", 60), other.lease("job:b", 60)
    assert one.claim(a, "service", 1, ["things", "codes"]) == {"things", "codes"}
    assert other.claim(b, "service", 1, ["things", "lines"]) == {"lines"}
    assert other.claim(b, "user:alice", 1, ["things"]) == {"things"}
    assert other.claim(b, "service", 2, ["things"]) == {"things"}
    assert one.claim(a, "service", 1, ["things", "lines"]) == {"things"}
    other.disclaim(b, ["codes"])
    one.disclaim(a, ["things"])
    assert other.claim(b, "service", 1, ["things", "codes"]) == {"things"}


def test_who_lost_a_claim_when_its_lease_ran_out_writes_nothing_more(shelf: Shelf, desk: Desk) -> None:
    desk.store.claim(desk.lease, "service", 1, ["things"])
    desk.put(HERE, [{"id": 1, "name": "a"}])
    shelf.clock.advance(seconds=61)
    desk.put(HERE, [{"id": 1, "name": "b"}])
    other = Desk(shelf.store(), ALL, "run-2", "job:b")
    assert other.store.claim(other.lease, "service", 1, ["codes"]) == {"codes"}
    desk.put(HERE, [{"id": 1, "name": "c"}])
    assert other.store.claim(other.lease, "service", 1, ["things"]) == {"things"}
    for late in (lambda: desk.put(HERE, [{"id": 1, "name": "d"}]), lambda: desk.sweep(HERE, (1,)), desk.lease.renew):
        with pytest.raises(LeaseLost):
            late()
    assert only(things(shelf, desk))["name"] == "c"
    assert other.store.claim(shelf.store().lease("job:a", 60), "service", 1, ["things"]) == frozenset()


def test_a_claim_ends_with_its_lease(shelf: Shelf) -> None:
    one, other = shelf.store(), shelf.store()
    a = one.lease("job:a", 60)
    one.claim(a, "service", 1, ["things", "codes"])
    b = other.lease("job:b", 600)
    assert other.claim(b, "service", 1, ["things"]) == frozenset()
    shelf.clock.advance(seconds=61)
    assert other.claim(b, "service", 1, ["things"]) == {"things"}
    a = one.lease("job:a", 60)
    assert one.claim(a, "service", 1, ["things", "codes"]) == {"codes"}
    a.release()
    assert other.claim(b, "service", 1, ["codes"]) == {"codes"}


# Runs and refusals.


def run(number: int, shelf: Shelf, job: str = "a") -> RunRecord:
    return RunRecord(f"run-{number}", job, "resources", "service", "manual", None, shelf.clock.now())


def report(record: RunRecord, shelf: Shelf) -> RunReport:
    rows = Counts(1, 2, 3, 4, 5, 6)
    resources = (ResourceReport("things", Status.OK, Mode.FULL, 1, rows), ResourceReport("codes", Status.FAILED, Mode.FULL, 1, Counts(), "why"))  # fmt: skip
    return RunReport(
        record.job, record.id, Status.PARTIAL, record.started_at, shelf.clock.now(), 9, rows, resources, 3, "codes: why"
    )


def test_a_run_is_open_until_it_is_closed(shelf: Shelf) -> None:
    store, record = shelf.store(), run(1, shelf)
    store.open_run(record)
    row = only(shelf.remembered("syncd_runs"))
    told = ("id", "job", "job_type", "principal", "trigger", "due_at", "started_at", "status", "finished_at")
    assert [row[name] for name in told] == [
        "run-1", "a", "resources", "service", "manual", None, shelf.clock.now(), "running", None,
    ]  # fmt: skip
    shelf.clock.advance(seconds=5)
    store.close_run(report(record, shelf))
    row = only(shelf.remembered("syncd_runs"))
    said = ("status", "exit_code", "finished_at", "requests", "error", "rows_read", "rows_rejected")
    assert [row[name] for name in said] == ["partial", 3, shelf.clock.now(), 9, "codes: why", 1, 6]
    parts = {row["resource"]: (row["run_id"], row["status"], row["rows_updated"]) for row in shelf.remembered("syncd_run_resources")}  # fmt: skip
    assert parts == {"things": ("run-1", "ok", 3), "codes": ("run-1", "failed", 0)}


def test_a_run_that_nobody_closed_has_failed_when_the_next_of_its_job_begins(shelf: Shelf) -> None:
    store = shelf.store()
    closed = run(1, shelf)
    store.open_run(closed)
    store.close_run(report(closed, shelf))
    store.open_run(run(2, shelf))
    store.open_run(run(3, shelf, "b"))
    shelf.clock.advance(seconds=5)
    store.open_run(run(4, shelf))
    rows = sorted(shelf.remembered("syncd_runs"), key=lambda row: str(row["id"]))
    assert [row["status"] for row in rows] == ["partial", "failed", "running", "running"]
    assert (rows[1]["finished_at"], rows[1]["exit_code"]) == (shelf.clock.now(), 1)


def test_a_run_that_was_broken_off_is_known_with_those_it_went_on_with(shelf: Shelf) -> None:
    store = shelf.store()
    assert store.interrupted("a", "service") is None
    store.open_run(run(1, shelf))
    layout = store.open(THINGS, frozenset({THINGS.name}))
    read = CursorState(shelf.clock.now(), shelf.clock.now(), "run-1")
    store.commit({THINGS.name: layout}, [Write(HERE, cursor=read)], "run-1", store.lease("job:a", 60))
    shelf.clock.advance(seconds=5)
    store.beat("run-1")
    found = store.interrupted("a", "service")
    assert found == Interrupted("run-1", "run-1", shelf.clock.now(), 1)
    assert store.interrupted("a", "user:alice") is None
    assert store.interrupted("b", "service") is None
    shelf.clock.advance(seconds=5)
    store.open_run(replace(run(2, shelf), resumes="run-1"))
    assert store.interrupted("a", "service") == Interrupted("run-2", "run-1", shelf.clock.now(), 1)
    store.close_run(report(run(2, shelf), shelf))
    assert store.interrupted("a", "service") is None


def test_a_refusal_is_remembered_until_the_partition_answers(shelf: Shelf) -> None:
    store, now = shelf.store(), shelf.clock.now()
    waits = []
    for _ in range(10):
        store.refused(HERE, 403, "no permission", now)
        waits.append(store.refusals([HERE, THERE, ALICE])[HERE].probe_at - now)
    assert [wait // timedelta(hours=1) for wait in waits] == [1, 2, 4, 8, 16, 32, 64, 128, 168, 168]
    store.refused(lines(5), 404, "", now)
    found = shelf.store().refusals([HERE, lines(5), lines(6)])
    assert {place: one.reason for place, one in found.items()} == {HERE: "403 no permission", lines(5): "404"}
    store.allowed([HERE, THERE])
    assert list(store.refusals([HERE, lines(5)])) == [lines(5)]
    store.refused(HERE, 403, "again", now)
    assert store.refusals([HERE])[HERE].probe_at - now == timedelta(hours=1)
