"""`syncd plan`: what jobs will cost before they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from syncd.engine.costs import Costs
    from syncd.engine.forecast import ResourceForecast
    from syncd.planning import JobPlan, Plan

_WINDOWS = {"hour": "hour", "spike": "10 seconds"}


def plan(
    context: typer.Context,
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="Names of jobs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Say what jobs will cost: partitions, requests per run and per hour, hours to first completion, tables.

    Procore is asked for the projects, and for the lengths of lists in a sample of them; nothing is written.
    """
    from syncd.cli.opening import opened
    from syncd.cli.output import print_json

    names = list(dict.fromkeys(jobs))
    with opened(context) as app:
        for name in names:
            app.configuration.job(name)
        found = app.preview.plan(names)
    if as_json:
        print_json(document(found))
        return
    for job in found.jobs:
        _print_job(job, found)
    _print_allowance(found)


def document(found: Plan) -> dict[str, Any]:
    """A plan as `--json` prints it."""
    return {
        "jobs": [_job_document(job, found) for job in found.jobs],
        "requests_per_hour": round(found.per_hour),
        "quota": {
            "limits": dict(found.limits),
            "share": found.share,
            "allowed_per_hour": round(found.allowance.hour),
            "per_second": round(found.allowance.second, 2),
        },
        "warnings": list(found.warnings),
    }


def _job_document(job: JobPlan, found: Plan) -> dict[str, Any]:
    cast = job.forecast
    return {
        "job": job.job,
        "principal": job.principal,
        "schedule": job.schedule or None,
        "projects": cast.projects,
        "partitions": cast.partitions,
        "records": cast.records,
        "requests": _requests(cast.costs),
        "margin": round(cast.margin, 4),
        "requests_per_hour": round(job.demand.per_hour) if job.demand else None,
        "hours_to_first_completion": _hours(job, found),
        "resources": [_resource_document(one) for one in cast.resources],
        "tables": [
            {"table": one.name, "resource": one.resource, "columns": len(one.columns), "new_columns": list(one.new)}
            for one in job.tables
        ],
        "warnings": list(job.warnings),
        "asked": {"projects": cast.sampled, "requests": job.asked},
    }


def _resource_document(one: ResourceForecast) -> dict[str, Any]:
    return {
        "resource": one.resource,
        "of_the_job": one.asked,
        "partitions": one.partitions,
        "records": one.records,
        "requests": _requests(one.costs),
        "refused": round(one.refused, 2),
    }


def _requests(costs: Costs) -> dict[str, int]:
    return {
        "first": round(costs.first),
        "incremental": round(costs.incremental),
        "reconcile": round(costs.reconcile),
    }


def _hours(job: JobPlan, found: Plan) -> float:
    return round(found.allowance.seconds(job.forecast.costs.first) / 3600, 2)


def _print_job(job: JobPlan, found: Plan) -> None:
    from syncd.cli.output import print_line, print_table
    from syncd.planning import span

    cast = job.forecast
    print_line(f"job {job.job}, as {job.principal}{', ' + job.schedule if job.schedule else ''}", style="bold")
    rows = [_row(one.resource, one.partitions, one.records, one.costs) for one in cast.resources]
    rows.append(_row("all", cast.partitions, cast.records, cast.costs))
    columns = ["resource", "partitions", "records", "first run", "later runs", "reading all again"]
    print_table(columns, rows, numeric=range(1, len(columns)))
    margin = f", give or take {cast.margin:.0%}" if cast.margin >= 0.005 else ""  # noqa: PLR2004 - less rounds to nothing
    print_line(f"projects          {cast.projects:,}; {job.asked:,} requests asked about {cast.sampled:,} of them")
    print_line(
        f"first completion  {cast.costs.first:,.0f} requests{margin}; about {span(found.allowance.seconds(cast.costs.first))}"
    )
    if job.demand:
        print_line(f"afterwards        {job.demand.per_hour:,.0f} requests per hour on schedule")
    made = [table for table in job.tables if len(table.new) == len(table.columns)]
    more = sum(len(table.new) for table in job.tables) - sum(len(table.new) for table in made)
    width = sum(len(table.columns) for table in made)
    print_line(f"tables            {len(made):,} of {len(job.tables):,} to be created, with {width:,} columns"
               + (f"; {more:,} columns to be added to others" if more else ""))  # fmt: skip
    for name in [one.resource for one in cast.resources if not one.asked]:
        print_line(f"note              {name} is read too: it supplies ids")
    for warning in job.warnings:
        print_line(f"warning           {warning}", style="yellow")
    print_line()


def _print_allowance(found: Plan) -> None:
    from syncd.cli.output import print_line

    told = ", ".join(f"{limit:,} per {_WINDOWS[name]}" for name, limit in found.limits.items())
    print_line(
        f"quota             Procore grants {told or 'what it has not told yet'}; syncd may use {found.share:.0%}"
    )
    if "hour" not in found.limits:
        print_line("note              Procore tells of the limit that is nearest; that of an hour is not known yet")
    if len(found.jobs) > 1:
        print_line(f"all jobs          {found.per_hour:,.0f} requests per hour on schedule")
    for warning in found.warnings:
        print_line(f"warning           {warning}", style="yellow")


def _row(name: str, partitions: int, records: int, costs: Costs) -> list[str]:
    return [
        name,
        *(f"{number:,.0f}" for number in (partitions, records, costs.first, costs.incremental, costs.reconcile)),
    ]
