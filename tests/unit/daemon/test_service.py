"""The daemon's loop, with twins of the program and of the service manager."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from syncd.clock import SystemClock
from syncd.daemon.agenda import Ended
from syncd.daemon.due import Schedule
from syncd.daemon.sdnotify import Notifier
from syncd.daemon.service import Health, Limits, Opened, Service
from syncd.engine.ports import Progress
from syncd.errors import ConfigError, Stopped, StoreUnavailable, SyncdError
from syncd.jobs.protocol import Request
from syncd.model import Counts, RunReport, Status
from syncd.storage.incidents import Incident
from syncd.storage.timetable import Past


@dataclass(frozen=True)
class Hourly:
    every: timedelta | None = timedelta(hours=1)
    cron: str | None = None
    timezone: str = "UTC"
    jitter: timedelta = timedelta(0)


class Manager(Notifier):
    """A service manager that wants a sign of life every 30 ms, so that the daemon's loop turns quickly."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "30000"})
        self.told: list[str] = []

    def _send(self, message: str) -> None:
        self.told.append(message)


class Program:
    """A program with one job, which writes down what it is asked for.

    Args:
        clock: The daemon's, which it stops after some looks of the daemon, or when it rests.
        work: What the job does.
        looks: After so many looks the daemon is stopped; 0: after a rest.
        away: The database does not answer.
    """

    workers = 1

    def __init__(
        self, clock: SystemClock, work: Callable[[], object] = lambda: None, looks: int = 0, *, away: bool = False
    ) -> None:
        self.clock, self.work, self.looks, self.away = clock, work, looks, away
        self.asked: list[str] = []
        self.past: dict[str, Past] = {}

    def prepare(self) -> None:
        self.asked.append("prepare")

    def schedules(self) -> Mapping[str, Schedule]:
        return {"field": Hourly()}

    def pasts(self, jobs: Sequence[str]) -> Mapping[str, Past]:
        self.looks -= 1
        if self.looks == 0:
            self.clock.stop()
        if self.away:
            raise StoreUnavailable("The database does not answer.", "Check that the server runs.")
        return {job: past for job, past in self.past.items() if job in jobs}

    def run_job(
        self, name: str, request: Request, *, trigger: str, due_at: datetime | None, progress: Progress | None
    ) -> RunReport:
        self.asked.append("run")
        began = self.clock.now()
        self.work()
        self.past[name] = Past(due_at or began, began, self.clock.now(), "ok")
        return RunReport(name, "1", Status.OK, began, self.clock.now(), 0, Counts(), (), 0)

    def skip_run(self, name: str, due_at: datetime, reason: str) -> None:
        self.asked.append("skip")

    def rest(self) -> None:
        self.asked.append("rest")
        self.clock.stop()

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


def live(program: Program, limits: Limits | None = None) -> tuple[list[str], list[Any]]:
    """Let a daemon live with it; what it told its manager, and what it logged."""
    manager = Manager()
    with capture_logs() as logs:
        assert Service(lambda _: Opened(program), program.clock, manager, limits).run() == 0
    return manager.told, logs


def test_what_a_run_used_is_given_back_when_nothing_runs(clock: SystemClock) -> None:
    program = Program(clock)
    live(program)
    assert program.asked == ["prepare", "run", "rest", "close"]


def test_a_run_without_progress_no_longer_holds_the_watchdog_off(clock: SystemClock) -> None:
    def wait() -> None:
        with suppress(Stopped):
            clock.sleep(60)

    told, logs = live(Program(clock, wait, looks=5), Limits(stuck=-1.0))
    assert "WATCHDOG=1" not in told
    (line, *_) = [line for line in logs if line["event"] == "a run is stuck"]
    assert (line["log_level"], line["job"]) == ("error", "field")


def test_a_run_that_takes_long_is_no_reason_to_restart_the_daemon(clock: SystemClock) -> None:
    def wait() -> None:
        with suppress(Stopped):
            clock.sleep(60)

    told, logs = live(Program(clock, wait, looks=5))
    assert "WATCHDOG=1" in told
    assert not [line for line in logs if line["log_level"] == "error"]


