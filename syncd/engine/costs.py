"""What one partition costs in requests: the listings that a run would make of it, each with its pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.catalog.resource import Resource
from syncd.engine.cursor import Cursor, later
from syncd.engine.options import Options
from syncd.engine.strategy import Spec, listings
from syncd.model import ListRequest, Partition

Pages = Callable[[ListRequest, int], int]
"""How many requests a listing of so many records takes."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Requests of one partition, or of many.

    Attributes:
        first: For the first load.
        incremental: For a run that finds little changed.
        reconcile: For a run that reads all again.
        deletions: More, for a run that asks for deleted records too.
    """

    first: float = 0.0
    incremental: float = 0.0
    reconcile: float = 0.0
    deletions: float = 0.0

    def __add__(self, other: Costs) -> Costs:
        return Costs(
            self.first + other.first,
            self.incremental + other.incremental,
            self.reconcile + other.reconcile,
            self.deletions + other.deletions,
        )

    def __mul__(self, factor: float) -> Costs:
        return Costs(self.first * factor, self.incremental * factor, self.reconcile * factor, self.deletions * factor)


def costs_of(resource: Resource, options: Options, now: datetime, pages: Pages, records: float = 0) -> Costs:
    """The requests of one partition.

    Args:
        resource: The catalog's entry.
        options: The job's.
        now: UTC.
        pages: Counts the pages of a listing.
        records: How many records the partition has; of a dated list, within the days of the first load.
    """
    partition = Partition("", resource.name, options.company, 1, tuple((name, 1) for name in resource.parents))
    options = replace(options, full=False)
    day = now.date().isoformat()
    read = Cursor(watermark=now, full_at=now, days=(later(day, -options.logs_from.days), day))

    def cost(cursor: Cursor, wishes: Options) -> float:
        specs = listings(resource, partition, cursor, wishes, now)
        return sum(pages(spec.request, _listed(spec, records, wishes)) for spec in specs)

    seldom = options if options.full_refresh <= timedelta(0) else replace(options, full_refresh=timedelta(days=36_500))
    incremental = cost(read, seldom)
    details = records if options.details and resource.detail is not None else 0.0
    return Costs(
        first=cost(Cursor(), options) + details,
        incremental=incremental,
        reconcile=cost(read, replace(options, full=True)),
        deletions=cost(read, replace(seldom, find_deleted=timedelta(0))) - incremental,
    )


def _listed(spec: Spec, records: float, options: Options) -> int:
    """How many records a listing brings where little has changed."""
    if spec.kind == "all":
        return math.ceil(records)
    if spec.kind == "days" and spec.days is not None:
        first, last = (datetime.fromisoformat(day) for day in spec.days)
        return math.ceil(records * min(1.0, ((last - first).days + 1) / max(1, options.logs_from.days)))
    return 0
