"""The allowance is used and never exceeded, by one process of eight workers or by two together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import select
from support.program import Site

from syncd.sandbox.server import Sandbox
from syncd.storage.tables import runs

HOUR, SPIKE = (600, 90.0), (15, 3.0)
"""Procore's own example, 600 per hour and 25 per 10 seconds, in little: shorter, and so few that a busy machine keeps up."""
SHARE = 0.8
"""The default: what is left is for other users of the app, and for requests that are late on a busy machine."""
PERMITTED = 12
"""Requests per short window at this share."""


def while_work_waited(ended: Sequence[int]) -> Sequence[int]:
    """Requests in each short window from the first that was used up on; the last but the open one may be a tail."""
    full = [number for number, requests in enumerate(ended) if requests >= PERMITTED]
    return ended[full[0] : -1] if full else ()


@pytest.mark.long
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
    box = make_sandbox(projects=28, quota=(HOUR, SPIKE))
    site = Site(tmp_path, box, url)
    site.settings["procore"]["quota_share"] = SHARE
    site.write()
    site.job("job0", resources=["punch_items", "observations"], projects="active", workers=8)
    site.job("job1", resources=["rfis", "submittals"], projects="active", workers=8)
    named = [["job0"], ["job1"]] if processes > 1 else [["job0", "job1"]]
    running = [site.start("sync", *jobs, quiet=True) for jobs in named]
    with ExitStack() as ending:
        for one in running:
            ending.enter_context(one)
        assert [one.wait(120) for one in running] == [0] * processes
    assert 429 not in box.stats.by_status
    with site.app() as app, app.database.read() as connection:
        assert all(waited > SPIKE[1] for waited in connection.scalars(select(runs.c.quota_wait_seconds)))
        assert {one.name: one.limit for one in app.views.overview().quota} == {"hour": HOUR[0], "spike": SPIKE[0]}
    spike = box.quota.windows[1]
    assert max([*spike.ended, spike.used]) <= PERMITTED
    judged = while_work_waited(spike.ended)
    assert len(judged) >= 3
    assert 10 * sum(judged) >= 9 * PERMITTED * len(judged), spike.ended