@pytest.mark.parametrize(("away", "levels"), [(300.0, ["warning"]), (0.0, ["warning", "error"])])
def test_a_database_that_is_away_is_told_of_once_and_once_more_when_that_needs_a_person(
    clock: SystemClock, away: float, levels: list[str]
) -> None:
    told, logs = live(Program(clock, looks=6, away=True), Limits(away=away))
    assert [line["log_level"] for line in logs if "database" in line["event"]] == levels
    assert "STATUS=Waiting for the database. The database does not answer. Check that the server runs." in told
    assert "WATCHDOG=1" in told, "a restart would not bring it back"


def test_a_daemon_tells_its_duties_that_the_database_needs_a_person(clock: SystemClock) -> None:
    class Watch:
        """A duty that writes down what it hears of the database."""

        def __init__(self, health: Health) -> None:
            self.health = health
            self.heard: list[Incident | None] = []

        def ended(self, ended: Ended) -> None: ...

        def turn(self, now: datetime) -> None:
            self.heard.append(self.health.outage())

    watches: list[Watch] = []
    program = Program(clock, looks=8, away=True)

    def load(health: Health) -> Opened:
        watches.append(Watch(health))
        return Opened(program, watches)

    service = Service(load, clock, Manager(), Limits(away=0.0))
    assert service.run() == 0
    outage = service.outage()
    assert outage is not None
    assert outage in watches[0].heard
    assert (outage.key, outage.remedy) == ("failure:database", "Check that the server runs.")
    assert outage.message.endswith("and nothing is synced: The database does not answer.")


class Page:
    """A status page, which writes down what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def start(self) -> None:
        self.asked.append("start")

    def stop(self) -> None:
        self.asked.append("stop")


class Elsewhere(Program):
    """A program whose database does not answer; when it has noticed, the daemon is asked for something."""

    def __init__(self, clock: SystemClock, noticed: Callable[[], None]) -> None:
        super().__init__(clock)
        self.noticed = noticed

    def prepare(self) -> None:
        super().prepare()
        self.noticed()
        raise StoreUnavailable("The database does not answer.", "Check that the server runs.")


def test_a_start_that_waits_for_the_database_goes_on_with_a_corrected_configuration(clock: SystemClock) -> None:
    right = Program(clock)
    readings: list[Program | SyncdError] = []

    def load(_: object) -> Opened:
        found = readings.pop(0)
        if isinstance(found, SyncdError):
            raise found
        return Opened(found)

    service = Service(load, clock, Manager())
    wrong = Elsewhere(clock, service.reload)
    readings += [wrong, ConfigError("database.url needs an address."), right]
    with capture_logs() as logs:
        assert service.run() == 0
    assert wrong.asked == ["prepare", "prepare", "close"]
    assert right.asked == ["prepare", "run", "rest", "close"]
    (refused,) = [line for line in logs if line["log_level"] == "error"]
    assert refused["error"] == "database.url needs an address."


def test_the_status_page_tells_that_a_start_waits_for_the_database(clock: SystemClock) -> None:
    page = Page()
    seen: list[tuple[list[str], tuple[bool, str]]] = []

    def look() -> None:
        seen.append((list(page.asked), service.ready()))
        if len(seen) == 1:
            service.reload()  # there is no need to wait longer
        else:
            clock.stop()

    program = Elsewhere(clock, look)
    service = Service(lambda _: Opened(program, server=page, address="here"), clock, Manager())
    assert service.run() == 0
    reason = "The database does not answer. Check that the server runs."
    assert seen == [([], (False, "The daemon starts.")), (["start", "stop", "start"], (False, reason))]
    assert page.asked[-1] == "stop"


def test_whatever_a_reload_raises_the_old_configuration_stays(clock: SystemClock) -> None:
    program = Program(clock)
    readings = [Opened(program)]
    service = Service(lambda _: readings.pop(), clock, Manager())
    service.reload()
    with capture_logs() as logs:
        assert service.run() == 0
    assert program.asked == ["prepare", "run", "rest", "close"]
    told = [line for line in logs if line["event"].startswith("the new configuration is refused")]
    assert [line["error"] for line in told] == ["Reading it ended with an unexpected error (IndexError)."]
