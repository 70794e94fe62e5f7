"""What the engine may expect of its store about rows: the twin in memory, SQLite and PostgreSQL keep the same promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from support.shelf import Desk, Shelf
from support.things import ALICE, ALL, CODES, EVENTS, HERE, LINES, PAIRS, THERE, lines, names, of, only, things

from syncd.catalog.resource import Resource
from syncd.errors import Unstorable
from syncd.model import (
    Counts,
    CursorState,
    Key,
    Known,
    Mode,
    Proof,
    Reject,
    Status,
    Window,
    Write,
)

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


# Sight, tombstones, and what a listing did not bring.


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
