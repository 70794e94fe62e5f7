"""How many partitions and records there are, from the `Total` of small requests about a sample of projects."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from syncd.catalog.layout import scope_column
from syncd.catalog.resource import Resource
from syncd.engine.costs import Costs, Pages, costs_of
from syncd.engine.cursor import Cursor
from syncd.engine.options import Options
from syncd.engine.plan import PROJECTS, Choice, Resources, candidates, settled, suppliers
from syncd.engine.ports import Source
from syncd.engine.strategy import listings
from syncd.errors import Refused, RequestRejected, Unavailable
from syncd.model import Id, ListRequest, Partition, Priority

Choices = tuple[Choice, ...]

_BRANCHES = 3
"""Parent records of one level that are looked into where a resource hangs on several levels."""
_LEAVES = 2
"""Partitions of a project that are asked where parent records tell them apart."""
_SAMPLE = 100
"""Records asked for where their ids are needed."""
_RANGES = 6
"""Ranges of days asked about at most; older ones are taken to hold as much as the oldest of these."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a resource has in one project, or in the company.

    Attributes:
        partitions: How many, refused ones included.
        records: In all of them.
        costs: Requests of all of them.
        refused: Whether Procore refuses them.
    """

    partitions: float
    records: float
    costs: Costs
    refused: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    """The records of a listing as far as they were asked for."""

    total: float
    records: Sequence[Any] = ()
    refused: bool = False


@dataclass(slots=True)
class _Leaves:
    """What partitions below parent records turned out to hold on average."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    asked: int = 0
    records: float = 0.0
    costs: Costs = field(default_factory=Costs)
    refused: int = 0


