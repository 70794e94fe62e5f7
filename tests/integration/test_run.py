"""What a run promises of the tables it leaves behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.fake import LOGS, PLAIN, THINGS, Bench, FakeClock, stamp

from syncd.catalog.layout import Layout
from syncd.catalog.resource import Resource, Window
from syncd.errors import BadAnswer, LeaseLost, Refused, StoreUnavailable, Unavailable
from syncd.model import Counts, Write
from syncd.storage.database import Database
from syncd.storage.lease import Fenced
from syncd.storage.store import SqlStore


def thing(bench: Bench, number: int | str, **fields: Any) -> dict[str, Any]:
    return {"id": number, "name": f"thing {number}", "updated_at": stamp(bench.clock.now()), "parts": [], **fields}


Make = Callable[..., Bench]


@pytest.fixture
def make(database_url: str) -> Iterator[Make]:
    made: list[Bench] = []

    def one(*resources: Resource) -> Bench:
        made.append(Bench(database_url, {resource.name: resource for resource in resources}))
        return made[-1]

    yield one
    for bench in made:
        bench.database.close()


@pytest.fixture
def bench(make: Make) -> Bench:
    return make(THINGS)


def test_a_record_that_the_database_refuses_is_kept_whole_and_the_others_are_stored(make: Make) -> None:
    named = replace(THINGS, fields={**THINGS.fields, "id": "string"})
    bench = make(named)
    too_long = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))
    records = [thing(bench, name, parts=[{"id": 7, "label": name[:9]}]) for name in ("a", too_long, "b")]
    bench.source.lists[THINGS.path], bench.source.page_size = records, 3
    report = bench.run()
    assert bench.assistance.made
    refuses = not bench.database.is_sqlite
    assert (report.status, report.rows.rejected) == (("partial", 1) if refuses else ("ok", 0))
    stored = [record for record in records if not (refuses and record["id"] == too_long)]
    assert sorted(bench.rows("SELECT id FROM things")) == sorted((one["id"],) for one in stored)
    proof = bench.rows("SELECT status, stored, rejected, standing FROM syncd_partitions")
    assert proof == [("partial", 2, 1, 2) if refuses else ("ok", 3, 0, 3)]
    parts = bench.rows("SELECT _syncd_parent_id, label FROM things_parts")
    assert sorted(parts) == sorted((one["id"], one["parts"][0]["label"]) for one in stored)
    kept = [json.loads(row[0]) for row in bench.rows("SELECT record FROM syncd_rejects")]
    assert kept == [record for record in records if record not in stored]


def test_a_first_load_stores_every_record_with_its_child_rows(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [thing(bench, 1, parts=[{"id": 7, "label": "a"}]), thing(bench, 2**40)]
    report = bench.run()
    assert (report.status, report.exit_code) == ("ok", 0)
    assert report.rows == Counts(read=2, inserted=2)
    assert bench.rows("select company_id, id, name from things order by id") == [
        (1, 1, "thing 1"),
        (1, 2**40, f"thing {2**40}"),
    ]
    assert bench.rows("select _syncd_parent_id, _syncd_position, id, label from things_parts") == [(1, 0, 7, "a")]


def test_an_increment_asks_for_changes_only_and_leaves_unchanged_rows_untouched(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [thing(bench, 1), thing(bench, 2)]
    bench.clock.advance(hours=1)
    bench.run()
    before = bench.rows("select _syncd_synced_at, _syncd_run_id from things where id = 2")
    bench.clock.advance(hours=1)
    bench.source.lists[THINGS.path][0] = thing(bench, 1, name="renamed")
    report = bench.run()
    assert report.resources[0].mode == "incremental"
    assert report.rows == Counts(read=1, updated=1)
    assert bench.rows("select name from things where id = 1") == [("renamed",)]
    assert bench.rows("select _syncd_synced_at, _syncd_run_id from things where id = 2") == before


def interrupt(bench: Bench) -> None:
    """A first load that is stopped after its first list."""
    bench.source.lists[THINGS.path] = [thing(bench, 1)]
    bench.source.lists[PLAIN.path] = [thing(bench, number) for number in range(5)]
    bench.source.page_size = 2
    bench.source.between = lambda _: setattr(bench.clock, "stopped", True)
    report = bench.run(workers=1)
    assert (report.status, report.exit_code) == ("partial", 3)
    assert [(one.resource, one.status) for one in report.resources] == [("things", "ok"), ("plain", "partial")]
    bench.clock.stopped = False
    bench.source.between = lambda _: None
    bench.source.asked.clear()


def test_a_run_goes_on_where_an_interrupted_one_stopped_and_asks_for_nothing_twice(make: Make) -> None:
    bench = make(THINGS, PLAIN)
    interrupt(bench)
    report = bench.run(workers=1)
    assert [one.path for one in bench.source.asked] == [PLAIN.path]
    assert [(one.resource, one.status, one.partitions) for one in report.resources] == [
        ("things", "ok", 1),
        ("plain", "ok", 1),
    ]
    assert bench.rows("select count(*) from plain") == [(5,)]
    bench.source.asked.clear()
    bench.run()
    assert {one.path for one in bench.source.asked} == {THINGS.path, PLAIN.path}


def test_a_listing_that_answers_nonsense_is_begun_anew_by_the_next_run(bench: Bench) -> None:
    listed = [thing(bench, number) for number in range(4)]
    bench.source.page_size = 2
    bench.source.lists[THINGS.path] = [thing(bench, 99), *listed[1:]]
    bench.source.between = lambda _: bench.source.errors.update({THINGS.path: BadAnswer("The pages go round.")})
    assert bench.run().status == "failed"
    bench.source.errors.clear()
    bench.source.between = lambda _: None
    bench.source.lists[THINGS.path] = listed
    assert bench.run().status == "ok"
    assert bench.rows("select id from things where _syncd_deleted_at is null order by id") == [(0,), (1,), (2,), (3,)]


@pytest.mark.parametrize(("minutes", "full"), [(16, False), (0, True)])
def test_what_an_interrupted_run_has_read_is_asked_for_again_when_it_is_old_or_all_is_wanted(
    make: Make, minutes: int, *, full: bool
) -> None:
    bench = make(THINGS, PLAIN)
    interrupt(bench)
    bench.clock.advance(minutes=minutes)
    bench.run(full=full)
    assert THINGS.path in {one.path for one in bench.source.asked}


def test_nothing_changed_writes_no_row(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [thing(bench, 1)]
    bench.run()
    report = bench.run()
    assert report.rows == Counts(read=1, unchanged=1)


def test_child_rows_are_replaced_as_a_set(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [thing(bench, 1, parts=[{"id": 1}, {"id": 2}])]
    bench.run()
    bench.clock.advance(hours=1)
    bench.source.lists[THINGS.path] = [thing(bench, 1, parts=[{"id": 2}])]
    bench.run()
    assert bench.rows("select id, _syncd_position from things_parts") == [(2, 0)]


def test_a_full_listing_finds_deletions_and_a_returning_record_loses_its_tombstone(make: Make) -> None:
    bench = make(PLAIN)
    all_of_them = [thing(bench, n, parts=[{"id": n}]) for n in range(1, 6)]
    bench.source.lists[PLAIN.path] = all_of_them
    bench.run()
    bench.source.lists[PLAIN.path] = all_of_them[1:]
    report = bench.run()
    assert (report.status, report.rows.deleted) == ("ok", 1)
    assert bench.rows("select id from plain where _syncd_deleted_at is not null") == [(1,)]
    assert bench.rows("select id from plain_parts where _syncd_deleted_at is not null") == [(1,)]
    bench.source.lists[PLAIN.path] = all_of_them
    report = bench.run()
    assert report.rows == Counts(read=5, updated=1, unchanged=4)
    assert bench.rows("select count(*) from plain where _syncd_deleted_at is null") == [(5,)]
    assert bench.rows("select count(*) from plain_parts where _syncd_deleted_at is null") == [(5,)]


def test_a_listing_that_comes_back_empty_is_believed_only_when_it_repeats(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.lists[PLAIN.path] = [thing(bench, n) for n in range(3)]
    bench.run()
    bench.source.lists[PLAIN.path] = []
    report = bench.run()
    assert (report.status, report.exit_code, report.rows.deleted) == ("partial", 3, 0)
    assert "not believed" in str(report.resources[0].error)
    report = bench.run()
    assert (report.status, report.rows.deleted) == ("ok", 3)


def test_an_operator_can_accept_a_sharply_shorter_listing_at_once(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.lists[PLAIN.path] = [thing(bench, n) for n in range(100)]
    bench.run()
    bench.source.lists[PLAIN.path] = bench.source.lists[PLAIN.path][:50]
    assert bench.run(accept_deletes=True).rows.deleted == 50


def test_what_another_principal_still_sees_is_no_tombstone(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.lists[PLAIN.path] = both = [thing(bench, n) for n in range(1, 5)]
    bench.run()
    bench.source.lists[PLAIN.path] = both[:3]
    bench.run(principal="user:alice")
    assert bench.rows("select count(*) from plain where _syncd_deleted_at is null") == [(4,)]
    bench.run()
    assert bench.rows("select id from plain where _syncd_deleted_at is not null") == [(4,)]
    bench.source.lists[PLAIN.path] = both[:2]
    bench.run()
    assert bench.rows("select count(*) from plain where _syncd_deleted_at is not null") == [(1,)]
    bench.run(principal="user:alice")
    assert bench.rows("select count(*) from plain where _syncd_deleted_at is not null") == [(2,)]


def test_a_record_that_moves_to_another_parent_stands_there_whether_it_changed_or_not(make: Make) -> None:
    answers = replace(PLAIN, name="answers", path="/rest/v1.0/things/{thing_id}/answers", parents={"thing_id": ("things",)})  # fmt: skip
    bench = make(THINGS, answers)
    bench.source.lists[THINGS.path] = [thing(bench, 1), thing(bench, 2)]
    first, second = (f"/rest/v1.0/things/{number}/answers" for number in (1, 2))
    bench.source.lists[second] = [thing(bench, 7, parts=[{"id": 1, "label": "a"}]), thing(bench, 8)]
    bench.run()
    bench.source.lists[first] = [thing(bench, 9), bench.source.lists[second].pop()]
    bench.clock.advance(hours=1)
    report = bench.run(workers=1)
    assert (report.status, report.rows.inserted, report.rows.updated, report.rows.deleted) == ("ok", 1, 1, 0)
    query = "select id, thing_id, _syncd_parent, _syncd_run_id, _syncd_deleted_at from answers where id < 9 order by id"
    assert bench.rows(query) == [(7, "2", "thing_id=2", "run-1", None), (8, "1", "thing_id=1", "run-2", None)]
    bench.source.lists[first].pop()
    bench.source.lists[second].append(thing(bench, 8, name="moved"))
    assert bench.run(workers=1).status == "ok"
    assert bench.rows(query)[1] == (8, "2", "thing_id=2", "run-3", None)
    standing = "select parent, standing from syncd_partitions where resource = 'answers' order by parent"
    assert bench.rows(standing) == [("thing_id=1", 1), ("thing_id=2", 2)]


def test_a_record_without_a_key_is_kept_whole_and_the_rest_of_its_page_is_stored(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [{"name": "nobody"}, thing(bench, 1), "no object"]
    bench.source.lists[THINGS.path][0]["updated_at"] = stamp(bench.clock.now())
    report = bench.run()
    assert (report.status, report.rows.rejected, report.rows.inserted) == ("partial", 2, 1)
    assert sorted(r[0] for r in bench.rows("select reason from syncd_rejects")) == [
        "it has no usable id",
        "it is not an object",
    ]


def test_a_new_field_becomes_a_column_and_a_new_array_a_child_table(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [thing(bench, 1, weight=2.5, owner={"id": 9}, tags=[{"id": 1, "text": "x"}])]
    assert bench.run().status == "ok"
    assert bench.rows("select weight, owner_id from things") == [(2.5, 9)]
    assert bench.rows("select id, text from things_tags") == [(1, "x")]
    changes = bench.rows("select table_name, column_name, type from syncd_schema_changes order by id")
    assert ("things", "weight", "decimal") in changes
    assert ("things_tags", "", "table") in changes


def test_a_value_that_does_not_fit_is_kept_and_fails_nothing(bench: Bench) -> None:
    bench.source.lists[THINGS.path] = [thing(bench, 1, updated_at="yesterday"), thing(bench, 2)]
    report = bench.run(full=True)
    assert report.status == "ok"
    assert bench.rows("select updated_at, cast(_syncd_misfits as text) from things where id = 1") == [
        (None, '{"updated_at": "yesterday"}')
    ]


def test_records_that_move_between_pages_are_neither_lost_nor_doubled(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.page_size = 10
    bench.source.lists[PLAIN.path] = [thing(bench, n) for n in range(35)]
    moves = iter([3, 0])

    def drift(_covered: int) -> None:
        number = next(moves, None)
        if number is not None:
            del bench.source.lists[PLAIN.path][number]
            bench.source.lists[PLAIN.path].append(thing(bench, 100 + number))

    bench.source.between = drift
    report = bench.run()
    assert report.status == "ok"
    live = {row[0] for row in bench.rows("select id from plain where _syncd_deleted_at is null")}
    assert live == {record["id"] for record in bench.source.lists[PLAIN.path]}


def test_a_listing_that_never_agrees_with_its_total_is_reported(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.page_size = 2
    bench.source.lists[PLAIN.path] = [thing(bench, n) for n in range(9)]
    bench.source.between = lambda _: bench.source.lists[PLAIN.path].pop(0)
    report = bench.run()
    assert (report.status, report.exit_code) == ("partial", 3)


def test_a_refused_partition_is_remembered_and_skipped(bench: Bench) -> None:
    bench.source.errors[THINGS.path] = Refused("Procore answered 403.", status=403, reason="no permission")
    assert bench.run().exit_code == 3
    asked = bench.source.requests
    report = bench.run()
    assert (report.exit_code, bench.source.requests) == (3, asked)
    bench.source.errors.clear()
    assert bench.run(retry_refused=True).exit_code == 0
    assert bench.rows("select count(*) from syncd_refusals") == [(0,)]


def test_a_partition_that_cannot_be_read_does_not_stop_the_others(make: Make) -> None:
    bench = make(THINGS, PLAIN)
    bench.source.errors[THINGS.path] = Unavailable("Procore does not answer.", "Wait for it.")
    bench.source.lists[PLAIN.path] = [thing(bench, 1)]
    report = bench.run()
    assert (report.status, report.exit_code) == ("partial", 3)
    assert (report.error, report.remedy) == ("things: Procore does not answer.", "Wait for it.")
    assert bench.rows("select count(*) from plain") == [(1,)]


BELOW = replace(
    THINGS, name="below", path="/rest/v1.0/things/{thing_id}/below", parents={"thing_id": ("things",)}, updated_at=None
)


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (Unavailable("Procore does not answer."), ("failed", 1)),
        (Refused("Procore answered 403.", status=403, reason="no permission"), ("partial", 3)),
    ],
)
def test_what_nothing_could_be_asked_for_is_not_well_where_its_supplier_is_not(
    make: Make, error: Exception, ended: tuple[str, int]
) -> None:
    bench = make(THINGS, BELOW)
    bench.source.errors[THINGS.path] = error
    report = bench.run()
    assert (report.status, report.exit_code) == ended
    below = report.resources[1]
    assert (below.resource, below.status, below.partitions) == ("below", ended[0], 0)
    assert below.error == "nothing could be asked for, because things could not be read as a whole"
    del bench.source.errors[THINGS.path]
    report = bench.run(retry_refused=True)
    assert [one.status for one in report.resources] == ["ok", "ok"], "there is nothing to ask for"


def test_an_interrupted_first_load_goes_on_in_the_page_where_it_was(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.page_size = 10
    bench.source.lists[PLAIN.path] = [thing(bench, n) for n in range(95)]

    def stop(covered: int) -> None:
        bench.clock.stopped = covered >= 50

    bench.source.between = stop
    assert bench.run().exit_code == 3
    bench.clock.stopped = False
    bench.source.between = lambda _: None
    asked = bench.source.requests
    report = bench.run()
    assert report.status == "ok"
    assert bench.source.requests - asked < 7
    assert bench.rows("select count(*) from plain") == [(95,)]


def test_dated_logs_are_read_back_to_their_start_and_past_days_again_on_each_run(make: Make) -> None:
    bench = make(replace(LOGS, window=Window("start_date", "end_date", "date")))
    bench.source.lists[LOGS.path] = [
        {"id": 1, "date": "2025-06-01", "note": "old"},
        {"id": 2, "date": "2026-02-09", "note": "recent"},
        {"id": 3, "date": "2024-01-01", "note": "before the first load's reach"},
    ]
    bench.run()
    assert bench.rows("select id from logs order by id") == [(1,), (2,)]
    bench.clock.advance(days=1)
    bench.source.lists[LOGS.path][1]["note"] = "edited 21 days later"
    asked = bench.source.requests
    report = bench.run()
    assert bench.rows("select note from logs where id = 2") == [("edited 21 days later",)]
    assert (bench.source.requests - asked, report.rows.read) == (1, 1)
    del bench.source.lists[LOGS.path][1]
    bench.run(accept_deletes=True)
    assert bench.rows("select id from logs where _syncd_deleted_at is not null") == [(2,)]
    assert bench.rows("select id from logs where _syncd_deleted_at is null") == [(1,)]


YEARS = timedelta(days=800)
"""So many days are asked for in three listings."""


def dated(bench: Bench, number: int, date: str, **fields: Any) -> dict[str, Any]:
    return {"id": number, "date": date, "note": "a", "updated_at": stamp(bench.clock.now()), **fields}


@pytest.mark.parametrize(("minutes", "listings"), [(1, 2), (20, 3)])
def test_days_that_an_earlier_run_has_read_are_asked_for_again_unless_this_one_goes_on_with_it(
    make: Make, minutes: int, listings: int
) -> None:
    bench = make(replace(LOGS, window=Window("start_date", "end_date", "date")))
    later = [dated(bench, number, "2025-06-01") for number in range(2, 7)]
    bench.source.lists[LOGS.path] = [dated(bench, 1, "2024-06-01"), *later]
    bench.source.page_size = 2
    bench.source.between = lambda _: setattr(bench.clock, "stopped", True)
    assert bench.run(logs_from=YEARS).exit_code == 3
    bench.clock.stopped = False
    bench.source.between = lambda _: None
    bench.source.asked.clear()
    bench.clock.advance(minutes=minutes)
    bench.source.lists[LOGS.path][0]["note"] = "edited"
    assert bench.run(logs_from=YEARS).status == "ok"
    assert len(bench.source.asked) == listings
    assert bench.rows("select note from logs where id = 1") == [("a" if listings == 2 else "edited",)]


def test_what_changed_among_days_already_read_while_later_ones_were_is_right_after_the_next_run(make: Make) -> None:
    bench = make(replace(LOGS, window=Window("start_date", "end_date", "date"), updated_at="filters[updated_at]"))
    later = [dated(bench, number, "2025-06-01") for number in range(2, 5)]
    bench.source.lists[LOGS.path] = [dated(bench, 1, "2024-06-01"), *later]
    bench.source.page_size = 2

    def edit(_: int) -> None:
        bench.clock.advance(minutes=10)
        bench.source.lists[LOGS.path][0] = dated(bench, 1, "2024-06-01", note="edited")
        bench.clock.advance(minutes=10)

    bench.source.between = edit
    assert bench.run(logs_from=YEARS).status == "ok"
    bench.source.between = lambda _: None
    bench.clock.advance(minutes=1)
    assert bench.run(logs_from=YEARS).status == "ok"
    assert bench.rows("select note from logs where id = 1") == [("edited",)]


def spans(bench: Bench) -> list[tuple[str, str]]:
    """The ranges of days that the last listings asked for."""
    asked = [dict(request.params) for request in bench.source.asked]
    bench.source.asked.clear()
    return [(params["start_date"], params["end_date"]) for params in asked]


@pytest.fixture
def monthly(make: Make) -> Bench:
    """A list of days that the server gives by month only, read once."""
    bench = make(replace(LOGS, window=Window("start_date", "end_date", "date")))
    bench.source.most_days = 31
    bench.source.lists[LOGS.path] = [dated(bench, 1, "2025-12-24"), dated(bench, 2, "2026-02-24")]
    assert bench.run(logs_from=timedelta(days=90)).status == "ok"
    assert spans(bench) == [
        ("2025-12-01", "2026-03-02"),
        ("2025-12-01", "2025-12-31"),
        ("2026-01-01", "2026-01-31"),
        ("2026-02-01", "2026-03-02"),
    ]
    return bench


def test_recent_days_read_again_by_month_do_not_count_as_all_days(monthly: Bench) -> None:
    monthly.source.lists[LOGS.path] = [
        dated(monthly, 1, "2025-12-24", note="edited"),
        dated(monthly, 2, "2026-02-24", note="edited"),
    ]
    monthly.clock.advance(days=6)
    all_read = monthly.rows("select full_at from syncd_cursors")
    recent: dict[str, Any] = {"logs_from": timedelta(days=90), "logs_lookback": timedelta(days=40)}
    report = monthly.run(**recent)
    assert (report.status, report.resources[0].mode, report.rows.read) == ("ok", "incremental", 1)
    assert spans(monthly)[1:] == [("2026-01-26", "2026-02-25"), ("2026-02-26", "2026-03-08")]
    assert monthly.rows("select note from logs order by id") == [("a",), ("edited",)]
    assert monthly.rows("select full_at from syncd_cursors") == all_read


def test_what_was_read_by_month_before_a_stop_is_not_taken_for_all_days_by_the_run_that_goes_on(
    monthly: Bench,
) -> None:
    recent: dict[str, Any] = {"logs_from": timedelta(days=90), "logs_lookback": timedelta(days=40), "workers": 1}
    monthly.clock.advance(days=6)
    monthly.source.page_size = 2
    monthly.source.lists[LOGS.path] += [dated(monthly, number, "2026-03-06") for number in range(3, 8)]
    monthly.source.between = lambda _: setattr(monthly.clock, "stopped", True)
    assert monthly.run(**recent).exit_code == 3
    monthly.clock.stopped = False
    monthly.source.between = lambda _: None
    monthly.source.lists[LOGS.path][0] = dated(monthly, 1, "2025-12-24", note="edited")
    monthly.clock.advance(minutes=1)
    assert monthly.run(**recent, full_refresh=timedelta(0)).status == "ok"
    assert monthly.rows("select note from logs order by id") == [("edited",), *[("a",)] * 6]


def test_days_further_back_are_read_once_when_a_job_wants_them(monthly: Bench) -> None:
    monthly.source.lists[LOGS.path].append(dated(monthly, 3, "2025-10-01"))
    further: dict[str, Any] = {"logs_from": timedelta(days=152), "logs_lookback": timedelta(days=10)}
    assert monthly.run(**further).status == "ok"
    assert spans(monthly)[1:] == [
        ("2025-10-31", "2025-11-30"),
        ("2025-09-30", "2025-10-30"),
        ("2026-02-19", "2026-03-02"),
    ]
    assert monthly.rows("select id from logs order by id") == [(1,), (2,), (3,)]
    assert monthly.run(**further).status == "ok"
    assert spans(monthly) == [("2026-02-19", "2026-03-02")]


def test_two_jobs_never_list_one_resource_at_once(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.lists[PLAIN.path] = [thing(bench, n) for n in range(5)]
    other = bench.store.lease("job:other", 60)
    assert bench.store.claim(other, "service", 1, ["plain"]) == {"plain"}
    began = bench.clock.now()
    assert bench.run().status == "ok"
    assert (bench.clock.now() - began).total_seconds() >= 60, "it waited until the other run's lease had ended"
    with pytest.raises(LeaseLost):
        bench.store.claim(other, "service", 1, ["plain"])
    third = bench.store.lease("job:third", 60)
    assert bench.store.claim(third, "user:alice", 1, ["plain"]) == {"plain"}, "another principal's rows are its own"


def test_a_claim_ends_with_its_release(make: Make) -> None:
    bench = make(PLAIN)
    one, two = bench.store.lease("job:one", 60), bench.store.lease("job:two", 60)
    assert bench.store.claim(one, "service", 1, ["plain", "things"]) == {"plain", "things"}
    assert bench.store.claim(two, "service", 1, ["plain", "rfis"]) == {"rfis"}
    bench.store.disclaim(one, ["plain"])
    assert bench.store.claim(two, "service", 1, ["plain", "things"]) == {"plain"}


def test_the_rows_that_stand_are_counted_through_every_kind_of_change(make: Make) -> None:
    bench = make(THINGS)
    standing = "select sum(standing) from syncd_partitions where principal = 'service'"
    bench.source.lists[THINGS.path] = [thing(bench, n) for n in range(5)]
    bench.run()
    assert bench.rows(standing) == [(5,)]
    bench.clock.advance(hours=1)
    bench.source.lists[THINGS.path] = [*bench.source.lists[THINGS.path], thing(bench, 5), thing(bench, 6)]
    bench.run()
    assert bench.rows(standing) == [(7,)], "an increment adds"
    everything = bench.source.lists[THINGS.path]
    bench.source.lists[THINGS.path] = everything[2:]
    bench.run(full=True)
    assert bench.rows(standing) == [(5,)], "a complete listing takes away"
    bench.source.lists[THINGS.path] = everything
    bench.run(full=True)
    bench.run(principal="user:alice", full=True)
    assert bench.rows(standing) == [(7,)], "what comes back stands again, and others are counted by themselves"


class FullStore(SqlStore):
    """A store whose disk has no room for rows, and an operator who asks the run to stop."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        super().__init__(database, clock.now)
        self.clock = clock

    def commit(
        self, layouts: Mapping[str, Layout], writes: Sequence[Write], run_id: str, lease: Fenced
    ) -> Sequence[Counts]:
        if any(write.keys for write in writes):
            self.clock.stopped = True
            raise StoreUnavailable("There is no room left.", "Free some.")
        return super().commit(layouts, writes, run_id, lease)


def test_what_was_read_and_could_not_be_stored_is_not_called_well(make: Make) -> None:
    bench = make(PLAIN)
    bench.source.lists[PLAIN.path] = [{"id": 1, "name": "a"}]
    healthy, bench.store = bench.store, FullStore(bench.database, bench.clock)
    report = bench.run()
    (plain,) = report.resources
    assert (report.status, plain.status, plain.rows.inserted) == ("partial", "partial", 0)
    assert plain.error == "the run ended before all of it was stored"
    bench.store, bench.clock.stopped = healthy, False
    assert bench.run().resources[0].rows.inserted == 1
