"""Whether a schedule fits an allowance of requests, and what would: plain arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from syncd.engine.costs import Costs

_HOUR = 3600.0
_NICE = (60, 120, 300, 600, 900, 1200, 1800, *(_HOUR * hours for hours in (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168)))
"""Intervals that people write, in seconds."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How fast requests may go.

    Attributes:
        hour: Requests per hour, the share taken off that syncd leaves to others.
        second: Requests per second at most, by the short window and by how fast Procore answers.
    """

    hour: float
    second: float

    def seconds(self, requests: float) -> float:
        """How long so many requests take, from the beginning of an unused hour."""
        if requests <= 0:
            return 0.0
        full_hours = max(0, math.ceil(requests / self.hour) - 1)
        last = (requests - full_hours * self.hour) / self.second
        return max(full_hours * _HOUR + last, requests / self.second)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a schedule asks for.

    Attributes:
        costs: Requests of a run.
        every: Seconds between runs.
        refresh: Seconds between complete readings; 0: every run is one.
        find_deleted: Seconds between questions for deleted records; 0: every run asks.
    """

    costs: Costs
    every: float
    refresh: float
    find_deleted: float = 3600.0

    @property
    def per_run(self) -> float:
        """Requests of a usual run, with its part of the complete readings and of the questions for deleted records."""
        refreshing = self._refreshing * self.every / max(self.refresh, self.every)
        return (
            self.costs.incremental + refreshing + self.costs.deletions * self.every / max(self.find_deleted, self.every)
        )

    @property
    def per_hour(self) -> float:
        """Requests in an hour once the first load is done."""
        return self.per_run * _HOUR / self.every

    @property
    def _refreshing(self) -> float:
        return max(0.0, self.costs.reconcile - self.costs.incremental)

    def fitting(self, allowance: Allowance) -> float | None:
        """The shortest usual interval, in seconds, that the allowance carries; None: none up to a week does."""
        fits = (every for every in _NICE if every >= self.every and replace(self, every=every).fits(allowance))
        return next(fits, None)

    def fits(self, allowance: Allowance) -> bool:
        """Whether a run is done before the next is due, and all of them keep within the allowance."""
        return self.per_hour <= allowance.hour and allowance.seconds(self.per_run) <= self.every
