"""`syncd sync`: run jobs now, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from syncd.model import Counts, RunReport

_GRAVITY = (2, 1, 4, 3, 0)
"""Exit codes, the gravest first."""
_NAMES = 3
"""Resources named where more have the same error."""


def sync(
    context: typer.Context,
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="Names of the jobs to run, in this order.")],
    full: Annotated[
        bool, typer.Option("--full", help="Read all again and find deletions, beside the live rows.")
    ] = False,
    resource: Annotated[
        list[str] | None,
        typer.Option("--resource", metavar="R", help="Only this resource of the jobs; may be repeated."),
    ] = None,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="Ask again for what answered 403 or 404 before.")
    ] = False,
    accept_deletes: Annotated[
        bool, typer.Option("--accept-deletes", help="Believe listings that came back empty or sharply shorter.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Run jobs now, once.

    Exit codes: 0 all of it worked, 1 failed, 2 configuration, 3 some could not be synced, 4 consent is needed.
    """
    from syncd.cli.errors import say
    from syncd.cli.opening import opened
    from syncd.cli.output import print_json
    from syncd.cli.progress import progress_for
    from syncd.errors import JobBusy, SyncdError
    from syncd.jobs.protocol import Request

    request = Request(
        interactive=True,
        full=full,
        only=tuple(resource or ()),
        retry_refused=retry_refused,
        accept_deletes=accept_deletes,
    )
    reports: list[RunReport] = []
    troubles: list[SyncdError] = []
    with opened(context) as app:
        app.check_request(jobs, request)
        for name in jobs:
            try:
                with progress_for(quiet=as_json) as progress:
                    reports.append(app.run_job(name, request, trigger="manual", progress=progress))
            except JobBusy as busy:
                troubles.append(busy)
            except SyncdError as error:
                troubles.append(error)
                break
        if as_json and reports:
            print_json({"runs": [run_document(report) for report in reports]})
        elif not as_json:
            for report in reports:
                print_report(report)
    for trouble in troubles:
        say(trouble.message, trouble.remedy)
    raise typer.Exit(gravest([*(one.exit_code for one in reports), *(one.exit_code for one in troubles)]))


def gravest(codes: Sequence[int]) -> int:
    """Of several exit codes the one that counts."""
    return min(codes, key=_GRAVITY.index, default=0)


def run_document(report: RunReport) -> dict[str, Any]:
    """A run as `--json` prints it."""
    return {
        "job": report.job,
        "run_id": report.run_id,
        "status": report.status,
        "started_at": stamp(report.started_at),
        "finished_at": stamp(report.finished_at),
        "requests": report.requests,
        "rows": rows_document(report.rows),
        "resources": [
            {
                "resource": one.resource,
                "status": one.status,
                "mode": one.mode,
                "partitions": one.partitions,
                "rows": rows_document(one.rows),
                "error": one.error,
            }
            for one in report.resources
        ],
        "error": report.error,
        "remedy": report.remedy or None,
    }


def rows_document(rows: Counts) -> dict[str, int]:
    """Counts as `--json` prints them."""
    return {
        "read": rows.read,
        "inserted": rows.inserted,
        "updated": rows.updated,
        "unchanged": rows.unchanged,
        "deleted": rows.deleted,
        "rejected": rows.rejected,
    }


def stamp(moment: datetime | None) -> str | None:
    """An instant as `--json` prints it: ISO 8601, UTC, whole seconds."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def print_report(report: RunReport) -> None:
    """The closing table of a run, and what an operator should know of it."""
    from syncd.cli.output import print_line, print_table

    rows = [
        [
            one.resource,
            str(one.status),
            str(one.mode),
            f"{one.partitions:,}",
            *(f"{count:,}" for count in rows_document(one.rows).values()),
        ]
        for one in report.resources
    ]
    columns = [
        "resource",
        "status",
        "mode",
        "partitions",
        "read",
        "inserted",
        "updated",
        "unchanged",
        "deleted",
        "rejected",
    ]
    if rows:
        print_table(columns, rows, numeric=range(3, len(columns)), spare=range(5, len(columns)))
    seconds = (report.finished_at - report.started_at).total_seconds()
    total = report.rows
    print_line(
        f"{report.job}: {report.status}. {total.read:,} records read, {total.inserted:,} inserted, {total.updated:,} updated, "
        f"{total.unchanged:,} unchanged, {total.deleted:,} deleted, {total.rejected:,} rejected; "
        f"{report.requests:,} requests in {seconds:.1f} s."
    )
    reasons: dict[str, list[str]] = {}
    for one in report.resources:
        if one.error:
            reasons.setdefault(one.error, []).append(one.resource)
    if report.error and report.error not in {f"{one.resource}: {one.error}" for one in report.resources}:
        print_line(f"  {report.error} {report.remedy}".rstrip())
    for reason, names in reasons.items():
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        print_line(f"  {', '.join(names[:_NAMES])}{more}: {reason}")
