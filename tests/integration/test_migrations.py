"""syncd's own tables come from migrations; these say the same as `syncd.storage.tables`."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import column, inspect, table, update

from syncd.errors import SchemaMismatch
from syncd.storage.database import Database
from syncd.storage.migrate import HEAD, current, upgrade, verify
from syncd.storage.tables import metadata

ROOT = Path(__file__).resolve().parents[2]


def test_the_migrations_make_the_tables_that_the_program_uses(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "syncd_alembic_version", "compare_type": True}
        )
        differences = compare_metadata(context, metadata)
    database.close()
    assert differences == []


def test_an_empty_database_is_set_up_as_the_migrations_would_leave_it(database_url: str, tmp_path: Path) -> None:
    def found(database: Database) -> dict[str, tuple[str, ...]]:
        with database.read() as connection:
            seen = inspect(connection)
            return {
                name: (
                    *sorted(str(one | {"type": str(one["type"])}) for one in seen.get_columns(name)),
                    str(seen.get_pk_constraint(name)),
                    *sorted(map(str, seen.get_indexes(name))),
                    *sorted(map(str, seen.get_unique_constraints(name))),
                    *sorted(map(str, seen.get_foreign_keys(name))),
                    *sorted(map(str, seen.get_check_constraints(name))),
                )
                for name in seen.get_table_names()
            }

    fresh, migrated = Database(database_url), Database(other_url(database_url, tmp_path), "migrated")
    verify(fresh)
    upgrade(migrated)
    assert current(fresh) == HEAD
    assert "syncd_alembic_version" in found(fresh)
    assert found(fresh) == found(migrated)
    for database in (fresh, migrated):
        database.close()


def other_url(url: str, folder: Path) -> str:
    """Beside a database: another file, or another schema of the same server's database."""
    return f"sqlite:///{folder / 'other.db'}" if url.startswith("sqlite") else url


def test_an_empty_database_is_brought_to_the_revision_of_the_program(database_url: str) -> None:
    database = Database(database_url)
    assert current(database) is None
    assert upgrade(database) == HEAD
    assert current(database) == HEAD
    with database.read() as connection:
        assert set(metadata.tables) <= set(inspect(connection).get_table_names())
    database.close()


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    assert upgrade(database) == HEAD
    verify(database, set_up=False)
    database.close()


def test_an_empty_database_is_refused_where_it_is_not_to_be_set_up(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(SchemaMismatch, match="stands at revision none"):
        verify(database, set_up=False)
    assert current(database) is None
    database.close()


def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database)
    with database.write() as connection:
        connection.execute(update(table("syncd_alembic_version", column("version_num"))).values(version_num="9999"))
    for attempt in (upgrade, verify):
        with pytest.raises(SchemaMismatch, match="a newer one made it") as refusal:
            attempt(database)
        assert refusal.value.remedy
    assert current(database) == "9999"
    database.close()


def test_a_wheel_brings_migrations_units_and_the_example_configuration(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"syncd/migrations/{path.relative_to(ROOT / 'migrations')}" for path in (ROOT / "migrations").rglob("*.py")
    }
    shipped |= {f"syncd/systemd/{path.name}" for path in (ROOT / "systemd").iterdir()}
    shipped |= {"syncd/config/examples/syncd.yaml", "syncd/config/examples/jobs/field.yaml"}
    assert shipped
    assert shipped - names == set()
