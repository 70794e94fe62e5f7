"""A simulated month of the daemon: a clock that jumps, a sandbox with bad luck, restarts, sleep, summer time."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from support.equality import differences

from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.daemon.agenda import Agenda
from syncd.daemon.due import Cron
from syncd.errors import Stopped
from syncd.jobs.registry import Registry
from syncd.sandbox.server import Sandbox

START = datetime(2026, 2, 20, 12, tzinfo=UTC)
END = START + timedelta(days=30)
ASLEEP = (datetime(2026, 3, 3, 6, tzinfo=UTC), datetime(2026, 3, 5, 7, tzinfo=UTC))
RESOURCES = ("projects", "rfis", "vendors", "submittals")
NIGHTLY = ("5 2 * * *", "America/Los_Angeles")


class Time:
    """The clock of daemon and sandbox; it moves when somebody sleeps, whoever it is."""

    def __init__(self) -> None:
        self.time = START
        self._lock = threading.Lock()
        self.stopped = False

    def now(self) -> datetime:
        return self.time

    def unix(self) -> float:
        return self.time.timestamp()

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        if self.stopped:
            raise Stopped("The run was asked to stop.")
        with self._lock:
            self.time += timedelta(seconds=max(seconds, 0.001))

    def stopping(self) -> bool:
        return self.stopped


class Month:
    """The daemon without its process."""

    def __init__(self, folder: Path) -> None:
        self.clock = Time()
        self.box = Sandbox(
            seed=7,
            projects=3,
            scale=0.05,
            clock=self.clock.unix,
            token_lifetime=5400,
            quota=((3600, 3600.0), (100, 10.0)),
        )
        procore = {
            "environment": "custom",
            "login_url": "http://127.0.0.1:8900",
            "api_url": "http://127.0.0.1:8900",
            "client_id": "demo",
            "client_secret": "demo",
        }
        self.folder = folder
        (folder / "jobs").mkdir()
        self._write("syncd.yaml", procore=procore, database={"url": "sqlite:///syncd.db"})
        common = {"company": self.box.company_id, "projects": "all"}
        self._job("often", **common, resources=["projects", "vendors"], schedule={"every": "6h"})
        line, zone = NIGHTLY
        self._job("nightly", **common, resources=["rfis", "submittals"], schedule={"cron": line, "timezone": zone})
        self.agenda = self._agenda()

    def _write(self, file: str, **document: Any) -> None:
        (self.folder / file).write_text(json.dumps(document))

    def _job(self, name: str, **keys: Any) -> None:
        self._write(f"jobs/{name}.yaml", name=name, **keys)

    def _agenda(self) -> Agenda:
        registry = Registry.installed()
        configuration, catalog = read_configuration(self.folder / "syncd.yaml", {}, registry)
        kit = Kit(self.clock, Redactor(), registry)
        self.app = App(configuration, catalog, kit, httpx.WSGITransport(app=self.box.wsgi))
        self.app.prepare()
        return Agenda(
            self.app, self.clock, wake=lambda: None, spawn=lambda _, work: work(), monotonic=self.clock.monotonic
        )

    def restart(self) -> None:
        """As a service manager does."""
        self.agenda.close()
        self.agenda = self._agenda()

    def live(self, until: datetime, events: list[tuple[datetime, Callable[[], object]]]) -> None:
        """Let the daemon work, and events happen when they come."""
        coming = sorted(events, key=lambda event: event[0])
        while self.clock.time < until:
            wake = self._next()
            if coming and coming[0][0] <= wake:
                self.clock.time = max(self.clock.time, coming[0][0])
                coming.pop(0)[1]()
            else:
                self.clock.time = max(self.clock.time, wake)

    def _next(self) -> datetime:
        """What is due begins; the moment at which something is due next. The looks between are the same, idle."""
        self.agenda.tick()
        now = self.clock.time
        starts = [start for start, _ in self.agenda.upcoming(now).values()]
        return max(min(starts), now + timedelta(seconds=1))

    def sleep_until(self, moment: datetime) -> None:
        """The machine sleeps; the world does not."""
        self.clock.time = moment
        self.box.stir(40)

    def rows(self, sql: str) -> list[Any]:
        with self.app.database.read() as connection:
            return list(connection.execute(text(sql)).all())


def test_a_month_passes_with_every_due_run_happening_once_or_recorded_as_skipped(tmp_path: Path) -> None:
    month = Month(tmp_path)
    box = month.box

    def day(number: float) -> datetime:
        return START + timedelta(days=number)

    events: list[tuple[datetime, Callable[[], object]]] = [
        *((day(number + 0.3), lambda: box.stir(5)) for number in range(29)),
        *((day(number + 0.71), month.restart) for number in (1, 9, 15, 16, 25)),
        (ASLEEP[0], lambda: month.sleep_until(ASLEEP[1])),
        (day(3), lambda: box.fault("status", status=503, probability=0.05, count=60)),
        (day(6), lambda: box.fail_tokens(1800.0)),
        (day(18), lambda: box.quota.configure([(600, 3600.0), (20, 10.0)])),
        (day(20), lambda: box.quota.configure([(3600, 3600.0), (100, 10.0)])),
        (day(21), lambda: box.fault("truncate", probability=0.05, count=30)),
    ]
    month.live(END, events)
    box.faults.clear()
    month.live(END + timedelta(days=2), [])

    runs = month.rows(
        "select job, status, trigger, due_at, started_at, error from syncd_runs order by started_at, due_at"
    )
    _check_nightly([run for run in runs if run.job == "nightly"])
    often = [run for run in runs if run.job == "often"]
    assert 100 < len(often) < 150
    assert not [run for run in runs if run.status == "running"]
    assert max(_repetitions([run for run in often if run.status in {"ok", "partial"}]).values()) == 1
    statuses = {
        row.status: row.count for row in month.rows("select status, sum(count) as count from syncd_requests group by 1")
    }
    assert not {401, 429} & statuses.keys(), statuses
    assert statuses[200] > 300
    asleep = [run for run in often if run.status == "skipped" and "missed" in run.error]
    assert any(run.error.startswith(("7 runs", "8 runs")) for run in asleep), [run.error for run in asleep]
    for job in ("often", "nightly"):
        month.app.run_job(job, _plain(), trigger="manual")
    projects = [project.id for project in box.projects]
    assert differences(month.app.database, month.app.catalog, box, RESOURCES, projects) == []
    month.agenda.close()


def _plain() -> Any:
    from syncd.jobs.protocol import Request  # noqa: PLC0415 - beside its use

    return Request(full=True)


def _repetitions(runs: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in runs:
        found[run.due_at] = found.get(run.due_at, 0) + 1
    return found


def _check_nightly(runs: list[Any]) -> None:
    """Every night of the month: done exactly once, or skipped with a reason."""
    cron = Cron(*NIGHTLY)
    moment, done = cron.after(START), _repetitions([run for run in runs if run.status in {"ok", "partial"}])
    skipped = {run.due_at: run.error for run in runs if run.status == "skipped"}
    while moment is not None and moment < END:
        key = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
        assert done.get(key, 0) + (key in skipped) == 1, (key, done.get(key), skipped.get(key))
        assert skipped.get(key, "a reason")
        moment = cron.after(moment)
    assert set(done.values()) == {1}
