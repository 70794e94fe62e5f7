"""Which partitions of nested resources a run asks for, and what finding them reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from support.fake import PLAIN, Bench

from syncd.catalog.layout import Layout
from syncd.catalog.load import Catalog
from syncd.catalog.resource import Resource
from syncd.engine.options import Options
from syncd.engine.plan import Planner
from syncd.engine.survey import Survey
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
TAGS = replace(
    SHELVES,
    name="tags",
    path="/rest/v1.0/things/{thing_id}/tags",
    parents={"thing_id": ("boxes", "shelves"), "label": ("boxes.shelf_id", "shelves.name")},
)
NAMED = replace(SHELVES, fields={"id": "integer", "name": "string"})
SUBTIERS = "/rest/v1.0/projects/101/payments/requisitions/{}/subtiers"


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


def invoices(bench: Bench) -> None:
    """Five invoices of two commitments; one of none."""
    commitments = (7, 8, 7, 7, 8)
    bench.source.lists["/rest/v1.1/requisitions"] = [
        *({"id": number, "commitment_id": commitment} for number, commitment in enumerate(commitments)),
        {"id": 5, "commitment_id": None},
    ]


def test_an_invoice_is_asked_for_its_subtiers_with_its_own_commitment_only(
    database_url: str, benches: list[Bench]
) -> None:
    names, catalog = ("requisitions", "requisition_payment_subtiers"), Catalog()
    bench = Bench(database_url, {name: catalog[name] for name in names})
    benches.append(bench)
    invoices(bench)
    assert bench.run(projects=(101,)).status == "ok"
    asked = [(one.path, dict(one.params).get("commitment_id")) for one in bench.source.asked]
    pairs = [(SUBTIERS.format(number), str(commitment)) for number, commitment in enumerate((7, 8, 7, 7, 8))]
    assert sorted(asked) == sorted([("/rest/v1.1/requisitions", None), *pairs])


def test_a_plan_counts_no_pairs_that_a_run_does_not_ask_for(database_url: str, benches: list[Bench]) -> None:
    names, catalog = ("requisitions", "requisition_payment_subtiers"), Catalog()
    bench = Bench(database_url, {name: catalog[name] for name in names})
    benches.append(bench)
    invoices(bench)
    options: Options = bench.options(projects=(101,))
    survey = Survey(bench.source, bench.catalog, options, "service", lambda total, size: 1, bench.clock.now())
    bench.run(projects=(101,))
    run = [one for one in bench.source.asked if "subtiers" in one.path]
    assert survey.place("requisition_payment_subtiers", 101).partitions == pytest.approx(len(run), abs=1)


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


def test_where_several_resources_supply_two_values_both_are_of_one_row(database_url: str, benches: list[Bench]) -> None:
    bench = Bench(database_url, {"shelves": NAMED, "boxes": BOXES})
    benches.append(bench)
    filled(bench, shelves=2, boxes=2)
    bench.run()
    found, _ = planned(bench, TAGS)
    of_boxes = [{"thing_id": box, "label": str(box // 2)} for box in range(4)]
    assert found == [*of_boxes, *({"thing_id": shelf, "label": f"shelf {shelf}"} for shelf in range(2))]
