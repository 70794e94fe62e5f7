"""The daemon as a process while its database is away, or has no room left."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from support.daemon import PATIENCE, Begin, Daemon, free_port
from support.postgres import Postgres, fresh_database
from support.program import Site

from syncd.sandbox.server import Sandbox
from syncd.storage.database import Database

BRISK = {"WATCHDOG_USEC": "1500000"}
"""A manager that asks for a sign of life so often that the daemon looks at its database twice a second."""


def served(site: Site) -> str:
    """Let the site's daemon serve its status page; where."""
    port = free_port()
    site.settings["http"] = {"listen": port}
    site.write()
    return f"http://127.0.0.1:{port}/readyz"


def await_readiness(url: str, *, ready: bool) -> str:
    """Wait until the daemon says that it can, or cannot, work; what it says."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as response:
                status, words = response.status, str(response.read(), "utf-8")
        except urllib.error.HTTPError as error:
            with error:
                status, words = error.code, str(error.read(), "utf-8")
        if (status == 200) == ready:
            return words
        assert time.monotonic() < ends, f"still {status}: {words}"
        time.sleep(0.05)


def runs(url: str) -> list[tuple[Any, ...]]:
    """Of the ledger, the oldest first."""
    database = Database(url, "procore")
    query = "select status, trigger, due_at, error from syncd_runs order by started_at, id"
    with database.read() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    database.close()
    return found


def await_run(url: str) -> None:
    """Wait until a run is under way."""
    ends = time.monotonic() + PATIENCE
    while "running" not in {row[0] for row in runs(url)}:
        assert time.monotonic() < ends, "no run began"
        time.sleep(0.05)


def complaints(daemon: Daemon) -> list[str]:
    """What the daemon has logged so far that is worth an operator's attention."""
    daemon.collect()
    return [line for line in daemon.log if "level=warning" in line or "level=error" in line]


@pytest.mark.postgres
def test_postgresql_stopped_and_started_under_it_is_waited_for_and_the_work_goes_on(
    begin: Begin, sandbox: Sandbox, tmp_path: Path, postgres: Postgres
) -> None:
    postgres_url = fresh_database(postgres.url)
    site = Site(tmp_path / "config", sandbox, postgres_url)
    site.job("field", resources=["projects", "rfis", "submittals"], schedule={"every": "1h"})
    readiness = served(site)
    sandbox.fault("delay", seconds=0.5)
    daemon = begin(site, **BRISK)
    daemon.told("READY=1")
    await_run(postgres_url)
    with stopped(postgres):
        assert "does not answer" in await_readiness(readiness, ready=False)
        assert "does not answer" in daemon.told("STATUS=Waiting for the database.")
        sandbox.faults.clear()
    daemon.logged("the database answers again")
    daemon.logged("run ended", "status=ok")
    assert await_readiness(readiness, ready=True) == "ready\n"

    with stopped(postgres):
        await_readiness(readiness, ready=False)
    await_readiness(readiness, ready=True)
    daemon.told("STATUS=Idle.")
    assert daemon.end()[0] == 0
    (broken, good) = runs(postgres_url)
    assert (broken[0], good[0]) == ("failed", "ok")
    assert broken[2] == good[2], "both serve the same instant"
    away = [line for line in complaints(daemon) if "the database is away: waiting for it" in line]
    assert len(away) == 2, "once per outage"
    assert all("Check that the server runs." in line for line in away)


@contextmanager
def stopped(server: Postgres) -> Iterator[None]:
    """While it is stopped."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own with little room."""
    mount = shutil.which("mount")
    with tempfile.TemporaryDirectory(prefix="syncd-disk-", ignore_cleanup_errors=True) as folder:
        words = [str(mount), "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
        if mount is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("this user may not mount a file system")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(disk: Path, database: Path) -> Iterator[None]:
    """While there is no room left for as much as one more page."""
    ballast = disk / "ballast"
    # Where nobody reads, SQLite would use the room of its log once more.
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM syncd_runs").fetchone()
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield
        ballast.unlink()


def test_a_full_disk_is_told_of_and_the_work_goes_on_when_there_is_room_again(
    small_disk: Path, begin: Begin, sandbox: Sandbox, tmp_path: Path
) -> None:
    url = f"sqlite:///{small_disk / 'syncd.db'}"
    site = Site(tmp_path / "config", sandbox, url)
    site.job("field", resources=["projects"], schedule={"every": "1s"})
    readiness = served(site)
    daemon = begin(site, **BRISK)
    daemon.logged("run ended", "status=ok")
    with full(small_disk, small_disk / "syncd.db"):
        line = daemon.logged("There is no room left for the database")
        assert "level=warning" in line
        assert "Free some; syncd goes on by itself." in line
        assert "no room left" in await_readiness(readiness, ready=False)
        assert "no room left" in daemon.told("STATUS=A run could not be recorded.")
    daemon.logged("run ended", "status=ok")
    assert await_readiness(readiness, ready=True) == "ready\n"
    assert daemon.end()[0] == 0
    assert "running" not in {run[0] for run in runs(url)}
