"""`syncd purge`: erase all trace of a company, a project or a person."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

LARGEST_ID = 2**63 - 1
"""Of Procore's ids, and of the databases' integers."""


def purge(
    context: typer.Context,
    company: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=LARGEST_ID, help="Erase all of this company.")
    ] = None,
    project: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=LARGEST_ID, help="Erase all of this project.")
    ] = None,
    user_record: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=LARGEST_ID, help="Erase this person: their record, and their name in others."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Erase all trace of a company, a project or a person from every table, and say what was removed.

    What Procore still has comes back with the next sync: leave it out of the jobs (projects, exclude, hash) first.
    """
    from syncd.cli.invocation import Invocation
    from syncd.cli.output import print_json, print_line, print_table
    from syncd.storage import migrate
    from syncd.storage.database import Database
    from syncd.storage.purge import Subject
    from syncd.storage.purge import purge as erase

    given = {"company": company, "project": project, "user": user_record}
    chosen = [(kind, number) for kind, number in given.items() if number is not None]
    if len(chosen) != 1:
        raise typer.BadParameter("Give one of --company N, --project N and --user-record N.")
    kind, number = chosen[0]
    settings = Invocation.of(context).settings()
    database = Database(settings.database.url.get_secret_value(), settings.database.schema_name)
    try:
        migrate.verify(database)
        if not yes:
            _confirm(kind, number, database.name)
        removed = erase(database, Subject(kind, number), datetime.now(UTC))  # type: ignore[arg-type] # the literals above
    finally:
        database.close()
    if as_json:
        print_json({"subject": kind, "id": number, "removed": removed})
        return
    if not removed:
        print_line(f"Nothing of {kind} {number} is stored.")
        return
    print_table(("table", "rows"), [(name, str(count)) for name, count in sorted(removed.items())], numeric={1})
    print_line(f"{kind} {number} was erased. Copies and backups made before still hold it.")


def _confirm(kind: str, number: int, database: str) -> None:
    from syncd.errors import ConfigError

    if not sys.stdin.isatty():
        raise ConfigError("A purge cannot be undone, and nobody can be asked here.", "Say --yes if it is meant.")
    typer.confirm(f"Erase all of {kind} {number} from {database}? This cannot be undone", abort=True, err=True)
