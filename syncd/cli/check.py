"""`syncd check`: is all well before it runs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from syncd.app import App
    from syncd.app.preview import JobCheck


def check(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Check configuration, credentials and database, and what each job may see. Writes no rows.

    Exit codes: 0 all is well, 1 credentials or database fail, 2 configuration, 3 something is refused, 4 consent is needed.
    """
    from syncd.cli.opening import opened
    from syncd.cli.output import print_json
    from syncd.cli.sync import gravest

    with opened(context) as app:
        if not as_json:
            _say_what_holds(app)
        checks = [app.preview.check(name) for name in app.configuration.jobs]
        if as_json:
            print_json({"jobs": [_document(one) for one in checks], "database": app.database.name})
        else:
            for one in checks:
                _print(one)
    raise typer.Exit(gravest([one.exit_code for one in checks]))


def _say_what_holds(app: App) -> None:
    from syncd.cli.output import print_line

    jobs = app.configuration.jobs
    print_line(f"configuration  {app.configuration.path}, {len(jobs)} job{'s' if len(jobs) != 1 else ''}")
    print_line(f"database       {app.database.name}")
    for broken in app.kit.registry.broken:
        print_line(f"plugin         {broken.name} ({broken.origin}) cannot be loaded: {broken.reason}")


def _document(one: JobCheck) -> dict[str, Any]:
    return {
        "job": one.job,
        "principal": one.principal,
        "error": one.error,
        "doubts": list(one.doubts),
        "resources": [
            {
                "resource": found.resource,
                "permitted": found.permitted,
                "place": found.place,
                "records": found.records,
                "note": found.note or None,
            }
            for found in one.findings
        ],
    }


def _print(one: JobCheck) -> None:
    from syncd.cli.output import print_line, print_table

    print_line()
    print_line(f"job {one.job}, as {one.principal}")
    if one.error:
        print_line(f"  {one.error}")
    for doubt in one.doubts:
        print_line(f"  {doubt}", style="yellow")
    words = {True: "yes", False: "no", None: "not asked"}
    rows = [
        [
            found.resource,
            words[found.permitted],
            found.place,
            "" if found.records is None else f"{found.records:,}",
            found.note,
        ]
        for found in one.findings
    ]
    if rows:
        print_table(["resource", "permitted", "asked for", "records", "note"], rows, numeric=(3,))
