"""What the program gives back between runs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.pool import QueuePool
from support.program import Site

from syncd.jobs.protocol import Request
from syncd.model import Status
from syncd.sandbox.server import Sandbox


def test_connections_are_given_back_and_the_next_run_goes_on_as_if_nothing_was(
    sandbox: Sandbox, tmp_path: Path, database_url: str
) -> None:
    site = Site(tmp_path / "config", sandbox, database_url)
    site.job("field", resources=["projects", "rfis"])
    with site.app() as app:
        first = app.run_job("field", Request(full=True), trigger="manual")
        pool = app.database.engine.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedin() > 0
        app.rest()
        pool = app.database.engine.pool
        assert isinstance(pool, QueuePool)
        assert pool.checkedin() == 0
        second = app.run_job("field", Request(full=True), trigger="manual")
    assert (first.status, second.status) == (Status.OK, Status.OK)
    assert second.rows.unchanged == first.rows.inserted > 0
