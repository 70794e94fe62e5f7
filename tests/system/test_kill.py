"""kill -9 of `syncd sync` at random instants of a first load."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select
from support.equality import differences
from support.program import QUOTA, Site

from syncd.sandbox.faults import Fault
from syncd.sandbox.server import Sandbox
from syncd.storage import tables as own

RESOURCES = ["projects", "company_users", "vendors", "rfis", "submittals", "rfi_replies", "daily_logs.*"]
LATENCY = 0.03
"""Seconds until an answer comes; with one worker, one request is under way at a time, as at the pace of a real quota."""
MORE = 0.05
"""Requests that kills may add, as a share of an undisturbed load's."""

_log = logging.getLogger(__name__)

MakeSandbox = Callable[..., Sandbox]


@dataclass(frozen=True)
class Trial:
    """How large a load is killed how often."""

    projects: int
    kills: int


LONG = Trial(projects=80, kills=50)
SHORT = {"sqlite": Trial(projects=8, kills=4), "postgresql": Trial(projects=4, kills=2)}


def trial_of(database: str) -> Trial:
    """Many kills in the long profile, a few in the short one; always as many requests to a kill."""
    torture = os.environ.get("HYPOTHESIS_PROFILE") == "torture"
    return LONG if torture else SHORT[database.partition(":")[0].partition("+")[0]]


def make_site(folder: Path, box: Sandbox, database: str, workers: int) -> Site:
    site = Site(folder, box, database)
    site.job("field", resources=RESOURCES, workers=workers)
    return site


def first_load(site: Site) -> int:
    """Load without disturbance; how many requests that takes."""
    site.box.stats.reset()
    done = site.syncd("sync", "field", "--json")
    assert done.returncode == 0, done.stderr
    return site.box.stats.requests


def killed_load(site: Site, instants: Iterator[float]) -> int:
    """Load, killed and started again at instants given in requests; how many requests that takes."""
    site.box.stats.reset()
    for instant in instants:
        kill(site, instant)
    done = site.syncd("sync", "field", "--json")
    assert done.returncode == 0, done.stderr
    return site.box.stats.requests


def kill(site: Site, instant: float) -> None:
    """Kill a run at an instant of the load, but not before it has asked for something."""
    requests = max(int(instant), site.box.stats.requests + 1)
    with site.start("sync", "field", "--json", quiet=True) as process:
        while site.box.stats.requests < requests and process.poll() is None:
            time.sleep(0.001)
        time.sleep(instant % 1 * LATENCY)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def check_tables(site: Site) -> None:
    with site.app() as app:
        projects = [project.id for project in site.box.projects]
        resources = app.catalog.select(RESOURCES)
        assert differences(app, site.box, resources, projects) == []
        with app.database.read() as connection:
            left = connection.execute(select(own.sightings.c.record_key)).all()
        assert left == []


def check_runs(site: Site, kills: int) -> None:
    """The ledger tells of all of them: those that were killed, and that they were gone on with."""
    with site.app() as app, app.database.read() as connection:
        runs = connection.execute(select(own.runs).order_by(own.runs.c.started_at)).all()
    # One that was killed before it was opened in the ledger had done nothing yet.
    opened = len(runs) - 1
    assert kills / 2 < opened <= kills
    assert [run.status for run in runs] == ["failed"] * opened + ["ok"]
    assert runs[-1].resumes in {run.id for run in runs}


@pytest.mark.long
def test_a_first_load_killed_again_and_again_equals_its_source_and_takes_hardly_more_requests(
    tmp_path: Path, make_sandbox: MakeSandbox, database_url: str
) -> None:
    trial = trial_of(database_url)
    box = make_sandbox(quota=QUOTA, projects=trial.projects)
    undisturbed = first_load(make_site(tmp_path / "undisturbed", box, "sqlite:///syncd.db", workers=8))
    box.faults.add(Fault("delay", seconds=LATENCY))
    chance = random.Random(6)
    site = make_site(tmp_path / "killed", box, database_url, workers=1)
    instants = sorted(chance.uniform(1, undisturbed * 0.9) for _ in range(trial.kills))
    requests = killed_load(site, iter(instants))
    box.faults.clear()
    check_tables(site)
    check_runs(site, trial.kills)
    _log.info("%s requests undisturbed, %s with %s kills", undisturbed, requests, trial.kills)
    assert requests <= undisturbed * (1 + MORE)
