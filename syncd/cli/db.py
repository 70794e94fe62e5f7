"""`syncd db`: syncd's own tables, and a copy of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from syncd.storage.database import Database

app = typer.Typer(no_args_is_help=True)


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring syncd's own tables to the revision of this version of the program."""
    from syncd.cli.output import print_line
    from syncd.storage import migrate

    database = _database(context)
    before = migrate.current(database)
    after = migrate.upgrade(database)
    print_line(
        f"{database.name} stands at revision {after}"
        + (f"; before: {before or 'nothing'}." if before != after else " already.")
    )


@app.command()
def current(context: typer.Context) -> None:
    """Show the revision that the database stands at, and the one that this program needs."""
    from syncd.cli.output import print_line
    from syncd.storage import migrate

    database = _database(context)
    print_line(f"{migrate.current(database) or 'none'} (this syncd needs {migrate.HEAD})")


@app.command()
def backup(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="File that is written; must not exist.")],
) -> None:
    """Copy the database to PATH, consistent, also while syncd runs."""
    from syncd.cli.output import print_line

    database = _database(context)
    database.backup(path)
    print_line(f"{database.name} was copied to {path}.")


def _database(context: typer.Context) -> Database:
    from syncd.cli.invocation import Invocation
    from syncd.storage.database import Database

    settings = Invocation.of(context).settings()
    return Database(settings.database.url.get_secret_value(), settings.database.schema_name)
