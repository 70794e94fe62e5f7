"""What the engine may expect of its store: the twin in memory, SQLite and PostgreSQL keep the same promises."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.memory_store import Row
from support.postgres import fresh_database
from support.shelf import Desk, MemoryShelf, Shelf, SqlShelf

from syncd.catalog.layout import Addition, Layout
from syncd.catalog.resource import Resource
from syncd.errors import ConfigError, JobBusy, LeaseLost, Unstorable
from syncd.model import (
    Counts,
    CursorState,
    Interrupted,
    Key,
    Known,
    Mode,
    Partition,
    Proof,
    Reject,
    ResourceReport,
    RunRecord,
    RunReport,
    Status,
    Window,
    Write,
)

THINGS = Resource(
    name="things",
    title="Things",
    tool="Test/Things",
    path="/rest/v1.0/things",
    scope="project",
    fields={
        "id": "integer",
        "name": "string",
        "weight": "number",
        "active": "boolean",
        "day": "date",
        "at": "date-time",
        "extra": "any",
        "owner": {"id": "integer"},
        "crates": [{"id": "integer", "label": "string", "items": [{"id": "integer", "price": "number"}]}],
    },
)
CODES = replace(THINGS, name="codes", key=("code",), fields={"code": "string", "name": "string"})
PAIRS = replace(
    THINGS,
    name="pairs",
    key=("kind", "number"),
    fields={"kind": "string", "number": "integer", "name": "string", "parts": [{"id": "integer"}]},
)
EVENTS = replace(THINGS, name="events", key=(), fields={"name": "string", "parts": [{"id": "integer"}]})
LINES = replace(
    THINGS, name="lines", scope="company", parents={"thing_id": ("things",)}, fields={"id": "integer", "name": "string"}
)
ALL = (THINGS, CODES, PAIRS, EVENTS, LINES)

HERE = Partition("service", "things", 1, 10)
THERE = replace(HERE, project_id=11)
ALICE = replace(HERE, principal="user:alice")


def of(resource: Resource, principal: str = "service") -> Partition:
    return Partition(principal, resource.name, 1, 10)


def lines(thing: int | str) -> Partition:
    return Partition("service", "lines", 1, None, (("thing_id", thing),))


@pytest.fixture(scope="module", params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made: Shelf
    if request.param == "memory":
        made = MemoryShelf()
    elif request.param == "sqlite":
        made = SqlShelf(f"sqlite:///{tmp_path_factory.mktemp('store') / 'test.db'}")
    else:
        made = SqlShelf(fresh_database(request.getfixturevalue("postgres_server")))
    yield made
    made.close()


@pytest.fixture
def shelf(opened: Shelf) -> Shelf:
    opened.empty()
    return opened


@pytest.fixture
def desk(shelf: Shelf) -> Desk:
    return Desk(shelf.store(), ALL)


def things(shelf: Shelf, desk: Desk, table: str = "things") -> list[Row]:
    layout = desk.layout("things")
    return shelf.stored(layout, next(one for one in layout.tables() if one.name == table))


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def names(rows: list[Row]) -> list[str]:
    return [row["name"] for row in rows]


# Rows.


def test_every_value_comes_back_as_it_was_given(shelf: Shelf, desk: Desk) -> None:
    record = {
        "id": 2**63 - 1,
        "name": "Größe 🏗 'x' \\ \n",
        "weight": "12345678901234567890.123456789",
        "active": False,
        "day": "2024-02-29",
        "at": "2026-03-01T04:05:06.789Z",
        "extra": {"b": [1, 0.1, None], "a": "é"},
        "owner": {"id": -(2**63)},
    }
    desk.put(HERE, [record, {"id": 1}])
    empty, full = things(shelf, desk)[0], things(shelf, desk)[1]
    assert {name: empty[name] for name in ("name", "weight", "active", "day", "at", "extra", "owner_id")} == (
        dict.fromkeys(("name", "weight", "active", "day", "at", "extra", "owner_id"))
    )
    assert (full["id"], full["owner_id"], full["name"]) == (2**63 - 1, -(2**63), record["name"])
    assert full["weight"] == Decimal("12345678901234567890.123456789")
    assert (full["active"], full["day"], full["extra"]) == (False, "2024-02-29", record["extra"])
    assert full["at"].isoformat() == "2026-03-01T04:05:06.789000+00:00"
    assert (full["company_id"], full["project_id"]) == (1, 10)


@pytest.mark.parametrize(
    "number", ["0.1", "-0.30", "1e3", "1E-20", "1e400", "-1e-400", "0." + "3" * 40, "9" * 40, "123456789012345e300"]
)
def test_a_decimal_is_exact_at_any_size(shelf: Shelf, desk: Desk, number: str) -> None:
    desk.put(HERE, [{"id": 1, "weight": number, "crates": [{"id": 2, "items": [{"id": 3, "price": number}]}]}])
    assert only(things(shelf, desk))["weight"] == Decimal(number)
    assert only(things(shelf, desk, "things_crates_items"))["price"] == Decimal(number)


def test_values_set_aside_stand_with_their_row(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a\0b", "day": "soon", "weight": "9" * 30, "crates": [{"id": "x"}]}])
    row = only(things(shelf, desk))
    assert row["_syncd_misfits"] == {"name": "a\0b", "day": "soon"}
    assert row["weight"] == Decimal("9" * 30)
    assert only(things(shelf, desk, "things_crates"))["_syncd_misfits"] == {"id": "x"}
    desk.put(HERE, [{"id": 1, "name": "ab"}])
    assert only(things(shelf, desk))["_syncd_misfits"] == {}


def test_a_row_says_when_it_was_written_and_by_which_run(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "crates": [{"id": 1}]}])
    first = shelf.clock.now()
    shelf.clock.advance(seconds=30)
    other = Desk(desk.store, ALL, "run-2", desk.lease)
    other.put(HERE, [{"id": 2, "crates": [{"id": 1}]}])
    for table in ("things", "things_crates"):
        said = [(r["_syncd_synced_at"], r["_syncd_run_id"], r["_syncd_deleted_at"]) for r in things(shelf, desk, table)]
        assert said == [(first, "run-1", None), (shelf.clock.now(), "run-2", None)]


def test_a_change_writes_its_row_and_no_other(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
    before = things(shelf, desk)
    shelf.clock.advance(seconds=30)
    Desk(desk.store, ALL, "run-2", desk.lease).put(HERE, [{"id": 2, "name": "c"}], seen=[(1,)])
    untouched, changed = things(shelf, desk)
    assert untouched == before[0]
    assert (changed["name"], changed["_syncd_run_id"], changed["_syncd_synced_at"]) == ("c", "run-2", shelf.clock.now())


def test_known_tells_the_content_of_what_stands(desk: Desk) -> None:
    batch = desk.batch(HERE, [{"id": 1}, {"id": 2}])
    assert desk.known(HERE, (1,)) == {}
    desk.commit(batch)
    assert desk.known(HERE, (1,), (2,), (3,)) == {
        (1,): Known(batch.hashes[0], deleted=False, seen=True),
        (2,): Known(batch.hashes[1], deleted=False, seen=True),
    }
    assert desk.known(ALICE, (1,)) == {(1,): Known(batch.hashes[0], deleted=False, seen=False)}
    assert desk.known(THERE, (1,)) == {}


def test_many_partitions_are_asked_about_at_once_and_each_is_told_its_own(desk: Desk) -> None:
    first, other = desk.batch(HERE, [{"id": 1}, {"id": 2}]), desk.batch(THERE, [{"id": 2, "name": "there"}])
    desk.commit(first, other)
    layout = desk.layout(HERE.resource)
    asked = [(HERE, [(1,), (2,)]), (THERE, [(1,), (2,)]), (ALICE, [(2,)]), (HERE, [(3,)]), (HERE, [(1,)])]
    assert desk.store.known(layout, asked) == [desk.known(place, *keys) for place, keys in asked]
    assert [sorted(known) for known in desk.store.known(layout, asked)] == [[(1,), (2,)], [(2,)], [(2,)], [], [(1,)]]
    places = [lines(5), lines(6)]
    desk.put(places[0], [{"id": 1, "name": "a"}])
    known = desk.store.known(desk.layout("lines"), [(place, [(1,)]) for place in places])
    assert [one[1,].placed for one in known] == [True, False]


@pytest.mark.parametrize(
    ("resource", "record", "key"),
    [
        (CODES, {"code": "a'b\u00e9 1"}, ("a'b\u00e9 1",)),
        (CODES, {"code": "01"}, ("01",)),
        (PAIRS, {"kind": "x", "number": -(2**63), "parts": [{"id": 1}]}, ("x", -(2**63))),
    ],
)
def test_keys_are_text_or_several_columns_too(
    shelf: Shelf, desk: Desk, resource: Resource, record: dict[str, Any], key: Key
) -> None:
    place = of(resource)
    desk.put(place, [record])
    desk.put(place, [{**record, "name": "changed"}])
    assert list(desk.known(place, key, (*key[:-1], "other") if len(key) == 1 else ("other", 1))) == [key]
    layout = desk.layout(resource.name)
    row = only(shelf.stored(layout))
    assert (tuple(row[name] for name in layout.key), row["name"]) == (key, "changed")
    assert desk.missing(place) == [key]
    assert desk.sweep(place, key) == 1
    assert desk.known(place, key)[key].deleted


def test_a_record_without_identity_is_known_by_its_content(shelf: Shelf, desk: Desk) -> None:
    place = of(EVENTS)
    batch = desk.batch(place, [{"name": "a", "parts": [{"id": 1}, {"id": 2}]}, {"name": "b"}])
    desk.commit(batch)
    desk.commit(batch)
    layout = desk.layout("events")
    assert sorted(names(shelf.stored(layout))) == ["a", "b"]
    assert [row["id"] for row in shelf.stored(layout, layout.table.children[0])] == [1, 2]
    assert sorted(desk.missing(place, frozenset(batch.keys[:1]))) == sorted(batch.keys[1:])


def test_many_rows_are_told_apart(shelf: Shelf, desk: Desk) -> None:
    records = [{"id": number, "crates": [{"id": 1}]} for number in range(2_300)]
    batch = desk.batch(HERE, records, fresh=True)
    desk.commit(batch)
    assert len(desk.known(HERE, *batch.keys)) == 2_300
    assert desk.live(HERE) == 2_300
    assert desk.missing(HERE, frozenset(batch.keys[:-1])) == [(2_299,)]
    assert desk.sweep(HERE, *batch.keys[:2_200]) == 2_200
    assert desk.live(HERE) == 100
    assert sum(row["_syncd_deleted_at"] is None for row in things(shelf, desk, "things_crates")) == 100


# Children.


def crates(shelf: Shelf, desk: Desk) -> list[tuple[Any, ...]]:
    rows = things(shelf, desk, "things_crates")
    return [(row["_syncd_parent_id"], row["_syncd_position"], row["id"], row["label"]) for row in rows]


def test_children_are_replaced_as_a_set_under_their_record(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "crates": [{"id": 5, "label": "a"}, {"id": 6}, {"id": 7}]}, {"id": 2, "crates": [{}]}])
    desk.put(HERE, [{"id": 1, "crates": [{"id": 7, "label": "z"}]}])
    assert crates(shelf, desk) == [(1, 0, 7, "z"), (2, 0, None, None)]
    desk.put(HERE, [{"id": 1, "name": "none left", "crates": []}])
    assert crates(shelf, desk) == [(2, 0, None, None)]


def test_children_of_children_go_with_their_record(shelf: Shelf, desk: Desk) -> None:
    def record(number: int, *items: int) -> dict[str, Any]:
        return {"id": number, "crates": [{"id": 5, "items": [{"id": item} for item in items]}]}

    def items() -> list[tuple[Any, ...]]:
        found = things(shelf, desk, "things_crates_items")
        return [(row["_syncd_record_id"], row["_syncd_parent_id"], row["_syncd_position"], row["id"]) for row in found]

    desk.put(HERE, [record(1, 11, 12), record(2, 21)])
    assert items() == [(1, 5, 0, 11), (1, 5, 1, 12), (2, 5, 0, 21)]
    desk.put(HERE, [record(1, 13)])
    assert items() == [(1, 5, 0, 13), (2, 5, 0, 21)]
    desk.put(HERE, [{"id": 1}])
    assert items() == [(2, 5, 0, 21)]
    desk.sweep(HERE, (2,))
    assert [row["_syncd_deleted_at"] for row in things(shelf, desk, "things_crates_items")] == [shelf.clock.now()]
    desk.sweep(HERE, (1,), remove=True)
    desk.put(HERE, seen=[(2,)])
    desk.sweep(HERE, (2,), remove=True)
    assert (items(), crates(shelf, desk), things(shelf, desk)) == ([], [], [])


def test_records_of_the_same_id_in_two_projects_have_children_of_their_own(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "crates": [{"id": 5}]}])
    desk.put(THERE, [{"id": 1, "crates": [{"id": 6}, {"id": 7}]}])
    desk.put(HERE, [{"id": 1, "crates": []}])
    desk.sweep(HERE, (1,), remove=True)
    assert crates(shelf, desk) == [(1, 0, 6, None), (1, 1, 7, None)]


# Batches.


def test_a_value_that_is_refused_leaves_nothing_of_the_batches_around_it(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "before", "crates": [{"id": 1}]}], cursor=CursorState(state="1"))
    before = things(shelf, desk), crates(shelf, desk), shelf.remembered("syncd_partitions")
    good = desk.batch(
        HERE,
        [{"id": 1, "name": "after", "crates": []}, {"id": 2}],
        cursor=CursorState(state="2"),
        sightings=[(1,), (2,)],
        arrived=1,
        rejects=[Reject("bad", {})],
    )
    bad = replace(desk.batch(THERE, [{"id": 3}]), hashes=[None])  # type: ignore[list-item] # what no column takes
    with pytest.raises(Unstorable):
        desk.commit(good, bad, desk.batch(HERE, [{"id": 4}]))
    assert (things(shelf, desk), crates(shelf, desk), shelf.remembered("syncd_partitions")) == before
    assert shelf.remembered("syncd_rejects") == []
    assert desk.store.cursors([HERE]) == {HERE: CursorState(state="1")}
    assert desk.missing(HERE, None) == [(1,)]
    desk.commit(good)
    assert (names(things(shelf, desk)), desk.missing(HERE, None)) == (["after", None], [])


@pytest.mark.parametrize("thing", [2**63, -(2**63) - 1, "half a pair \ud800"])
def test_what_no_database_holds_is_unstorable(desk: Desk, thing: int | str) -> None:
    resource = replace(
        LINES, name="odd_lines", fields={**LINES.fields, "thing_id": "integer" if isinstance(thing, int) else "string"}
    )
    odd = Desk(desk.store, [resource], lease=desk.lease)
    place = replace(lines(thing), resource="odd_lines")
    with pytest.raises(Unstorable):
        odd.put(place, [{"id": 1}])
    assert odd.live(replace(place, parent=(("thing_id", 1),))) == 0


def test_the_last_of_several_batches_in_one_transaction_counts(shelf: Shelf, desk: Desk) -> None:
    first = desk.batch(HERE, [{"id": 1, "name": "a", "crates": [{"id": 1}, {"id": 2}]}], fresh=True)
    second = desk.batch(HERE, [{"id": 1, "name": "b", "crates": [{"id": 3}]}], fresh=True)
    desk.commit(first, desk.batch(THERE, [{"id": 1, "name": "there"}], fresh=True), second)
    assert names(things(shelf, desk)) == ["b", "there"]
    assert crates(shelf, desk) == [(1, 0, 3, None)]
    desk.commit(first, replace(second, cursor=CursorState(state="1")), replace(first, cursor=CursorState(state="2")))
    assert (names(things(shelf, desk))[0], desk.store.cursors([HERE])[HERE].state) == ("a", "2")
    assert desk.known(HERE, (1,))[1,].hash == first.hashes[0]


def test_what_was_deleted_and_came_back_within_one_transaction_stands(desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a"}])
    gone, back = Write(HERE, gone=[(1,)]), desk.batch(HERE, [{"id": 1, "name": "b"}])
    assert desk.commit(gone, back) == [Counts(deleted=1), Counts()]
    assert desk.live(HERE) == 1
    desk.commit(back, gone)
    assert desk.live(HERE) == 0


def test_records_expected_to_be_new_replace_those_that_stand(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a", "crates": [{"id": 1, "items": [{"id": 9}]}, {"id": 2}]}])
    desk.sweep(HERE, (1,))
    desk.put(HERE, [{"id": 1, "name": "b", "crates": [{"id": 3}]}, {"id": 2, "crates": [{"id": 4}]}], fresh=True)
    assert names(things(shelf, desk)) == ["b", None]
    assert [row["_syncd_deleted_at"] for row in things(shelf, desk)] == [None, None]
    assert crates(shelf, desk) == [(1, 0, 3, None), (2, 0, 4, None)]
    assert things(shelf, desk, "things_crates_items") == []


def test_counts_are_those_of_each_batch_and_of_what_it_deletes(desk: Desk) -> None:
    desk.put(HERE, [{"id": 1}, {"id": 2}])
    counted = Counts(read=3, inserted=1, updated=1, unchanged=1, rejected=4)
    found = desk.commit(
        desk.batch(HERE, [{"id": 3}], counts=counted, gone=[(1,), (2,), (7,)]), Write(THERE, counts=Counts(read=1))
    )
    assert found == [replace(counted, deleted=2), Counts(read=1)]


def test_batches_of_many_resources_and_places_share_a_transaction(desk: Desk) -> None:
    desk.commit(
        desk.batch(HERE, [{"id": 1}, {"id": 2}]),
        desk.batch(of(CODES), [{"code": "a"}]),
        desk.batch(THERE, [{"id": 1}]),
        desk.batch(ALICE, [{"id": 2}]),
        Write(of(EVENTS), cursor=CursorState()),
    )
    assert [desk.live(place) for place in (HERE, of(CODES), THERE, ALICE, of(EVENTS))] == [2, 1, 1, 1, 0]


def test_records_that_cannot_be_stored_are_kept_once(shelf: Shelf, desk: Desk) -> None:
    first = shelf.clock.now()
    desk.put(HERE, [{"name": "no id"}, "text", {"name": "no id"}])
    shelf.clock.advance(seconds=30)
    other = Desk(desk.store, ALL, "run-2", desk.lease)
    other.put(HERE, [{"name": "no id"}])
    other.put(THERE, rejects=[Reject("refused", {"id": "\ud800"}, "[1]")])
    rows = sorted(shelf.remembered("syncd_rejects"), key=lambda row: (row["project_id"], row["record"]))
    told = [(row["project_id"], row["run_id"], row["first_at"], row["last_at"], row["record_key"]) for row in rows]
    assert told == [
        (10, "run-1", first, first, None),
        (10, "run-2", first, shelf.clock.now(), None),
        (11, "run-2", shelf.clock.now(), shelf.clock.now(), "[1]"),
    ]
    assert [row["record"] for row in rows] == ['"text"', '{"name": "no id"}', '{"id": "\\ud800"}']


# Cursors and proofs.


def test_a_cursor_is_remembered_for_its_partition_alone(shelf: Shelf, desk: Desk) -> None:
    now = shelf.clock.now()
    states = {
        HERE: CursorState(now, None, '{"a":1}'),
        ALICE: CursorState(None, now - timedelta(microseconds=1), "{}"),
        lines(5): CursorState(None, None, "[]"),
    }
    assert desk.store.cursors([HERE, ALICE]) == {}
    desk.commit(*(Write(place, cursor=state) for place, state in states.items()))
    others = [THERE, lines(6), replace(HERE, company_id=2)]
    assert desk.store.cursors([*states, *others]) == states
    assert shelf.store().cursors([*others, HERE]) == {HERE: states[HERE]}
    assert shelf.store().cursors([THERE, replace(HERE, principal="user:bob")]) == {}
    desk.put(HERE, cursor=CursorState())
    assert desk.store.cursors([HERE]) == {HERE: CursorState()}


def test_a_partition_without_a_cursor_is_as_if_never_read(desk: Desk) -> None:
    desk.put(HERE, [{"id": 1}], arrived=1, sightings=[(1,)])
    assert desk.store.cursors([HERE]) == {}


def test_many_cursors_are_read_at_once(desk: Desk) -> None:
    places = [lines(number) for number in range(450)]
    desk.commit(*(Write(place, cursor=CursorState(state=place.parent_text)) for place in places))
    found = desk.store.cursors([*places, lines(999)])
    assert {place: state.state for place, state in found.items()} == {place: place.parent_text for place in places}


def test_what_a_listing_proved_is_kept_with_its_partition(shelf: Shelf, desk: Desk) -> None:
    proof = Proof(Mode.FULL, None, 3, 2, 1, Status.PARTIAL, "one was rejected", shelf.clock.now())
    desk.put(HERE, proof=replace(proof, api_total=7, note="", status=Status.OK))
    desk.put(HERE, proof=proof)
    row = only(shelf.remembered("syncd_partitions"))
    told = ("principal", "resource", "company_id", "project_id", "parent", "run_id")
    assert [row[name] for name in told] == ["service", "things", 1, 10, "", "run-1"]
    said = ("mode", "api_total", "seen", "stored", "rejected", "status", "note", "checked_at")
    assert [row[name] for name in said] == ["full", None, 3, 2, 1, "partial", "one was rejected", shelf.clock.now()]


def test_how_many_rows_stand_is_counted_as_they_come_and_go(shelf: Shelf, desk: Desk) -> None:
    def standing() -> int:
        return int(only(shelf.remembered("syncd_partitions"))["standing"])

    desk.put(HERE, [{"id": 1}, {"id": 2}, {"id": 3}], arrived=3)
    assert standing() == 3
    desk.put(HERE, gone=[(1,), (9,)])
    desk.sweep(HERE, (1,), (2,))
    assert standing() == 1
    desk.put(HERE, seen=[(2,)], arrived=1)
    assert standing() == 2
    proof = Proof(Mode.FULL, None, 0, 0, 0, Status.OK, "", shelf.clock.now(), standing=40)
    desk.put(HERE, [{"id": 4}], arrived=1, proof=proof)
    assert standing() == 40
    desk.put(HERE, proof=replace(proof, standing=None))
    assert standing() == 40


# Sight, tombstones, and what a listing did not bring.


def test_rows_that_come_and_go_after_a_proof_in_the_same_transaction_count_from_it(shelf: Shelf, desk: Desk) -> None:
    proof = Proof(Mode.FULL, 4, 4, 4, 0, Status.OK, "", shelf.clock.now(), standing=4)
    desk.put(HERE, [{"id": number} for number in range(1, 5)], arrived=4)
    more = desk.batch(HERE, [{"id": 5}])
    desk.commit(
        Write(HERE, proof=proof),
        replace(more, arrived=1),
        Write(HERE, gone=[(1,), (2,)], proof=replace(proof, standing=None, note="looked at what was deleted")),
    )
    row = only(shelf.remembered("syncd_partitions"))
    assert (row["standing"], row["note"]) == (3, "looked at what was deleted")


def test_what_is_gone_becomes_a_tombstone_that_keeps_its_values(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a", "crates": [{"id": 5}]}, {"id": 2}])
    written = shelf.clock.now()
    shelf.clock.advance(seconds=30)
    other = Desk(desk.store, ALL, "run-2", desk.lease)
    assert (other.sweep(HERE, (1,), (8,)), other.sweep(HERE, (1,))) == (1, 0)
    row = things(shelf, desk)[0]
    assert (row["name"], row["_syncd_seen_by"], row["_syncd_synced_at"]) == ("a", set(), written)
    for gone in (row, only(things(shelf, desk, "things_crates"))):
        assert (gone["_syncd_deleted_at"], gone["_syncd_run_id"]) == (shelf.clock.now(), "run-2")
    assert desk.known(HERE, (1,))[1,] == Known(row["_syncd_hash"], deleted=True, seen=False)
    assert (desk.live(HERE), desk.missing(HERE)) == (1, [(2,)])


def test_gone_within_a_batch_is_as_swept(desk: Desk) -> None:
    desk.put(HERE, [{"id": 1}, {"id": 2}, {"id": 3}])
    assert desk.put(HERE, gone=[(1,)]).deleted == 1
    assert desk.put(HERE, gone=[(2,)], remove=True).deleted == 1
    assert [(key, known.deleted) for key, known in desk.known(HERE, (1,), (2,), (3,)).items()] == [
        ((1,), True),
        ((3,), False),
    ]


@pytest.mark.parametrize("changed", [False, True])
def test_what_comes_back_loses_its_tombstone_and_its_childrens(shelf: Shelf, desk: Desk, *, changed: bool) -> None:
    record = {"id": 1, "name": "a", "crates": [{"id": 5, "items": [{"id": 9}]}]}
    desk.put(HERE, [record, {"id": 2}])
    before = things(shelf, desk)
    desk.sweep(HERE, (1,), (2,))
    if changed:
        desk.put(HERE, [{**record, "name": "b"}])
    else:
        desk.put(HERE, seen=[(1,)])
        assert things(shelf, desk)[0] == before[0]
    assert [row["_syncd_deleted_at"] is None for row in things(shelf, desk)] == [True, False]
    for table in ("things_crates", "things_crates_items"):
        assert only(things(shelf, desk, table))["_syncd_deleted_at"] is None
    assert desk.missing(HERE) == [(1,)]


def test_a_row_stands_as_long_as_one_principal_sees_it(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1}, {"id": 2}])
    desk.put(ALICE, seen=[(1,), (7,)])
    assert only(things(shelf, desk)[:1])["_syncd_seen_by"] == {"service", "user:alice"}
    assert (desk.live(HERE), desk.live(ALICE), desk.missing(ALICE)) == (2, 1, [(1,)])
    before = things(shelf, desk)[0]
    assert desk.sweep(HERE, (1,), (2,)) == 1
    assert things(shelf, desk)[0] == {**before, "_syncd_seen_by": {"user:alice"}}
    assert (desk.live(HERE), desk.live(ALICE)) == (0, 1)
    assert desk.sweep(HERE, (1,), remove=True) == 0
    assert desk.put(ALICE, gone=[(1,)], remove=True).deleted == 1
    assert [row["id"] for row in things(shelf, desk)] == [2]


def test_a_principal_is_not_taken_for_one_whose_name_holds_its_own(desk: Desk) -> None:
    ann, anna = (replace(HERE, principal=f"user:{name}") for name in ("ann", "anna"))
    desk.put(anna, [{"id": 1}])
    assert not desk.known(ann, (1,))[1,].seen
    assert (desk.live(ann), desk.missing(ann), desk.sweep(ann, (1,))) == (0, [], 0)
    desk.put(ann, seen=[(1,)])
    assert (desk.live(ann), desk.live(anna)) == (1, 1)
    desk.sweep(ann, (1,))
    assert (desk.live(ann), desk.live(anna)) == (0, 1)


def test_what_a_principal_writes_it_sees_and_others_still_do(desk: Desk) -> None:
    desk.put(ALICE, [{"id": 1, "name": "a"}])
    desk.put(HERE, [{"id": 1, "name": "b"}])
    desk.put(HERE, [{"id": 1, "name": "c"}])
    assert [desk.known(place, (1,))[1,].seen for place in (HERE, ALICE)] == [True, True]
    assert desk.sweep(ALICE, (1,)) == 0
    assert desk.live(HERE) == 1


def test_parents_partitions_are_kept_apart(desk: Desk) -> None:
    desk.put(lines(5), [{"id": 1}, {"id": 2}])
    desk.put(lines(50), [{"id": 3}])
    assert [desk.live(lines(thing)) for thing in (5, 50, 6)] == [2, 1, 0]
    assert desk.missing(lines(5), frozenset({(1,)})) == [(2,)]
    assert desk.missing(lines(50)) == [(3,)]


def test_a_record_that_moved_to_another_parent_is_not_swept_with_the_first(desk: Desk) -> None:
    desk.put(lines(5), [{"id": 1, "name": "a"}])
    gone = desk.missing(lines(5))
    desk.put(lines(6), [{"id": 1, "name": "b"}])
    assert desk.sweep(lines(5), *gone) == 0
    assert desk.put(lines(5), gone=gone).deleted == 0
    assert (desk.live(lines(5)), desk.live(lines(6))) == (0, 1)


def test_a_record_that_stands_under_another_parent_is_known_to_stand_there(shelf: Shelf, desk: Desk) -> None:
    record = {"id": 1, "name": "a"}
    desk.put(lines(5), [record])
    content = desk.known(lines(5), (1,))[1,].hash
    assert desk.known(lines(6), (1,)) == {(1,): Known(content, deleted=False, seen=True, placed=False)}
    desk.put(lines(6), [record])
    row = only(shelf.stored(desk.layout("lines")))
    assert (row["thing_id"], row["_syncd_parent"]) == ("6", "thing_id=6")
    assert [desk.known(lines(thing), (1,))[1,].placed for thing in (5, 6)] == [False, True]


def test_places_are_kept_apart(desk: Desk) -> None:
    elsewhere = replace(HERE, company_id=2)
    for place in (HERE, THERE, elsewhere):
        desk.put(place, [{"id": 1}])
    assert desk.sweep(HERE, (1,)) == 1
    assert [desk.live(place) for place in (HERE, THERE, elsewhere)] == [0, 1, 1]


def test_a_window_holds_the_days_of_both_its_ends(desk: Desk) -> None:
    days = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    records = [{"id": number, "day": day, "at": f"{day}T23:59:59Z"} for number, day in enumerate(days)]
    desk.put(HERE, [*records, {"id": 9}])
    for column in ("day", "at"):
        window = Window(column, "2026-02-28", "2026-03-01")
        assert desk.live(HERE, window) == 2
        assert desk.missing(HERE, frozenset({(0,), (1,)}), window) == [(2,)]
    assert desk.live(HERE) == 5


def test_a_listing_may_remember_what_it_saw(shelf: Shelf, desk: Desk) -> None:
    records = [{"id": number} for number in range(2_100)]
    batch = desk.batch(HERE, records)
    desk.commit(replace(batch, sightings=batch.keys[:1_500]))
    desk.put(ALICE, [{"id": 2_000}], sightings=[(2_000,)])
    assert desk.missing(HERE, None) == [(number,) for number in range(1_500, 2_100)]
    assert Desk(shelf.store(), ALL, lease=desk.lease).missing(HERE, None)[:1] == [(1_500,)]
    desk.put(HERE, sightings=[(number,) for number in range(1_400, 2_099)])
    assert desk.missing(HERE, None) == [(2_099,)]
    desk.store.forget_sightings(HERE, desk.lease)
    assert len(desk.missing(HERE, None)) == 2_100
    assert desk.missing(ALICE, None) == []


def test_rows_may_be_swept_while_the_missing_ones_are_told(desk: Desk) -> None:
    desk.put(HERE, [{"id": number} for number in range(2_500)], fresh=True)
    told = 0
    for key in desk.store.missing(desk.layout("things"), HERE, None, frozenset({(5,)})):
        told += 1
        if key[0] % 500 == 0:
            desk.sweep(HERE, key)
    assert told == 2_499
    assert desk.live(HERE) == 2_495


# Ids that other resources are read by.


def parents(desk: Desk, columns: list[str], project: int | None, principal: str = "service") -> list[Any]:
    found = desk.store.parent_ids(desk.layout("things"), columns, 1, project, principal)
    return sorted(found, key=str)


def test_parents_are_the_distinct_values_of_live_rows_that_the_principal_sees(desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "owner": {"id": 7}, "active": True}, {"id": 2, "owner": {"id": 7}, "active": True}])
    desk.put(HERE, [{"id": 3}, {"id": 4, "owner": {"id": 8}}])
    desk.put(THERE, [{"id": 1, "owner": {"id": 9}, "active": False}])
    desk.put(ALICE, [{"id": 5, "owner": {"id": 6}}])
    desk.put(replace(HERE, company_id=2), [{"id": 6}])
    assert parents(desk, ["id"], 10) == [(1,), (2,), (3,), (4,)]
    assert parents(desk, ["id"], None) == [(1,), (2,), (3,), (4,)]
    assert parents(desk, ["owner_id"], None) == [(7,), (8,), (9,)]
    assert parents(desk, ["owner_id", "active"], None) == [(7, True), (8, None), (9, False)]
    assert parents(desk, ["id"], None, "user:alice") == [(5,)]
    desk.sweep(HERE, (4,))
    assert parents(desk, ["owner_id"], 10) == [(7,)]


def test_many_parents_are_told_each_once(desk: Desk) -> None:
    desk.put(HERE, [{"id": number, "owner": {"id": number // 1_100}} for number in range(2_500)], fresh=True)
    desk.put(THERE, [{"id": number} for number in range(2_500)], fresh=True)
    assert parents(desk, ["id"], None) == sorted(((number,) for number in range(2_500)), key=str)
    assert parents(desk, ["owner_id", "id"], 10) == sorted(((n // 1_100, n) for n in range(2_500)), key=str)
    assert parents(desk, ["owner_id"], None) == [(0,), (1,), (2,)]


# Tables.


def columns(layout: Layout) -> dict[str, dict[str, str]]:
    return {table.name: {one.name: one.type for one in table.columns} for table in layout.tables()}


def test_opening_again_changes_nothing(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a"}])
    before = things(shelf, desk)
    again = shelf.store().open(THINGS, frozenset())
    assert columns(again) == columns(desk.layout("things"))
    assert things(shelf, desk) == before


def test_a_later_catalogs_columns_are_added_and_those_that_stand_keep_their_types(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "name": "a"}])
    fields = {**THINGS.fields, "name": "integer", "size": "integer", "labels": [{"id": "integer"}]}
    later = Desk(shelf.store(), [replace(THINGS, fields=fields)], lease=desk.lease)
    shape = columns(later.layout("things"))
    assert (shape["things"]["name"], shape["things"]["size"]) == ("text", "bigint")
    later.put(HERE, [{"id": 2, "name": "b", "size": 3, "labels": [{"id": 4}]}])
    assert [(row["name"], row.get("size")) for row in things(shelf, later)] == [("a", None), ("b", 3)]
    assert only(things(shelf, later, "things_labels"))["id"] == 4


def test_found_fields_become_columns_and_tables_at_once_and_are_recorded(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "colour": "red", "Size": 4, "slots": [{"id": 5, "open": True}], "owner": {"hat": 1.5}}])
    row = only(things(shelf, desk))
    assert (row["colour"], row["size"], row["owner_hat"]) == ("red", 4, Decimal("1.5"))
    assert only(things(shelf, desk, "things_slots"))["open"] is True
    changes = {
        (row["table_name"], row["column_name"] or "", row["type"]): row
        for row in shelf.remembered("syncd_schema_changes")
    }
    assert changes.keys() >= {
        ("things", "colour", "text"),
        ("things", "size", "bigint"),
        ("things", "owner_hat", "decimal"),
        ("things_slots", "", "table"),
        ("things_slots", "open", "boolean"),
    }
    assert {(one["resource"], one["run_id"], one["changed_at"]) for one in changes.values()} == {
        ("things", "run-1", shelf.clock.now())
    }
    again = shelf.store().open(THINGS, frozenset())
    assert columns(again) == columns(desk.layout("things"))
    assert [one.path for one in again.additions] == [one.path for one in desk.layout("things").additions]


def test_two_runs_that_find_the_same_field_add_it_once(shelf: Shelf, desk: Desk) -> None:
    other = Desk(shelf.store(), ALL, "run-2", "job:b")
    desk.put(HERE, [{"id": 1, "colour": "red", "slots": [{"id": 1}]}])
    other.put(THERE, [{"id": 1, "shade": "dark", "colour": "blue", "slots": [{"id": 2}]}])
    desk.put(HERE, [{"id": 2, "colour": "red", "shade": "pale"}])
    assert [(row["colour"], row["shade"]) for row in things(shelf, desk)] == [
        ("red", None),
        ("red", "pale"),
        ("blue", "dark"),
    ]
    assert [row["id"] for row in things(shelf, desk, "things_slots")] == [1, 2]
    changes = [(row["table_name"], row["column_name"]) for row in shelf.remembered("syncd_schema_changes")]
    assert len(changes) == len(set(changes))


def test_a_batch_made_before_the_tables_grew_is_stored_all_the_same(shelf: Shelf, desk: Desk) -> None:
    early = desk.batch(HERE, [{"id": 1, "name": "early"}])
    late = desk.batch(HERE, [{"id": 2, "colour": "red"}])
    desk.commit(late, early)
    assert [(row["name"], row["colour"]) for row in things(shelf, desk)] == [("early", None), (None, "red")]


def test_a_field_found_by_several_processes_at_once_is_added_once(shelf: Shelf, desk: Desk) -> None:
    stores = [shelf.store() for _ in range(4)]
    layouts = [store.open(THINGS, frozenset()) for store in stores]
    start, failures = threading.Barrier(len(stores)), []

    def widen(number: int) -> None:
        start.wait()
        try:
            for field in range(3):
                found = [Addition((f"found_{field}",), "text"), Addition((f"only_{number}_{field}",), "bigint")]
                layouts[number] = stores[number].widen(layouts[number], found, f"run-{number}")
        except Exception as error:  # noqa: BLE001 - the test tells it
            failures.append(error)

    together(*(lambda number=number: widen(number) for number in range(4)))
    assert failures == []
    final = columns(shelf.store().open(THINGS, frozenset()))["things"]
    assert {name for name in final if name.startswith(("found_", "only_"))} == {
        *(f"found_{field}" for field in range(3)),
        *(f"only_{number}_{field}" for number in range(4) for field in range(3)),
    }
    assert len(shelf.remembered("syncd_schema_changes")) == 15


def together(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_child_table_found_later_takes_the_name_of_no_other_resource(shelf: Shelf, desk: Desk) -> None:
    store = shelf.store()
    layout = store.open(CODES, frozenset({"codes", "codes_slots"}))
    wider = store.widen(layout, [Addition(("slots", "[]"), "table")], "run-1")
    assert [table.name for table in wider.tables()] == ["codes", "codes__slots"]


def test_a_child_table_found_later_takes_the_name_of_no_other_child_table(shelf: Shelf, desk: Desk) -> None:
    store = shelf.store()
    layout = store.open(CODES, frozenset({"codes"}))
    layout = store.widen(layout, [Addition(("slots", "[]"), "table"), Addition(("slots", "[]", "a"), "text")], "run-1")
    for number, name in enumerate(("Slots", "SLOTS")):
        layout = store.widen(layout, [Addition((name, "[]"), "table")], f"run-{number + 2}")
    named = {child.path: child.name for child in layout.table.children}
    assert named == {("slots",): "codes_slots", ("Slots",): "codes__slots", ("SLOTS",): "codes__slots_2"}
    assert shelf.store().open(CODES, frozenset({"codes"})) == layout


def test_a_resource_does_not_take_over_a_child_table_that_stands(shelf: Shelf, desk: Desk) -> None:
    desk.put(HERE, [{"id": 1, "slots": [{"id": 5}]}])
    with pytest.raises(ConfigError, match=r"things_slots .*child table of things\b"):
        shelf.store().open(replace(THINGS, name="things_slots"), frozenset({"things", "things_slots"}))
    assert [table.name for table in shelf.store().open(THINGS, frozenset({"things", "things_slots"})).tables()][-1] == (
        "things_slots"
    )
    assert only(things(shelf, desk, "things_slots"))["id"] == 5


# Leases, claims, and who may write.


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
