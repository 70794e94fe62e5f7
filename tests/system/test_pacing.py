"""The allowance is never exceeded, by one process or by two together."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.program import Site

from syncd.sandbox.server import Sandbox

SCALED = ((600, 60.0), (25, 3.0))


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_that_share_a_database_never_meet_429(tmp_path: Path, database_url: str, processes: int) -> None:
    box = Sandbox(seed=7, projects=16, scale=0.05, quota=SCALED)
    box.start()
    try:
        site = Site(tmp_path, box, database_url)
        site.settings["procore"]["quota_share"] = 1.0
        site.write()
        for number in range(processes):
            site.job(f"job{number}", resources=["rfis", "submittals"] if number else ["punch_items", "observations"])
        running = [site.start("sync", f"job{number}", quiet=True) for number in range(processes)]
        assert [one.wait(60) for one in running] == [0] * processes
        assert box.stats.requests > SCALED[1][0]
        assert 429 not in box.stats.by_status
    finally:
        box.stop()
