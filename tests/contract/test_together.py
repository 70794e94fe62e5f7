"""Small pages whose records are compared, shaped and written together end as each of them alone would, in every store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support.fake import FakeClock, Silent
from support.shelf import Desk, Shelf
from support.things import ALICE, ALL, HERE, THERE, lines, of

from syncd.engine.batch import Compared, Item, Late, alone, together
from syncd.engine.writer import Writer
from syncd.model import Counts, CursorState, Mode, Partition, Proof, Status, Write

PROOF = Proof(Mode.INCREMENTAL, None, 2, 2, 0, Status.OK, "", datetime(2026, 3, 1, tzinfo=UTC))
BEFORE = {
    HERE: [{"id": 1, "name": "a", "crates": [{"id": 1, "items": [{"id": 1}]}, {"id": 2}]}, {"id": 2, "name": "same"}],
    THERE: [{"id": 3, "name": "c", "crates": [{"id": 3}]}, {"id": 4, "name": "gone"}],
    lines(5): [{"id": 1, "name": "x"}, {"id": 2, "name": "moves"}],
}
CHANGES = {
    HERE: [{"id": 1, "name": "b", "crates": [{"id": 5, "items": [{"id": 1}, {"id": 2}]}]}, BEFORE[HERE][1]],
    THERE: [{"id": 3, "name": "d", "project_id": 99}, BEFORE[THERE][1], {"id": 7, "colour": "red", "day": "soon"}],
    replace(HERE, project_id=12): [],
    replace(HERE, project_id=13): [{"id": 8, "name": "new", "crates": [{"id": 9}]}],
    lines(5): [{"id": 1, "name": "y"}],
    lines(6): [{"id": 2, "name": "moves"}, {"id": 3, "name": "z"}],
}


@dataclass
class Pages:
    """Pages of changes on their way to a store.

    Attributes:
        counts: What was told of each after its commit.
        misfits: How many values were set aside.
    """

    desk: Desk
    counts: dict[Partition, Counts]
    misfits: int = 0

    def set_aside(self, count: int) -> None:
        self.misfits += count

    def item(self, partition: Partition, records: Sequence[Any], **more: Any) -> Item:
        """A page whose records are still to be compared."""
        found = self.desk.found(partition, records)
        session = self.desk.session(partition.resource)
        write = Write(partition, counts=Counts(read=len(records)), **more)
        late = Late(session, found, False, self.set_aside) if found.keys else None
        return Item(write, done=lambda counts: self.counts.update({partition: counts}), late=late)

    def write(self, *items: Item) -> None:
        """Commit them by a writer that finds them all in its queue."""
        layouts = self.desk.layouts
        writer = Writer(self.desk.store, layouts, self.desk.run_id, self.desk.lease, FakeClock(), Silent())
        for item in items:
            writer.put(item)
        writer.start()
        writer.close()


def tables(shelf: Shelf, desk: Desk) -> dict[str, Any]:
    """All rows that were written, and what is remembered of partitions."""
    layouts = [desk.layout(name) for name in ("things", "lines")]
    found = {table.name: shelf.stored(layout, table) for layout in layouts for table in layout.tables()}
    told = [{name: row[name] for name in row if name != "id"} for row in shelf.remembered("syncd_partitions")]
    told.sort(key=lambda row: (row["resource"], row["project_id"], row["parent"]))
    return {**found, "partitions": told, "cursors": desk.store.cursors(list(CHANGES))}


def begun(shelf: Shelf) -> Desk:
    """A store with what stands before."""
    shelf.empty()
    desk = Desk(shelf.store(), ALL)
    for place, records in BEFORE.items():
        desk.put(place, records)
    desk.sweep(THERE, (4,))
    return Desk(shelf.store(), ALL, "run-2", desk.lease)


def items(pages: Pages) -> list[Item]:
    return [
        pages.item(place, records, cursor=CursorState(state=f'"{place.project_id}"'), proof=PROOF)
        for place, records in CHANGES.items()
    ]


def test_pages_that_are_written_together_end_as_each_alone(shelf: Shelf) -> None:
    desk = begun(shelf)
    single = Pages(desk, {})
    for item in items(single):
        single.write(item)
    expected = tables(shelf, desk)
    desk = begun(shelf)
    pages = Pages(desk, {})
    pages.write(*items(pages))
    assert tables(shelf, desk) == expected
    assert (pages.counts, pages.misfits) == (single.counts, single.misfits)
    assert pages.counts[THERE] == Counts(read=3, inserted=1, updated=2)
    assert (pages.counts[lines(6)], pages.misfits) == (Counts(read=2, inserted=1, updated=1), 2)


def test_the_rows_of_all_pages_are_one_batch(desk: Desk) -> None:
    pages = Pages(desk, {})
    late = [pages.item(place, [{"id": number}]) for number, place in enumerate((HERE, THERE))]
    compared: list[Compared] = [(item, item.late, {}) for item in late if item.late is not None]
    rows, *rest = together(compared)
    assert (rows.write.keys, rows.write.owners) == ([(0,), (1,)], [(HERE, 1), (THERE, 1)])
    assert [(item.write.root, item.write.counts.inserted, item.late) for item in rest] == [(None, 1, None)] * 2
    assert [alone(one).write.keys for one in compared] == [[(0,)], [(1,)]]


@pytest.mark.parametrize("other", [HERE, ALICE])
def test_of_a_record_on_two_pages_the_last_word_counts(shelf: Shelf, other: Partition) -> None:
    desk = begun(shelf)
    pages = Pages(desk, {})
    pages.write(
        pages.item(HERE, [{"id": 1, "name": "first"}]),
        pages.item(THERE, [{"id": 3, "name": "else"}]),
        pages.item(other, [{"id": 1, "name": "last"}]),
    )
    assert [row["name"] for row in tables(shelf, desk)["things"]][:3:2] == ["last", "else"]


def test_what_is_deleted_before_it_changes_again_stands_and_the_other_way_round_does_not(shelf: Shelf) -> None:
    desk = begun(shelf)
    pages = Pages(desk, {})
    changed = {"id": 3, "name": "e"}
    pages.write(
        pages.item(HERE, [{"id": 1, "name": "b"}]),
        Item(Write(THERE, gone=[(3,)])),
        pages.item(THERE, [changed]),
        pages.item(of(ALL[1]), [{"code": "c"}]),
    )
    assert desk.live(THERE) == 1
    pages.write(
        pages.item(HERE, [{"id": 1, "name": "c"}]),
        pages.item(THERE, [{**changed, "name": "f"}]),
        Item(Write(THERE, gone=[(3,)])),
    )
    assert (desk.live(HERE), desk.live(THERE)) == (2, 0)


def test_a_record_that_the_database_refuses_is_kept_whole_and_the_other_pages_are_stored(shelf: Shelf) -> None:
    desk = begun(shelf)
    pages = Pages(desk, {})
    good, bad = pages.item(HERE, CHANGES[HERE], proof=PROOF), pages.item(THERE, CHANGES[THERE], proof=PROOF)
    assert bad.late is not None
    first, *others = bad.late.found.hashes
    spoilt = replace(bad.late.found, hashes=[first, *others[:-1], None])  # type: ignore[list-item] # what none takes
    pages.write(good, replace(bad, late=replace(bad.late, found=spoilt)))
    assert [row["name"] for row in tables(shelf, desk)["things"]] == ["b", "same", "d", "gone"]
    assert [(row["project_id"], row["record"]) for row in shelf.remembered("syncd_rejects")] == [
        (11, '{"id": 7, "colour": "red", "day": "soon"}')
    ]
    proved = {row["project_id"]: row for row in shelf.remembered("syncd_partitions")}
    assert [(proved[number]["status"], proved[number]["rejected"]) for number in (10, 11)] == [
        ("ok", 0),
        ("partial", 1),
    ]
    assert (pages.counts[HERE].rejected, pages.counts[THERE].rejected) == (0, 1)
