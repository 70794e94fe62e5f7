"""The allowance is used and never exceeded, by one process of eight workers or by two together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import Site

from syncd.sandbox.server import Sandbox

SCALED = ((600, 60.0), (25, 2.0))
"""Procore's own example, 600 per hour and 25 per 10 seconds, with shorter windows."""
SHARE = 0.8
"""The default: what is left is for other users of the app, and for requests that are late on a busy machine."""
_WORTH = 0.9


@pytest.mark.parametrize(
    ("database", "processes"),
    [("sqlite", 1), ("sqlite", 2), pytest.param("postgresql", 2, marks=pytest.mark.postgres)],
)
def test_processes_that_share_a_database_use_the_allowance_and_never_meet_429(
    tmp_path: Path,
    database: str,
    processes: int,
    make_sandbox: Callable[..., Sandbox],
    request: pytest.FixtureRequest,
) -> None:
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else f"sqlite:///{tmp_path / 'test.db'}"
    box = make_sandbox(projects=48, quota=SCALED)
    site = Site(tmp_path, box, url)
    site.settings["procore"]["quota_share"] = SHARE
    site.write()
    site.job("job0", resources=["punch_items", "observations"], projects="active", workers=8)
    site.job("job1", resources=["rfis", "submittals"], projects="active", workers=8)
    named = [["job0"], ["job1"]] if processes > 1 else [["job0", "job1"]]
    running = [site.start("sync", *jobs, quiet=True) for jobs in named]
    assert [one.wait(60) for one in running] == [0] * processes
    assert 429 not in box.stats.by_status
    # The first window is spent on starting, the last two on what is left.
    waited = box.quota.windows[1].ended[1:-1]
    assert len(waited) >= 3
    assert sum(waited) >= _WORTH * SHARE * SCALED[1][0] * len(waited), waited
