"""What Procore refuses is remembered, left alone for a while, and asked again when its time has come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from support.hurried import HurriedClock, hurried
from support.program import QUOTA, Site
from support.sandbox import SMALL

from syncd.app import App
from syncd.jobs.protocol import Request
from syncd.sandbox.server import Sandbox
from syncd.storage import tables as own

HOUR = 3600.0
WEEK = 7 * 24 * HOUR


class Refusing:
    """A job whose list of RFIs is refused in one project."""

    def __init__(self, folder: Path) -> None:
        self.clock = HurriedClock()
        self.box = Sandbox(**SMALL, quota=QUOTA, clock=self.clock.unix)  # type: ignore[arg-type]  # ints and floats
        self.box.start()
        self.project = self.box.active_projects[0]
        self.site = Site(folder, self.box)
        self.site.job("all", resources=["rfis"])

    def asked(self, app: App, request: Request | None = None) -> tuple[str, int, int]:
        """How a run ends, its exit code, and how often it asks for what is refused."""
        self.box.stats.reset()
        report = app.run_job("all", request or Request(), trigger="manual")
        path = f"/projects/{self.project}/rfis"
        return str(report.status), report.exit_code, sum(path in target for _, target, _ in self.box.stats.log)

    def waits(self, app: App) -> list[tuple[int, int, float]]:
        """Status, times and seconds to the next probe of each remembered refusal."""
        table = own.refusals
        with app.database.read() as connection:
            rows = connection.execute(select(table)).all()
        return [(row.status, row.times, (row.probe_at - row.last_at).total_seconds()) for row in rows]


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Refusing]:
    made = Refusing(tmp_path)
    yield made
    made.box.stop()


@pytest.mark.parametrize("status", [403, 404])
def test_a_refused_list_is_remembered_and_not_asked_for_again_until_its_time(refusing: Refusing, status: int) -> None:
    refusing.box.refuse("rfis", refusing.project, status=status)
    with hurried(refusing.site, refusing.clock) as app:
        assert refusing.asked(app) == ("partial", 3, 1)
        assert refusing.waits(app) == [(status, 1, HOUR)]
        assert refusing.asked(app) == ("partial", 3, 0)
        refusing.clock.sleep(HOUR + 1)
        assert refusing.asked(app) == ("partial", 3, 1)
        assert refusing.waits(app) == [(status, 2, 2 * HOUR)]


def test_the_wait_doubles_up_to_a_week(refusing: Refusing) -> None:
    refusing.box.refuse("rfis", refusing.project)
    seen = []
    with hurried(refusing.site, refusing.clock) as app:
        for _ in range(10):
            refusing.asked(app)
            seen += [wait for _, _, wait in refusing.waits(app)]
            refusing.clock.sleep(seen[-1] + 1)
    assert seen == [min(HOUR * 2**times, WEEK) for times in range(10)]


@pytest.mark.parametrize("request_", [Request(retry_refused=True), Request(full=True)], ids=["retry-refused", "full"])
def test_an_operator_can_have_it_asked_at_once_and_an_answer_forgets_it(refusing: Refusing, request_: Request) -> None:
    refusing.box.refuse("rfis", refusing.project)
    with hurried(refusing.site, refusing.clock) as app:
        refusing.asked(app)
        refusing.box.grant()
        assert refusing.asked(app) == ("partial", 3, 0)
        status, code, times = refusing.asked(app, request_)
        assert (status, code, times > 0, refusing.waits(app)) == ("ok", 0, True, [])


def test_check_and_status_show_what_is_refused(refusing: Refusing) -> None:
    refusing.box.refuse("rfis")
    done = refusing.site.syncd("sync", "all")
    assert done.returncode == 3
    check = refusing.site.syncd("check")
    assert (check.returncode, "rfis" in check.stdout, "403" in check.stdout) == (3, True, True)
    shown = json.loads(refusing.site.syncd("status", "--json").stdout)["refusals"]
    assert {(one["resource"], one["status"]) for one in shown} == {("rfis", 403)}
