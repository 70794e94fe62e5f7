"""syncd's own tables, brought to the version of the program by Alembic. The synced tables are not its business.

Alembic is imported where something is to be migrated only: it is large, and a daemon would keep it for years. An empty
database gets at once the tables that the migrations lead to, and is stamped with their last revision.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, select

from syncd.errors import SchemaMismatch
from syncd.storage.database import Database
from syncd.storage.existing import existing_columns
from syncd.storage.tables import metadata

HEAD = "0001"
"""The revision of this version of the program."""
_VERSION_TABLE = "syncd_alembic_version"
_version = Table(
    _VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{_VERSION_TABLE}_pkc"),
)
"""As Alembic makes it."""


def migrations_folder() -> Path:
    """Where the migrations stand: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parent / "migrations"


def current(database: Database) -> str | None:
    """The revision of the database, or None where it has none of syncd's tables."""
    with database.read() as connection:
        return _revision(connection)


def upgrade(database: Database) -> str:
    """Bring the database to the revision of the program, in one transaction.

    Returns:
        The revision it stands at.

    Raises:
        SchemaMismatch: The database was made by a newer version of syncd.
    """
    with database.define() as connection:
        _refuse_newer(connection)
        _run_upgrade(connection)
    return HEAD


def verify(database: Database, *, set_up: bool = True) -> None:
    """Make sure that the database is at the revision of the program.

    Args:
        database: Which.
        set_up: Set up a database that has none of syncd's tables.

    Raises:
        SchemaMismatch: It is behind or ahead; the remedy is the command that helps.
    """
    revision = current(database)
    if revision is None and set_up:
        revision = _set_up(database)
    if revision == HEAD:
        return
    with database.read() as connection:
        _refuse_newer(connection)
    raise SchemaMismatch(
        f"The database {database.name} stands at revision {revision or 'none'}; this syncd needs {HEAD}.",
        "Run: syncd db upgrade",
    )


def _set_up(database: Database) -> str | None:
    """Make all tables, unless another process has done so meanwhile; the revision that the database has then."""
    with database.define() as connection:
        if _revision(connection) is None:
            metadata.create_all(connection)
            _version.create(connection, checkfirst=True)
            connection.execute(_version.insert().values(version_num=HEAD))
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    if not existing_columns(connection, [_VERSION_TABLE]):
        return None
    version = connection.execute(select(_version)).scalar()
    return None if version is None else str(version)


def _refuse_newer(connection: Connection) -> None:
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    revision = _revision(connection)
    known = {script.revision for script in ScriptDirectory(str(migrations_folder())).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaMismatch(
            f"The database stands at revision {revision}, which this version of syncd does not know: a newer one made it.",
            "Install that version again, or restore the backup made before it.",
        )


def _run_upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
