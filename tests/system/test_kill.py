"""kill -9 of `syncd sync` at random instants of a first load."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select
from support.equality import differences
from support.program import QUOTA, Site

from syncd.sandbox.server import Sandbox
from syncd.storage import tables as own

RESOURCES = ["projects", "company_users", "vendors", "rfis", "submittals", "rfi_replies"]
PROJECTS = 60
KILLS = 12
AT_RISK = 24
"""Requests that a kill can waste: answers under way or waiting for their commit, and what each start asks anew."""

MakeSandbox = Callable[..., Sandbox]


def make_site(folder: Path, box: Sandbox, database: str) -> Site:
    site = Site(folder, box, database)
    site.job("field", resources=RESOURCES)
    return site


def first_load(site: Site) -> int:
    """Requests of an undisturbed one."""
    site.box.stats.reset()
    done = site.syncd("sync", "field", "--json")
    assert done.returncode == 0, done.stderr
    return site.box.stats.requests


def interrupted_load(site: Site, instants: list[int], chance: random.Random) -> tuple[int, int]:
    """A first load that is killed at instants given in requests, and started again at once; requests and kills."""
    site.box.stats.reset()
    kills = sum(kill(site, instant, chance) for instant in sorted(instants))
    done = site.syncd("sync", "field", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"][0]["status"] == "ok"
    return site.box.stats.requests, kills


def kill(site: Site, instant: int, chance: random.Random) -> bool:
    """Kill a run a moment after so many requests were answered in all; whether it was still running."""
    with site.start("sync", "field", "--json", quiet=True) as process:
        while site.box.stats.requests < instant and process.poll() is None:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def check_tables(site: Site) -> None:
    with site.app() as app:
        projects = [project.id for project in site.box.projects]
        assert differences(app.database, app.catalog, site.box, RESOURCES, projects) == []
        with app.database.read() as connection:
            runs = connection.execute(select(own.runs.c.status, own.runs.c.finished_at)).all()
            left = connection.execute(select(own.sightings.c.record_key)).all()
        assert {(status, finished is None) for status, finished in runs} <= {("failed", False), ("ok", False)}
        assert left == []


def first_load_requests(site: Site) -> int:
    """Requests for pages of complete listings: without those that ask what changed since."""
    return sum("updated_at" not in target for _, target, _ in site.box.stats.log)


def test_a_first_load_killed_again_and_again_equals_its_source_and_lists_nothing_twice_that_was_stored(
    tmp_path: Path, make_sandbox: MakeSandbox, database_url: str
) -> None:
    box = make_sandbox(quota=QUOTA, projects=PROJECTS)
    undisturbed = first_load(make_site(tmp_path / "undisturbed", box, "sqlite:///syncd.db"))
    chance = random.Random(6)
    site = make_site(tmp_path / "killed", box, database_url)
    wanted = KILLS if database_url.startswith("sqlite") else KILLS // 3
    _, kills = interrupted_load(site, [chance.randrange(undisturbed) for _ in range(wanted)], chance)
    check_tables(site)
    assert kills == wanted
    assert first_load_requests(site) <= undisturbed + kills * AT_RISK
