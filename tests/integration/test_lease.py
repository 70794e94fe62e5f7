"""Who may take a lease from whom."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, update
from support.postgres import Postgres, fresh_database
from support.program import Site

from syncd.errors import JobBusy, LeaseLost, StoreUnavailable
from syncd.sandbox.server import Sandbox
from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.lease import Process, SqlLease
from syncd.storage.migrate import verify


def now() -> datetime:
    return datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    one = Database(database_url)
    verify(one)
    yield one
    one.close()


@pytest.fixture
def ended() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def hold(database: Database, process: Mapping[str, object], name: str = "job:field") -> SqlLease:
    """A lease of 60 seconds, whose owner is then said to be another process."""
    lease = SqlLease(database, now, name, 60, set())
    if process:
        with database.write() as connection:
            connection.execute(update(own.locks).where(own.locks.c.name == name).values(**process))
    return lease


def test_the_lease_of_a_process_that_died_here_is_taken_over_at_once(database: Database, ended: int) -> None:
    dead = hold(database, {"pid": ended})
    assert SqlLease(database, now, "job:field", 60, set()).fence == dead.fence + 1
    with pytest.raises(LeaseLost, match="taken over field"):
        dead.renew()


def test_the_lease_of_a_number_that_another_process_has_by_now_is_taken_over(database: Database) -> None:
    dead = hold(database, {"started": "1"})
    assert SqlLease(database, now, "job:field", 60, set()).fence == dead.fence + 1


@pytest.mark.parametrize(
    "process",
    [
        {},
        {"host": "elsewhere"},
        {"world": "another boot, or another container"},
        {"world": ""},
        {"started": ""},
    ],
    ids=["alive", "another host", "another boot", "unknown boot", "unknown start"],
)
def test_a_lease_is_respected_where_its_owner_may_be_alive(
    database: Database, ended: int, process: dict[str, object]
) -> None:
    hold(database, {"pid": ended} | process if process else {})
    with pytest.raises(JobBusy, match="Job field is already run by process"):
        SqlLease(database, now, "job:field", 60, set())


def test_the_lease_of_a_token_exchange_runs_out_even_if_its_process_died(database: Database, ended: int) -> None:
    hold(database, {"pid": ended}, "user:alice")
    with pytest.raises(JobBusy):
        SqlLease(database, now, "user:alice", 60, set())


def test_a_process_that_ended_and_waits_for_its_parent_has_ended() -> None:
    own_process = Process.own()
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert Process(own_process.host, child.pid, own_process.world, "1").has_ended()
    assert not own_process.has_ended()


class Away(Database):
    """A database that is away while somebody writes to it, as often as it is told."""

    away = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if self.away:
            raise StoreUnavailable("The database does not answer.", "Check that the server runs.")
        with super().write() as connection:
            yield connection


def test_a_lease_that_was_given_up_while_the_database_was_away_is_had_again_at_once_and_by_nobody_else(
    database: Database,
) -> None:
    flaky, mine, another = Away(database.url), set[str](), set[str]()
    lease = SqlLease(flaky, now, "job:field", 60, mine)
    flaky.away = True
    with pytest.raises(StoreUnavailable):
        lease.release()
    flaky.away = False
    with pytest.raises(JobBusy, match="already run"):
        SqlLease(flaky, now, "job:field", 60, another)
    assert SqlLease(flaky, now, "job:field", 60, mine).fence == lease.fence + 1
    with pytest.raises(JobBusy, match="already run"):
        SqlLease(flaky, now, "job:field", 60, mine)
    flaky.close()


@pytest.mark.postgres
def test_a_lease_given_up_while_the_database_was_away_is_had_again_after_a_reload(
    sandbox: Sandbox, tmp_path: Path, postgres: Postgres
) -> None:
    site = Site(tmp_path / "config", sandbox, fresh_database(postgres.url))
    site.job("field")
    given_up: set[str] = set()
    with site.app(given_up) as before:
        lease = before.store.lease("job:field", 60)
        postgres.stop()
        try:
            with pytest.raises(StoreUnavailable):
                lease.release()
        finally:
            postgres.start()
    with site.app() as another, pytest.raises(JobBusy):
        another.store.lease("job:field", 60)
    with site.app(given_up) as after:
        assert after.store.lease("job:field", 60).fence == lease.fence + 1
