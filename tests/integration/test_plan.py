"""Which partitions of nested resources a run asks for, and what finding them reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from support.fake import PLAIN, Bench

from syncd.catalog.layout import Layout
from syncd.catalog.resource import Resource
from syncd.engine.plan import Planner
from syncd.model import Id
from syncd.storage.store import SqlStore

SHELVES = replace(PLAIN, name="shelves", path="/rest/v1.0/shelves", fields={"id": "integer"})
BOXES = replace(SHELVES, name="boxes", path="/rest/v1.0/shelves/{shelf_id}/boxes", parents={"shelf_id": ("shelves",)})
LABELS = replace(
    SHELVES,
    name="labels",
    path="/rest/v1.0/shelves/{shelf_id}/boxes/{box_id}/labels",
    parents={"shelf_id": ("shelves",), "box_id": ("boxes",)},
)


class CountingStore(SqlStore):
    """Counts the rows that suppliers give."""

    read = 0

    def parent_ids(
        self, layout: Layout, columns: Sequence[str], company_id: int, project_id: int | None, principal: str
    ) -> Iterator[tuple[Id, ...]]:
        for row in super().parent_ids(layout, columns, company_id, project_id, principal):
            self.read += 1
            yield row


@pytest.fixture
def benches(database_url: str) -> Iterator[list[Bench]]:
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.database.close()


def filled(bench: Bench, shelves: int, boxes: int) -> None:
    """So many boxes on each of so many shelves."""
    bench.source.lists["/rest/v1.0/shelves"] = [{"id": shelf, "name": f"shelf {shelf}"} for shelf in range(shelves)]
    for shelf in range(shelves):
        listed = [{"id": shelf * boxes + box} for box in range(boxes)]
        bench.source.lists[f"/rest/v1.0/shelves/{shelf}/boxes"] = listed


def planned(bench: Bench, wanted: Resource) -> tuple[list[dict[str, Id]], int]:
    """The parents of the partitions of a resource, and how many rows were read to find them."""
    store = CountingStore(bench.database, bench.clock.now)
    layouts = {name: store.open(one, frozenset(bench.catalog)) for name, one in bench.catalog.items()}
    made = Planner("service", bench.options(), store, layouts).partitions(wanted, [])
    return [dict(partition.parent) for partition in made], store.read


def test_rows_are_read_a_few_times_only_however_many_parents_they_have(database_url: str, benches: list[Bench]) -> None:
    bench = Bench(database_url, {"shelves": SHELVES, "boxes": BOXES})
    benches.append(bench)
    filled(bench, shelves=20, boxes=5)
    bench.run()
    found, read = planned(bench, LABELS)
    assert found == [{"shelf_id": box // 5, "box_id": box} for box in range(100)]
    assert read <= 2 * (20 + 100)