class Survey:
    """Asks Procore how much there is; remembers every answer. Safe to use from several threads.

    Args:
        source: The API as the job's principal sees it.
        catalog: Resources by name.
        options: The job's.
        principal: The job's.
        pages: Counts the pages of a listing.
        now: UTC.
    """

    def __init__(
        self, source: Source, catalog: Resources, options: Options, principal: str, pages: Pages, now: datetime
    ) -> None:
        self._source = source
        self._catalog = catalog
        self._options = options
        self._principal = principal
        self._pages = pages
        self._now = now
        self._found: dict[Partition, _Found] = {}
        self._leaves: dict[str, _Leaves] = {}
        self._suppliers = _suppliers_of(catalog, options.resources)
        self._lock = threading.Lock()

    def projects(self) -> list[int]:
        """The projects that the job reads."""
        chosen = self._options.projects
        if isinstance(chosen, tuple):
            return list(chosen)
        partition = Partition(self._principal, PROJECTS, self._options.company)
        spec = next(listings(self._catalog[PROJECTS], partition, Cursor(), self._options, self._now))
        request = replace(spec.request, priority=Priority.INTERACTIVE)
        records = [record for page in self._source.pages(request) for record in page.records]
        self._found[partition] = _Found(len(records), records)
        return [record["id"] for record in records if chosen == "all" or record.get("active", True)]

    def place(self, name: str, project: int | None, *, look: bool = True) -> Place:
        """What a resource has in one project (None: in the company).

        Args:
            name: The resource.
            project: The project's id.
            look: Ask about partitions below parent records, instead of taking them for average.
        """
        resource = self._catalog[name]
        sample, number = self._partitions(resource, project, {})
        if not sample:
            return Place(0, 0, Costs())
        if not resource.parents:
            found = [self._ask(partition) for partition in sample]
            costs = sum((self._costs(resource, one) for one in found), Costs())
            refused = all(one.refused for one in found)
            return Place(number, sum(one.total for one in found), costs, refused)
        return self._average(resource, sample, number, look=look)

    def _average(self, resource: Resource, sample: Sequence[Partition], number: float, *, look: bool) -> Place:
        with self._lock:
            leaves = self._leaves.setdefault(resource.name, _Leaves())
        if look or not leaves.asked:
            for partition in sample[:_LEAVES]:
                found = self._ask(partition)
                costs = self._costs(resource, found)
                with leaves.lock:
                    leaves.asked += 1
                    leaves.records += found.total
                    leaves.costs += costs
                    leaves.refused += found.refused
        share = number / leaves.asked
        return Place(number, leaves.records * share, leaves.costs * share, leaves.refused == leaves.asked)

    def _costs(self, resource: Resource, found: _Found) -> Costs:
        if found.refused:
            return Costs(first=1, reconcile=1)
        return costs_of(resource, self._options, self._now, self._pages, found.total)

    def _partitions(
        self, resource: Resource, project: int | None, fixed: Mapping[str, Id]
    ) -> tuple[list[Partition], float]:
        """Some partitions, and how many there are.

        Args:
            resource: Whose.
            project: In which project.
            fixed: Values of parents that are given, by the column that holds them.
        """
        inside = project if resource.scope == "project" else None
        needs = suppliers(resource)
        enumerated = [[(name, value) for value in values] for name, values in resource.enumerate.items()]
        endings = list(itertools.product(*enumerated))

        def extend(chosen: Choices, rest: Sequence[str]) -> tuple[list[Choices], float]:
            if not rest:
                return [chosen], 1.0
            placeholder, *others = rest
            if (given := fixed.get(scope_column(placeholder))) is not None:
                choices = [Choice(placeholder, given, "", "")]
                number = 1.0
            else:
                choices, number = self._choices(chosen, placeholder, needs[placeholder], project)
            if not choices:
                return [], 0.0
            below = [extend((*chosen, choice), others) for choice in choices[:_BRANCHES]]
            mean = sum(count for _, count in below) / len(below)
            return [parents for found, _ in below for parents in found], number * mean

        found, number = extend((), list(needs))
        parents = [tuple((choice.placeholder, choice.value) for choice in chosen) for chosen in found]
        sample = [
            Partition(self._principal, resource.name, self._options.company, inside, (*above, *ending))
            for above in parents
            for ending in endings
        ]
        return sample, number * len(endings)

    def _choices(
        self, chosen: Choices, placeholder: str, given: Sequence[tuple[str, str]], project: int | None
    ) -> tuple[list[Choice], float]:
        """Some choices for a placeholder, and how many there are."""
        choices: list[Choice] = []
        total = 0.0
        fixed = {scope_column(choice.placeholder): choice.value for choice in chosen}
        for name, column in candidates(chosen, given):
            supplier = self._catalog[name]
            partitions, number = self._partitions(supplier, project, fixed)
            found = [self._ask(partition) for partition in partitions]
            row = settled(chosen, name, ())
            records = [
                record
                for one in found
                for record in one.records
                if isinstance(record, Mapping) and all(str(record.get(at)) == str(value) for at, value in row.items())
            ]
            distinct = list(dict.fromkeys(record[column] for record in records if record.get(column) is not None))
            listed = sum(one.total for one in found) * (number / len(found) if found else 0)
            choices += [Choice(placeholder, value, name, column) for value in distinct]
            total += listed if not row and (column in supplier.key or column == "id") else len(distinct)
        return choices, total

    def _ask(self, partition: Partition) -> _Found:
        """How many records a partition has, and some of them; asked once."""
        if partition not in self._found:
            try:
                found = self._counted(partition)
            except (Refused, RequestRejected, Unavailable):
                found = _Found(0, refused=True)
            self._found[partition] = found
        return self._found[partition]

    def _counted(self, partition: Partition) -> _Found:
        resource = self._catalog[partition.resource]
        specs = list(listings(resource, partition, Cursor(), self._options, self._now))
        total = 0.0
        records: list[Any] = []
        for spec in specs[-_RANGES:]:
            size = min(_SAMPLE if partition.resource in self._suppliers else 1, resource.page_size)
            request = replace(spec.request, page_size=size, overlap=False, priority=Priority.INTERACTIVE)
            if resource.paging not in ("page", "none"):
                request = replace(request, page_size=resource.page_size)
            total += self._total(request, records)
        return _Found(total * max(1.0, len(specs) / _RANGES), records)

    def _total(self, request: ListRequest, records: list[Any]) -> float:
        """What Procore says a listing has; where it does not say, what a few pages of it hold."""
        seen = 0
        for page in islice(self._source.pages(request), _RANGES):
            records.extend(page.records)
            seen += len(page.records)
            if page.total is not None:
                return page.total
        return seen


def _suppliers_of(catalog: Resources, names: Sequence[str]) -> frozenset[str]:
    """Every resource that supplies ids to these, over however many levels."""
    found: set[str] = set()
    rest = list(names)
    while rest:
        for given in suppliers(catalog[rest.pop()]).values():
            fresh = {name for name, _ in given} - found
            found |= fresh
            rest += fresh
    return frozenset(found)
