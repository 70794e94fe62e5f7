"""Two processes on one job: one runs it. A frozen one is replaced, and writes nothing when it thaws."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.equality import differences
from support.program import QUOTA, Program, Site

from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.clock import SystemClock
from syncd.jobs.protocol import Request
from syncd.jobs.registry import Registry
from syncd.sandbox.faults import Fault
from syncd.sandbox.server import Sandbox

MakeSandbox = Callable[..., Sandbox]
RESOURCES = ["projects", "vendors", "rfis"]


class Later(SystemClock):
    """A clock that is two minutes ahead: any lease of now has run out."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=2)


@pytest.fixture
def site(tmp_path: Path, make_sandbox: MakeSandbox) -> Site:
    box = make_sandbox(quota=QUOTA)
    site = Site(tmp_path / "config", box, f"sqlite:///{tmp_path / 'syncd.db'}")
    site.job("field", resources=RESOURCES)
    return site


@contextmanager
def running(site: Site) -> Iterator[Program]:
    """A run that waits for the answer to a request, until the faults are cleared."""
    slow = site.box.faults.add(Fault("delay", "/rfis", seconds=60.0))
    with site.start("sync", "field", "--json") as process:
        try:
            while not slow.applied:
                assert process.poll() is None
                time.sleep(0.001)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_a_second_process_on_a_running_job_says_who_runs_it_and_ends(site: Site) -> None:
    with running(site) as first:
        second = site.syncd("sync", "field", "--json")
        assert second.returncode == 1
        assert f"Job field is already run by process {first.pid} on " in second.stdout + second.stderr
        assert "Traceback" not in second.stderr
        site.box.faults.clear()
        out, _ = first.communicate()
    assert first.returncode == 0
    assert json.loads(out)["runs"][0]["status"] == "ok"


def test_a_job_that_is_busy_keeps_no_other_from_its_run_and_its_report(site: Site) -> None:
    site.job("before", resources=["departments"])
    site.job("after", resources=["trades"])
    with running(site) as first:
        ended = site.syncd("sync", "before", "field", "after", "--json")
        site.box.faults.clear()
        first.communicate()
    assert ended.returncode == 1
    runs = json.loads(ended.stdout)["runs"]
    assert [(run["job"], run["status"]) for run in runs] == [("before", "ok"), ("after", "ok")]
    assert f"error: Job field is already run by process {first.pid} on " in ended.stderr


def freeze(process: Program, database: Path) -> None:
    """Stop a process outside of its transactions, where it holds up nobody by SQLite's own lock."""
    while True:
        process.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(database, timeout=0.1)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                time.sleep(0.01)
            else:
                connection.rollback()
                return


def content(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables but those that say what runs there were."""
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [
            name for name in names if name not in ("syncd_runs", "syncd_run_resources", "syncd_requests", "syncd_quota")
        ]
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in kept}


def test_a_frozen_owner_is_replaced_when_its_lease_is_over_and_writes_nothing_when_it_goes_on(
    site: Site, tmp_path: Path
) -> None:
    database, box = tmp_path / "syncd.db", site.box
    every = [project.id for project in box.projects]
    registry = Registry.installed()
    configuration, catalog = read_configuration(site.folder / "syncd.yaml", {}, registry)
    with running(site) as frozen:
        freeze(frozen, database)
        box.faults.clear()
        app = App(configuration, catalog, Kit(Later(), Redactor(), registry))
        with closing(app):
            app.prepare()
            assert app.run_job("field", Request(), trigger="manual").status == "ok"
            assert differences(app, box, RESOURCES, every) == []
        before = content(database)
        frozen.send_signal(signal.SIGCONT)
        out, errors = frozen.communicate()
    assert content(database) == before
    assert frozen.returncode == 1
    assert "Another process has taken over field: nothing more was written." in out + errors
