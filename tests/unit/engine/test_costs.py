"""Requests that one partition costs, and what a sample of projects says of all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.api.counting import requests_of
from syncd.catalog.load import Catalog
from syncd.engine.costs import Costs, costs_of
from syncd.engine.forecast import forecast
from syncd.engine.options import Options
from syncd.engine.survey import Place
from syncd.model import ListRequest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = Options(1, "all", ())


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


@pytest.mark.parametrize(
    ("paging", "size", "records", "requests"),
    [
        ("page", 2000, 0, 1),
        ("page", 2000, 2000, 1),
        ("page", 2000, 2001, 2),
        ("page", 2000, 3998, 2),
        ("page", 2000, 3999, 3),
        ("cursor", 100, 250, 3),
        ("none", 100, 5000, 1),
    ],
)
def test_a_listings_requests_are_counted_as_it_is_paged(paging: str, size: int, records: int, requests: int) -> None:
    assert requests_of(ListRequest(1, "/rest/v1.0/x", paging=paging, page_size=size), records) == requests


@pytest.mark.parametrize(
    ("resource", "records", "costs"),
    [
        ("rfis", 10, Costs(1, 1, 1, 1)),
        ("rfis", 2500, Costs(2, 1, 2, 1)),
        ("manpower_logs", 10, Costs(1, 1, 1)),
        ("observations", 10, Costs(1, 1, 1, 1)),
        ("budget_views", 10, Costs(1, 1, 1)),
        ("budget_views", 5000, Costs(3, 3, 3)),
    ],
)
def test_a_partition_costs_its_listings_pages(catalog: Catalog, resource: str, records: int, costs: Costs) -> None:
    assert costs_of(catalog[resource], OPTIONS, NOW, requests_of, records) == costs


def test_with_a_full_refresh_of_0s_every_run_reads_all(catalog: Catalog) -> None:
    always = replace(OPTIONS, full_refresh=timedelta(0))
    assert costs_of(catalog["rfis"], always, NOW, requests_of, 2500) == Costs(2, 2, 2)


def test_details_cost_a_request_per_record(catalog: Catalog) -> None:
    assert costs_of(catalog["rfis"], replace(OPTIONS, details=True), NOW, requests_of, 7).first == 8


@dataclass
class Known:
    """A survey whose answers are known, and counted."""

    projects_with: dict[int, float]
    asked: list[Any] = field(default_factory=list)

    def projects(self) -> list[int]:
        return list(self.projects_with)

    def place(self, name: str, project: int | None, *, look: bool = True) -> Place:
        self.asked.append((name, project))
        requests = 1.0 if project is None else self.projects_with[project]
        return Place(requests, requests * 3, Costs(requests, requests, requests))


def cast(known: Known, catalog: Catalog) -> Any:
    options = replace(OPTIONS, resources=("rfis",), workers=1)
    return forecast(known, catalog, options, lambda: len(known.asked))  # type: ignore[arg-type]  # a twin of the survey


def test_projects_that_are_alike_are_asked_about_by_sample(catalog: Catalog) -> None:
    known = Known(dict.fromkeys(range(1, 501), 2.0))
    found = cast(known, catalog)
    assert (found.costs.first, found.partitions, found.margin) == (1001, 1001, 0)
    assert len(known.asked) < 10


def test_projects_that_differ_are_asked_about_until_the_sum_is_certain(catalog: Catalog) -> None:
    known = Known({number: 1.0 + number * 7919 % 40 for number in range(1, 501)})
    found = cast(known, catalog)
    true = sum(known.projects_with.values()) + 1
    assert found.costs.first == pytest.approx(true, rel=0.05)
    assert abs(found.costs.first - true) <= found.margin * found.costs.first
    assert len(known.asked) <= 0.06 * true
