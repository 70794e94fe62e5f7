"""`syncd status`: what runs, what is fresh, what is left of the quota, and what needs a person."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from syncd.app import App
    from syncd.overview import Overview


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until ctrl-C.")] = False,
) -> None:
    """Show jobs, last and next runs, freshness per table, tokens, and what is left of the API's quota."""
    from syncd.cli.opening import opened
    from syncd.cli.output import print_json, terminal

    with opened(context) as app:
        if as_json:
            print_json(document(app.views.overview()))
            return
        while True:
            if watch:
                terminal().clear()
            show(app, app.views.overview())
            if not watch or app.clock.stopping():
                return
            time.sleep(2.0)


def document(seen: Overview) -> dict[str, Any]:
    """An overview as `--json` prints it."""
    from syncd.cli.sync import stamp

    return {
        "now": stamp(seen.now),
        "jobs": [
            {
                "job": job.name,
                "type": job.type,
                "principal": job.principal,
                "schedule": job.schedule,
                "running": job.last is not None and job.last.status == "running",
                "last": None
                if job.last is None
                else {
                    "run_id": job.last.id,
                    "status": job.last.status,
                    "started_at": stamp(job.last.started_at),
                    "finished_at": stamp(job.last.finished_at),
                    "requests": job.last.requests,
                    "read": job.last.rows_read,
                    "written": job.last.rows_written,
                    "error": job.last.error,
                    "remedy": job.last.remedy,
                },
                "next": stamp(job.next),
            }
            for job in seen.jobs
        ],
        "tables": [
            {
                "resource": table.resource,
                "principal": table.principal,
                "partitions": table.partitions,
                "rows": table.rows,
                "oldest_check": stamp(table.oldest),
                "newest_check": stamp(table.newest),
                "doubtful": table.doubtful,
                "stale": seen.is_stale(table),
            }
            for table in seen.tables
        ],
        "tokens": [
            {"principal": token.principal, "state": token.state, "detail": token.detail} for token in seen.tokens
        ],
        "quota": [
            {
                "window": window.name,
                "limit": window.limit,
                "remaining": window.remaining,
                "available": window.available,
                "resets_at": stamp(window.resets_at),
                "share": seen.quota_share,
            }
            for window in seen.quota
        ],
        "refusals": [
            {
                "principal": one.principal,
                "resource": one.resource,
                "project_id": one.project_id or None,
                "status": one.status,
                "reason": one.reason,
                "times": one.times,
                "next_probe": stamp(one.probe_at),
            }
            for one in seen.refusals
        ],
        "concerns": [
            {"subject": one.subject, "message": one.message, "remedy": one.remedy or None, "grave": one.grave}
            for one in seen.concerns()
        ],
        "rejects": seen.rejects,
        "observations_14_days": seen.observations,
    }


def show(app: App, seen: Overview) -> None:
    """Print an overview for a person."""
    from syncd.cli.output import print_line, print_table

    print_line(f"{app.configuration.path} into {app.database.name}")
    jobs = [
        [
            job.name,
            job.principal,
            job.schedule or "when asked",
            "never" if job.last is None else job.last.status,
            "" if job.last is None else ago(seen.now, job.last.started_at),
            "" if job.next is None else ahead(seen.now, job.next),
            "" if job.last is None else f"{job.last.requests:,}",
            "" if job.last is None else f"{job.last.rows_written:,}",
        ]
        for job in seen.jobs
    ]
    print_table(
        ["job", "as", "schedule", "last run", "began", "next", "requests", "written"],
        jobs,
        numeric=(6, 7),
        title="Jobs",
    )
    for one in seen.concerns():
        style = "red" if one.grave else "yellow"
        print_line(f"  {one.subject}: {one.message} {one.remedy}".rstrip(), style=style)
    tables = [
        [
            table.resource,
            table.principal,
            f"{table.rows:,}",
            f"{table.partitions:,}",
            "not complete" if table.oldest is None else ago(seen.now, table.oldest),
            f"{table.doubtful:,}" if table.doubtful else "",
            "stale" if seen.is_stale(table) else "",
        ]
        for table in seen.tables
    ]
    print_table(
        ["table", "as", "rows", "partitions", "all read", "doubtful", ""], tables, numeric=(2, 3, 5), title="Tables"
    )
    print_table(
        ["token of", "state", ""], [[one.principal, one.state, one.detail] for one in seen.tokens], title="Tokens"
    )
    quota = [
        [
            window.name,
            f"{window.limit:,}",
            f"{window.remaining:,}",
            f"{window.available:,}",
            ahead(seen.now, window.resets_at),
            "" if window.available or window.resets_at <= seen.now else "used up: runs wait",
        ]
        for window in seen.quota
    ]
    print_table(
        ["window", "limit", "left", "for syncd", "resets", ""],
        quota,
        numeric=(1, 2, 3),
        title=f"Quota (share {seen.quota_share:g})",
    )
    if seen.refusals:
        refused = [
            [one.resource, str(one.project_id or ""), f"{one.status} {one.reason}", ahead(seen.now, one.probe_at)]
            for one in seen.refusals[:20]
        ]
        print_table(["refused", "project", "why", "asked again"], refused, title="Refusals")
        if len(seen.refusals) > len(refused):
            print_line(f"  and {len(seen.refusals) - len(refused)} more: syncd status --json")
    if seen.rejects:
        print_line(f"{seen.rejects:,} records could not be stored: see the table syncd_rejects.")
    watched = ", ".join(f"{name} {count}" for name, count in seen.observations.items())
    print_line(f"What Procore watches, last 14 days: {watched}.")


def ago(now: datetime, then: datetime) -> str:
    """`3 min ago`."""
    return f"{_span((now - then).total_seconds())} ago"


def ahead(now: datetime, then: datetime) -> str:
    """`in 3 min`, or `now`."""
    seconds = (then - now).total_seconds()
    return f"in {_span(seconds)}" if seconds >= 1 else "now"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
