"""The example plugin, installed as a package of its own, and a broken one beside it."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.daemon import Begin
from support.program import QUOTA, Site

from syncd.sandbox.server import Sandbox

CRASHES = {"name": "crash", "type": "crashing"}
CRASHING = """
from pydantic import BaseModel

class Crashing:
    class Options(BaseModel):
        pass

    def run(self, context):
        return 1 / 0
"""
EXAMPLE = Path(__file__).parents[2] / "examples" / "syncd-snapshots"


@pytest.fixture
def site(tmp_path: Path, make_sandbox: Callable[..., Sandbox]) -> Site:
    return Site(tmp_path / "config", make_sandbox(quota=QUOTA))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with the example installed into it, as pip installs packages."""
    folder, source = tmp_path / "packages", tmp_path / "source"
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--target", str(folder), str(source)], check=True, timeout=120)
    return folder


def test_the_example_is_installed_and_run_like_a_built_in_job(site: Site, packages: Path) -> None:
    projects = site.box.active_projects
    site.job("snapshots", type="snapshots", projects=projects)
    (site.folder / "jobs" / "snapshots.yaml").write_text(
        json.dumps({"name": "snapshots", "type": "snapshots", "company": site.box.company_id, "projects": projects})
    )
    done = site.syncd("sync", "snapshots", "--json", environ={"PYTHONPATH": str(packages)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"][0]["rows"]["inserted"] == len(projects)
    with closing(sqlite3.connect(site.folder / "syncd.db")) as connection:
        found = dict(connection.execute("SELECT project, records FROM list_snapshots").fetchall())
    assert found == {project: len(site.box.records("rfis", project)) for project in projects}
    again = site.syncd("sync", "snapshots", "--json", environ={"PYTHONPATH": str(packages)})
    assert json.loads(again.stdout)["runs"][0]["rows"]["unchanged"] == len(projects)


def test_the_daemon_runs_it_on_schedule_and_one_that_crashes_harms_no_other_job(
    site: Site, packages: Path, begin: Begin
) -> None:
    (packages / "crashing.py").write_text(CRASHING)
    metadata = packages / "crashing-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[syncd.jobs]\ncrashing = crashing:Crashing\n")
    common = {"company": site.box.company_id, "schedule": {"every": "1h"}}
    for job in ({"name": "snapshots", "type": "snapshots", "projects": site.box.active_projects}, CRASHES):
        (site.folder / "jobs" / f"{job['name']}.yaml").write_text(json.dumps(common | job))
    daemon = begin(site, PYTHONPATH=str(packages))
    ended = {daemon.logged("run ", "next=") for _ in range(2)}
    (good,) = [line for line in ended if "job=snapshots" in line]
    (bad,) = ended - {good}
    assert "status=ok" in good
    assert "Job crash crashed (ZeroDivisionError: division by zero)." in bad
    daemon.told("STATUS=Idle.")
    assert daemon.end()[0] == 0


def test_a_wrong_key_of_a_plugins_job_is_found_like_any_other(site: Site, packages: Path) -> None:
    site.job("snapshots", type="snapshots", projects=[1], lisst="rfis")
    done = site.syncd("sync", "snapshots", environ={"PYTHONPATH": str(packages)})
    assert done.returncode == 2
    assert "lisst" in done.stderr
    assert "list" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_is_named_and_harms_no_other_job(site: Site, packages: Path) -> None:
    (packages / "syncd_snapshots.py").write_text("raise RuntimeError('half installed')\n")
    site.job("rfis")
    assert site.syncd("sync", "rfis", environ={"PYTHONPATH": str(packages)}).returncode == 0
    site.job("snapshots", type="snapshots")
    done = site.syncd("check", environ={"PYTHONPATH": str(packages)})
    assert done.returncode == 2
    assert "snapshots" in done.stderr
    assert "half installed" in done.stderr
