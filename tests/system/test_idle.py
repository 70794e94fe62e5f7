"""What the daemon holds while it has nothing to do."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Begin, free_port
from support.program import Site

from syncd.sandbox.server import Sandbox

JOBS = 20
IMPORTED = """
import sys, syncd.cli.main, syncd.cli.run, syncd.log, syncd.app
import syncd.daemon.service, syncd.daemon.alerts, syncd.daemon.upkeep, syncd.daemon.http
print(*sys.modules)
"""
LISTS = ("projects", "rfis", "submittals", "vendors")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_with_twenty_jobs_and_its_metrics_fetched_it_holds_less_than_90_megabytes(
    begin: Begin, sandbox: Sandbox, tmp_path: Path
) -> None:
    site = Site(tmp_path / "config", sandbox)
    port = free_port()
    site.settings["http"] = {"listen": port}
    site.write()
    for number in range(JOBS):
        resources = [LISTS[number % len(LISTS)]]
        site.job(f"job{number}", resources=resources, schedule={"every": "1h"})
    daemon = begin(site, anew=True)
    for _ in range(JOBS):
        daemon.logged("run ended", "status=ok")
    daemon.told("STATUS=Idle.")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
        assert b"syncd_up 1.0" in response.read()
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    assert resident < 90_000
    assert daemon.end()[0] == 0


def test_what_only_terminals_and_browsers_need_is_not_in_its_memory() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, timeout=60)
    modules = set(done.stdout.split())
    assert "syncd.daemon.service" in modules
    assert modules.isdisjoint({"rich", "pygments", "jinja2", "werkzeug", "flask", "alembic", "cryptography", "apprise"})
