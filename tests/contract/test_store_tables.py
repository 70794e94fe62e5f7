"""What the engine may expect of its store about tables: made, widened, never narrowed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from support.shelf import Desk, Shelf
from support.things import ALL, CODES, HERE, THERE, THINGS, only, things

from syncd.catalog.layout import Addition, Layout
from syncd.errors import ConfigError


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
