"""What a job will cost: requests counted on a sample of projects, as large as the promised margin needs.

The number of requests follows from numbers of records: every partition costs its listings' pages, and the records of
some resources are themselves partitions of others. Procore tells a list's length with its first page, so one request
for one record tells what one partition will cost. A few projects are asked about everything; then more projects about
those resources whose differences between projects make the sum uncertain, until it is certain enough or asking would
cost more than a twentieth of the first load.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from syncd.engine.costs import Costs
from syncd.engine.options import Options
from syncd.engine.plan import PROJECTS, Resources, stages
from syncd.engine.survey import Place, Survey

_LEAST_PILOT, _PILOT = 3, 6
"""Projects that are asked about every resource: a twentieth of all, within these bounds."""
_STEP = 10
"""Projects more that an uncertain resource is asked about at once."""
_CERTAIN = 0.02
"""Standard error of the first load's requests, as a share of them, at which asking ends."""
_EFFORT = 0.05
"""Requests spent on asking, as a share of the first load's."""
_LEAST_EFFORT = 100
_TWO_SIGMA = 2.0


@dataclass(frozen=True, slots=True)
class ResourceForecast:
    """What one resource of a job will cost.

    Attributes:
        resource: Its name.
        asked: Whether the job names it; else it is read because it supplies ids.
        partitions: How many.
        records: How many.
        costs: Requests of a run.
        error: Standard error of the first load's requests.
        refused: Share of the places asked about that Procore refuses, 0 to 1.
    """

    resource: str
    asked: bool
    partitions: int
    records: int
    costs: Costs
    error: float
    refused: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a job will cost.

    Attributes:
        projects: How many it reads.
        resources: In the order in which a run reads them.
        sampled: How many projects were asked about at most.
    """

    projects: int
    resources: tuple[ResourceForecast, ...]
    sampled: int

    @property
    def costs(self) -> Costs:
        """Requests of a run."""
        return sum((one.costs for one in self.resources), Costs())

    @property
    def partitions(self) -> int:
        """How many a run reads."""
        return sum(one.partitions for one in self.resources)

    @property
    def records(self) -> int:
        """How many there are."""
        return sum(one.records for one in self.resources)

    @property
    def margin(self) -> float:
        """How far off the first load's requests may be, as a share of them: two standard errors."""
        first = self.costs.first
        return _TWO_SIGMA * sum(one.error for one in self.resources) / first if first else 0.0


@dataclass(slots=True)
class _Sample:
    """One resource in the places asked about so far.

    Attributes:
        name: The resource.
        population: All places, in the order in which they are asked about.
        places: What was found in the first of them.
    """

    name: str
    population: Sequence[int | None]
    places: list[Place] = field(default_factory=list)

    @property
    def error(self) -> float:
        """Standard error of the sum of first-load requests over all places."""
        have, everywhere = len(self.places), len(self.population)
        if have >= everywhere or have < 2:  # noqa: PLR2004 - one value has no spread
            return 0.0
        values = [place.costs.first for place in self.places]
        mean = sum(values) / have
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (have - 1))
        return everywhere * spread / math.sqrt(have) * math.sqrt(1 - have / everywhere)

    @property
    def costs(self) -> Costs:
        """Estimated over all places."""
        return sum((place.costs for place in self.places), Costs()) * self._scale

    @property
    def _scale(self) -> float:
        return len(self.population) / len(self.places) if self.places else 0.0

    def rest(self, count: int) -> Sequence[int | None]:
        """The places to ask about next."""
        return self.population[len(self.places) : len(self.places) + count]

    def forecast(self, asked: Iterable[str]) -> ResourceForecast:
        """What is known of it."""
        refused = sum(place.refused for place in self.places)
        return ResourceForecast(
            resource=self.name,
            asked=self.name in asked,
            partitions=round(sum(place.partitions for place in self.places) * self._scale),
            records=round(sum(place.records for place in self.places) * self._scale),
            costs=self.costs,
            error=self.error,
            refused=refused / len(self.places) if self.places else 0.0,
        )


def forecast(
    survey: Survey,
    catalog: Resources,
    options: Options,
    spent: Callable[[], int],
    stopping: Callable[[], bool] = lambda: False,
) -> Forecast:
    """Ask, as little as will do, and add up.

    Args:
        survey: Asks.
        catalog: Resources by name.
        options: The job's.
        spent: Requests sent so far.
        stopping: Whether the program was asked to stop: then what is known must do.

    Raises:
        SyncdError: Procore cannot be asked at all, or not for the projects.
    """
    names = [name for stage in stages(catalog, options.resources, options) for name in stage]
    per_project = {name for name in names if catalog[name].scope == "project"}
    projects = survey.projects() if per_project else []
    mixed: list[int | None] = [*sorted(projects, key=_shuffled)]
    samples = [_Sample(name, mixed if name in per_project else [None]) for name in names]
    pilot = min(max(len(projects) // 20, _LEAST_PILOT), _PILOT)
    with ThreadPoolExecutor(options.workers) as pool:

        def ask(sample: _Sample, count: int) -> None:
            look = len(sample.places) < pilot
            sample.places += pool.map(lambda place: survey.place(sample.name, place, look=look), sample.rest(count))

        for sample in samples:
            ask(sample, pilot)
        while (doubtful := _most_doubtful(samples, spent())) is not None and not stopping():
            ask(doubtful, _STEP)
    return Forecast(
        projects=len(projects),
        resources=tuple(sample.forecast(options.resources) for sample in samples),
        sampled=max((len(sample.places) for sample in samples if sample.name in per_project), default=0),
    )


def _most_doubtful(samples: Sequence[_Sample], spent: int) -> _Sample | None:
    """The resource to ask more about, or None where the sum is certain enough, or asking too costly."""
    first = sum(sample.costs.first for sample in samples)
    if sum(sample.error for sample in samples) <= _CERTAIN * first or spent > max(_LEAST_EFFORT, _EFFORT * first):
        return None
    worst = max(samples, key=lambda sample: sample.error)
    return worst if worst.rest(1) else None


def _shuffled(project: int) -> bytes:
    """An order of projects that has nothing to do with their age or size, and is the same every time."""
    return hashlib.blake2b(str(project).encode(), digest_size=8).digest()


def is_supplied_only(one: ResourceForecast) -> bool:
    """Whether a resource is read for its ids alone."""
    return not one.asked and one.resource != PROJECTS
