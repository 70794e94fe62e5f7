"""The daemon as a process, under what a service manager, an operator and bad luck do to it."""

from __future__ import annotations

import json
import queue
import signal
import socket
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.daemon import PATIENCE, Begin
from support.program import Site

from syncd.sandbox.server import Sandbox

SOON = 10.0


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Site:
    made = Site(tmp_path / "config", sandbox)
    made.job("field", resources=["projects", "rfis"], schedule={"every": "1h"})
    return made


def runs(site: Site) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(site.folder / "syncd.db")) as database:
        return database.execute(
            "select job, status, trigger, due_at, error from syncd_runs order by started_at, due_at"
        ).fetchall()


def await_run(site: Site) -> None:
    """Wait until a run is under way."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if (site.folder / "syncd.db").exists() and "running" in {row[1] for row in runs(site)}:
            return
        time.sleep(0.02)
    raise AssertionError("no run began")


def test_it_is_ready_runs_what_is_due_and_ends_when_asked(site: Site, begin: Begin) -> None:
    daemon = begin(site, anew=True)
    daemon.told("READY=1")
    daemon.logged("run ended", "job=field", "status=ok", "next=")
    daemon.told("STATUS=Idle.")
    code, seconds = daemon.end()
    assert code == 0
    assert seconds < SOON
    daemon.logged("event=stopped")
    assert daemon.process.stdout is not None
    assert daemon.process.stdout.read() == ""
    assert [row[:3] for row in runs(site)] == [("field", "ok", "schedule")]


def test_every_line_of_a_run_says_of_which_job_run_and_resource(site: Site, begin: Begin, sandbox: Sandbox) -> None:
    sandbox.fault("status", path="/rfis", count=1)
    daemon = begin(site)
    ended = daemon.logged("run ended", "status=ok")
    (run,) = [word for word in ended.split() if word.startswith("run_id=")]
    daemon.end()
    (retried,) = [line for line in daemon.log if "trying again" in line]
    assert " resource=rfis project=" in retried
    (*widened,) = [line for line in daemon.log if "new fields became columns" in line]
    assert widened
    for line in (retried, *widened):
        assert " job=field " in line
        assert f" {run} resource=" in line


def test_a_restart_does_not_run_again_what_is_not_due(site: Site, begin: Begin) -> None:
    first = begin(site)
    first.logged("run ended")
    first.end()
    second = begin(site)
    second.told("STATUS=Idle.")
    second.end()
    assert len(runs(site)) == 1


def test_a_broken_configuration_ends_the_start_with_2(site: Site, begin: Begin) -> None:
    site.job("field", schedule={"evry": "1h"})
    daemon = begin(site)
    assert daemon.process.wait(PATIENCE) == 2
    assert "every" in daemon.logged("evry")


def test_sighup_takes_a_good_configuration_and_refuses_a_broken_one(site: Site, begin: Begin) -> None:
    daemon = begin(site)
    daemon.logged("run ended", "job=field")
    site.job("broken", schedule={"cron": "never"})
    daemon.send(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in daemon.told("RELOADING=1")
    assert "refused" in daemon.told("READY=1")
    line = daemon.logged("level=error", "refused, the old one stays")
    assert "broken.yaml" in line
    (site.folder / "jobs" / "broken.yaml").unlink()
    site.job("vendors", resources=["vendors"], schedule={"every": "1h"})
    daemon.send(signal.SIGHUP)
    daemon.logged("configuration read again", "jobs=2")
    daemon.logged("run ended", "job=vendors", "status=ok")
    assert daemon.end()[0] == 0


def test_sigterm_in_the_middle_of_a_run_commits_ends_soon_and_the_next_start_goes_on(
    site: Site, begin: Begin, sandbox: Sandbox
) -> None:
    sandbox.quota.configure([(6, 10.0), (3600, 3600.0)])
    site.job("field", resources=["projects", "rfis", "submittals", "vendors", "drawings"], schedule={"every": "1h"})
    daemon = begin(site)
    daemon.told("READY=1")
    await_run(site)
    code, seconds = daemon.end()
    assert (code, seconds < SOON) == (0, True)
    daemon.logged("run stopped")
    sandbox.quota.configure([])
    again = begin(site)
    again.logged("run ended", "status=ok")
    assert again.end()[0] == 0
    rows = runs(site)
    assert [row[2] for row in rows] == ["schedule", "catch-up"]
    assert rows[0][3] == rows[1][3], "both serve the same instant"


def test_killed_in_the_middle_of_a_run_it_goes_on_after_the_restart(site: Site, begin: Begin, sandbox: Sandbox) -> None:
    sandbox.quota.configure([(6, 10.0), (3600, 3600.0)])
    site.job("field", resources=["projects", "rfis", "submittals", "vendors", "drawings"], schedule={"every": "1h"})
    daemon = begin(site)
    daemon.told("READY=1")
    await_run(site)
    daemon.end(signal.SIGKILL)
    sandbox.quota.configure([])
    again = begin(site)
    again.logged("run ended", "status=ok")
    again.end()
    assert [row[1:3] for row in runs(site)] == [("failed", "schedule"), ("ok", "catch-up")]


def test_a_job_without_consent_is_told_of_once_left_alone_for_a_while_and_harms_no_other(
    site: Site, begin: Begin, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    script = f"import sys; open({str(told)!r}, 'a').write(sys.stdin.read())"
    site.settings["alerts"] = [{"command": [sys.executable, "-c", script]}]
    site.write()
    site.job("bad", as_user="alice", resources=["vendors"], schedule={"every": "1s"})
    daemon = begin(site)
    daemon.logged("alert sent", "consent:bad")
    daemon.told("STATUS=Idle.")
    daemon.end()
    event = json.loads(told.read_text())
    assert (event["event"], event["subject"]) == ("consent", "bad")
    assert "syncd auth login alice" in event["remedy"]
    assert any("level=error" in line and "job=bad" in line for line in daemon.log)
    assert [row[1] for row in runs(site) if row[0] == "bad"] == ["failed"]
    assert [row[1] for row in runs(site) if row[0] == "field"] == ["ok"]


def test_a_taken_port_ends_the_start_with_a_sentence(site: Site, begin: Begin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        site.settings["http"] = {"listen": taken.getsockname()[1]}
        site.write()
        daemon = begin(site)
        assert daemon.process.wait(PATIENCE) == 1
        daemon.logged("error:", "cannot listen")


def test_the_watchdog_is_held_off_while_it_idles_and_not_while_it_is_frozen(site: Site, begin: Begin) -> None:
    daemon = begin(site, WATCHDOG_USEC="300000")
    daemon.logged("run ended")
    for _ in range(3):
        daemon.told("WATCHDOG=1")
    daemon.send(signal.SIGSTOP)
    with pytest.raises(queue.Empty):
        all(iter(lambda: daemon.messages.get(timeout=1.0), ""))
    daemon.send(signal.SIGCONT)
    daemon.told("WATCHDOG=1")
    assert daemon.end()[0] == 0


def test_a_second_sigterm_ends_it_at_once(site: Site, begin: Begin, sandbox: Sandbox) -> None:
    sandbox.fault("delay", seconds=60.0)
    daemon = begin(site)
    daemon.told("READY=1")
    await_run(site)
    daemon.send(signal.SIGTERM)
    daemon.logged("asked to stop")
    assert daemon.end()[0] == 1


def test_sigterm_while_procore_is_slow_to_answer_does_not_wait_for_it(
    site: Site, begin: Begin, sandbox: Sandbox
) -> None:
    sandbox.fault("delay", seconds=60.0)
    daemon = begin(site)
    daemon.told("READY=1")
    await_run(site)
    code, seconds = daemon.end()
    assert (code, seconds < SOON) == (0, True)
