"""What a job will cost before it runs, as `syncd plan` shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from syncd.engine.allowance import Allowance, Demand
from syncd.engine.forecast import Forecast, ResourceForecast
from syncd.jobs.durations import format_duration

_CAREFUL_SPIKE = 25
"""Requests per 10 seconds where Procore tells nothing: its own example."""

_HOUR = 3600.0
_SPIKE_SECONDS = 10.0
_LARGEST = 3
_UNCERTAIN = 0.05


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A table that the job fills.

    Attributes:
        name: Its name.
        resource: Whose.
        columns: Names of all columns.
        new: Of these, those that are to be created.
    """

    name: str
    resource: str
    columns: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job's costs.

    Attributes:
        job: Its name.
        principal: Whom it acts for.
        schedule: In words, or an empty string.
        forecast: Partitions, records, requests.
        demand: What its schedule asks for; None where it runs only when asked.
        tables: What it fills.
        asked: Requests that planning took.
        warnings: What cannot be met, and what would help; sentences.
    """

    job: str
    principal: str
    schedule: str
    forecast: Forecast
    demand: Demand | None
    tables: tuple[PlannedTable, ...]
    asked: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Several jobs against one allowance.

    Attributes:
        jobs: In the order asked for.
        limits: Requests that Procore grants, by window (`hour`, `spike`); those it has told of.
        share: How much of it syncd may use, 0 to 1.
        allowance: What follows.
        warnings: What cannot be met by all of them together.
    """

    jobs: tuple[JobPlan, ...]
    limits: Mapping[str, int]
    share: float
    allowance: Allowance
    warnings: tuple[str, ...]

    @property
    def per_hour(self) -> float:
        """Requests per hour of all scheduled jobs, once their first loads are done."""
        return sum(job.demand.per_hour for job in self.jobs if job.demand)


def plan_of(jobs: Sequence[JobPlan], limits: Mapping[str, int], share: float, answers_per_second: float) -> Plan:
    """Hold jobs against the allowance.

    Args:
        jobs: Without warnings.
        limits: As Procore told them, by window.
        share: How much of it syncd may use.
        answers_per_second: How fast Procore answered while it was asked.
    """
    known = "hour" in limits
    spike = limits["spike"] if "spike" in limits else limits["hour"] if known else _CAREFUL_SPIKE
    second = spike * share / _SPIKE_SECONDS
    hour = limits["hour"] * share if known else second * _HOUR
    allowance = Allowance(max(1.0, hour), max(0.01, min(second, answers_per_second)))
    warned = tuple(replace(job, warnings=tuple(_warnings(job, allowance, share))) for job in jobs)
    plan = Plan(warned, dict(limits), share, allowance, ())
    return replace(plan, warnings=tuple(_together(plan)))


def _warnings(job: JobPlan, allowance: Allowance, share: float) -> list[str]:
    said = [] if job.demand is None else _schedule(job, job.demand, allowance, share)
    said += [_refused(one) for one in job.forecast.resources if one.refused]
    if job.forecast.margin > _UNCERTAIN:
        said.append(
            f"Projects differ much: the first load may take {job.forecast.margin:.0%} more or fewer requests than said."
        )
    return said


def _schedule(job: JobPlan, demand: Demand, allowance: Allowance, share: float) -> list[str]:
    if demand.fits(allowance):
        return []
    if demand.per_hour > allowance.hour:
        said = (
            f"{job.schedule} cannot be met: it takes about {demand.per_hour:,.0f} requests per hour, "
            f"and {allowance.hour:,.0f} are allowed (quota_share {share:g})."
        )
    else:
        seconds = allowance.seconds(demand.per_run)
        said = f"{job.schedule} cannot be met: a run takes about {span(seconds)}."
    return [f"{said} {_remedy(job, demand, allowance)}"]


def _remedy(job: JobPlan, demand: Demand, allowance: Allowance) -> str:
    fitting = demand.fitting(allowance)
    first = f"every: {format_duration(timedelta(seconds=fitting))} would do" if fitting else "No interval up to 7d does"
    costly = sorted(job.forecast.resources, key=lambda one: -one.costs.incremental)[:_LARGEST]
    words = ", ".join(f"{one.resource} ({one.costs.incremental:,.0f})" for one in costly)
    return f"{first}; what costs most per run: {words}. A job of their own can run them less often."


def _refused(one: ResourceForecast) -> str:
    where = "everywhere it was asked" if one.refused >= 1 else f"in {one.refused:.0%} of the places asked"
    return f"Procore refuses {one.resource} {where}; it will be reported, and asked again at growing intervals."


def _together(plan: Plan) -> list[str]:
    scheduled = [job for job in plan.jobs if job.demand]
    alone = all(job.demand is None or job.demand.fits(plan.allowance) for job in scheduled)
    if len(scheduled) < 2 or plan.per_hour <= plan.allowance.hour or not alone:  # noqa: PLR2004 - one job is not several
        return []
    names = ", ".join(job.job for job in scheduled)
    factor = plan.per_hour / plan.allowance.hour
    said = f"Each schedule can be met, but not all of them: {names} together take about {plan.per_hour:,.0f} requests"
    return [f"{said} per hour, {plan.allowance.hour:,.0f} are allowed. Intervals {factor:.1f} times as long would do."]


def span(seconds: float) -> str:
    """A time in words, roughly."""
    if seconds < 90:  # noqa: PLR2004 - under two minutes, in seconds
        return f"{seconds:.0f} seconds"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{minutes / 60:.1f} hours"  # noqa: PLR2004 - likewise
