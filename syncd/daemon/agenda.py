"""Which jobs begin now, and when to look again. Time is given, so that a test can drive a year of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from syncd.daemon.due import Schedule, Upcoming, missed_during, pause_after, upcoming
from syncd.engine.ports import Clock, Progress
from syncd.engine.writer import DATABASE
from syncd.errors import JobBusy, StoreError, SyncdError
from syncd.jobs.protocol import Request
from syncd.model import Counts, Partition, RunReport, Status
from syncd.storage.timetable import Past

_log = structlog.get_logger(__name__)

LOUD = 3
"""Failures in a row from which on a job's failure is an error in the log."""

_BUSY_PAUSE = timedelta(seconds=10)
"""Until a job that another process runs is tried again."""
_UNRECORDED_PAUSE = timedelta(seconds=5)
"""Until a job whose run could not be recorded is tried again; it doubles every time."""
_LONGEST_UNRECORDED_PAUSE = timedelta(minutes=5)
_IDLE = timedelta(minutes=1)
"""The longest time between two looks: clocks are set, and machines sleep."""
_CONSENT = 4


class Program(Protocol):
    """The program of one configuration, as far as the daemon drives it."""

    @property
    def workers(self) -> int:
        """How many jobs run side by side."""

    def prepare(self) -> None:
        """Make sure that the database is there and at the program's revision.

        Raises:
            SchemaMismatch: It is behind or ahead.
            StoreError: It cannot be reached or written.
        """

    def schedules(self) -> Mapping[str, Schedule]:
        """Of the jobs that have one."""

    def pasts(self, jobs: Sequence[str]) -> Mapping[str, Past]:
        """What the ledger says of these jobs; those that have not been due yet are absent.

        Raises:
            StoreError: The database does not answer.
        """

    def run_job(
        self, name: str, request: Request, *, trigger: str, due_at: datetime | None, progress: Progress | None
    ) -> RunReport:
        """Execute a job once; how it ended is in the report.

        Raises:
            JobBusy: Another process runs it.
            StoreError: The run could not be recorded.
        """

    def skip_run(self, name: str, due_at: datetime, reason: str) -> None:
        """Record that a due run did not take place, and why.

        Raises:
            StoreError: It could not be recorded.
        """

    def rest(self) -> None:
        """Nothing runs: give back what the next run can have again."""

    def close(self) -> None:
        """Close connections."""


class Pulse:
    """When a run last made progress. It counts pages, partitions, and waits that have returned.

    Args:
        monotonic: Seconds that never go back.

    Attributes:
        pages: How many came.
        waits_for: What the run waits for since it last did something, or an empty string.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at = monotonic()
        self.pages = 0
        self.waits_for = ""

    def quiet(self) -> float:
        """Seconds since the last progress."""
        return self._monotonic() - self._at

    def planned(self, resource: str, partitions: int) -> None:
        """So many partitions of a resource are to be read."""
        del resource, partitions
        self._beat()

    def page(self, partition: Partition, records: int) -> None:
        """A page arrived."""
        del partition, records
        self.pages += 1
        self._beat()

    def done(self, partition: Partition, counts: Counts) -> None:
        """A partition was finished."""
        del partition, counts
        self._beat()

    def waiting(self, seconds: float, why: str) -> None:
        """The run waits; long waits for quota are told of every second."""
        del seconds
        self._beat(why)

    def _beat(self, waits_for: str = "") -> None:
        self._at, self.waits_for = self._monotonic(), waits_for


@dataclass(frozen=True, slots=True)
class Running:
    """A run that this process has begun.

    Attributes:
        job: Its job's name.
        wanted: What it serves.
        began: UTC.
        program: Of the configuration that it began under.
        pulse: Its progress.
    """

    job: str
    wanted: Upcoming
    began: datetime
    program: Program
    pulse: Pulse = field(compare=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        report: Its report.
        failures: Failures of the job in a row, this one included; 0: it worked.
        next: When the job is tried again, or None.
    """

    report: RunReport
    failures: int
    next: datetime | None


Spawn = Callable[[str, Callable[[], None]], None]


def in_thread(name: str, work: Callable[[], None]) -> None:
    """Do some work in a thread of its own, which does not keep the process alive."""
    threading.Thread(target=work, name=name, daemon=True).start()


class Agenda:
    """Begins jobs when they are due, so many at a time; each is judged by its own past.

    Args:
        program: Of the configuration.
        clock: Time.
        wake: Asks for another `tick` soon; called from any thread.
        ended: Told of every run that ended; called in the run's thread.
        spawn: Begins some work under a name.
        monotonic: Of the pulse.
    """

    def __init__(
        self,
        program: Program,
        clock: Clock,
        wake: Callable[[], None],
        ended: Callable[[Ended], None] = lambda _: None,
        spawn: Spawn = in_thread,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._program = program
        self._clock = clock
        self._wake = wake
        self._ended = ended
        self._spawn = spawn
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._running: dict[str, Running] = {}
        self._held: dict[str, datetime] = {}
        self._troubles: dict[str, int] = {}
        self._unrecorded: dict[str, str] = {}
        self._since: dict[str, datetime] = {}
        self._corrected: datetime | None = None
        self._retired: list[Program] = []

    @property
    def program(self) -> Program:
        """Of the configuration that counts now."""
        return self._program

    @property
    def trouble(self) -> str:
        """Why runs cannot be written or recorded, or an empty string."""
        with self._lock:
            waiting = [job for job, one in self._running.items() if one.pulse.waits_for == DATABASE]
            if waiting:
                return f"Job {waiting[0]} cannot write to the database and waits. The log says why."
            return next(reversed(self._unrecorded.values()), "")

    def recovered(self) -> None:
        """The database answers again: jobs whose runs it could not record need not be left alone any longer."""
        with self._lock:
            for job in self._unrecorded:
                self._held.pop(job, None)
            self._unrecorded.clear()

    def running(self) -> Sequence[Running]:
        """What runs now."""
        with self._lock:
            return list(self._running.values())

    def replace(self, program: Program) -> None:
        """Go on with another configuration; what runs ends under the old one, which is closed after that.

        Jobs that failed under the old one are tried at once: it may have been what was wrong.
        """
        with self._lock:
            self._retired.append(self._program)
            self._program = program
            self._corrected = self._clock.now()
            self._held.clear()
            self._troubles.clear()
            self._unrecorded.clear()
        self._wake()

    def close(self) -> None:
        """Close the program, and those that are retired."""
        for program in [*self._retired, self._program]:
            program.close()

    def tick(self) -> datetime:
        """Begin what is due.

        Returns:
            When to look again, at the latest.

        Raises:
            StoreError: The database does not answer; nothing was begun.
        """
        self._close_retired()
        if self._clock.stopping():
            return self._clock.now() + _IDLE
        now = self._clock.now()
        waiting = self.upcoming(now)
        for job, (start, wanted) in waiting.items():
            if start <= now:
                self._begin(job, wanted, now)
        return min([now + _IDLE, *(start for start, _ in waiting.values() if start > now)])

    def upcoming(self, now: datetime) -> Mapping[str, tuple[datetime, Upcoming]]:
        """The next run of every job that does not run, with the time it may begin; the earliest first."""
        with self._lock:
            program, busy = self._program, set(self._running)
        schedules = {job: one for job, one in program.schedules().items() if job not in busy}
        pasts = program.pasts(list(schedules))
        found: dict[str, tuple[datetime, Upcoming]] = {}
        for job, schedule in schedules.items():
            since = self._since.setdefault(job, now)
            wanted = upcoming(schedule, job, pasts.get(job), now, since, self._corrected)
            if wanted is not None:
                found[job] = (max(wanted.start, self._held.get(job, wanted.start)), wanted)
        return dict(sorted(found.items(), key=lambda item: item[1][0]))

    def _begin(self, job: str, wanted: Upcoming, now: datetime) -> None:
        with self._lock:
            if len(self._running) >= self._program.workers or job in self._running:
                return
            running = Running(job, wanted, now, self._program, Pulse(self._monotonic))
            self._running[job] = running
        self._spawn(f"job {job}", lambda: self._work(running))

    def _work(self, running: Running) -> None:
        job = running.job
        try:
            ended = self._execute(running)
            self._untroubled(job)
            self._ended(ended)
        except JobBusy as busy:
            self._hold(job, _BUSY_PAUSE)
            _log.info("a due run waits", job=job, why=busy.message)
        except StoreError as error:
            self._could_not_record(job, error)
        except BaseException as error:  # noqa: BLE001 - whatever a job does, the daemon goes on
            self._trouble(job)
            known = isinstance(error, SyncdError)
            _log.error("a job could not be run", job=job, error=str(error), exc_info=not known)
        finally:
            with self._lock:
                del self._running[job]
            self._wake()

    def _execute(self, running: Running) -> Ended:
        program, job, wanted = running.program, running.job, running.wanted
        if wanted.last_missed is not None:
            program.skip_run(job, wanted.last_missed, _missed_words(wanted))
            _log.info(
                "missed runs are made up for by one", job=job, missed=wanted.missed, since=_stamp(wanted.first_missed)
            )
        report = program.run_job(job, Request(), trigger=wanted.trigger, due_at=wanted.due_at, progress=running.pulse)
        schedule = program.schedules().get(job)
        past = program.pasts([job]).get(job)
        if schedule is None or past is None or past.stopped:
            return self._told(report, past, None)
        overlapped = missed_during(schedule, past, report.finished_at)
        if overlapped is not None and not past.failures:
            program.skip_run(job, overlapped.due_at, _overlap_words(overlapped, report.started_at))
            _log.warning("runs were skipped: the one before took too long", job=job, skipped=overlapped.missed + 1)
            past = program.pasts([job]).get(job)
        return self._told(report, past, upcoming(schedule, job, past, report.finished_at, report.started_at))

    def _told(self, report: RunReport, past: Past | None, following: Upcoming | None) -> Ended:
        """Into the log, in one line: info where it worked, an error where a person is needed."""
        failures = past.failures if past is not None and report.status is Status.FAILED else 0
        start = following.start if following else None
        rows = report.rows
        facts: dict[str, Any] = {
            "job": report.job,
            "run_id": report.run_id,
            "status": str(report.status),
            "read": rows.read,
            "inserted": rows.inserted,
            "updated": rows.updated,
            "deleted": rows.deleted,
            "rejected": rows.rejected,
            "requests": report.requests,
            "seconds": round((report.finished_at - report.started_at).total_seconds(), 1),
            "next": _stamp(start),
        }
        if past is not None and past.stopped:
            _log.info("run stopped, to be taken up again", **facts)
        elif report.status is Status.OK:
            _log.info("run ended", **facts)
        else:
            self._complain(report, failures, facts)
        return Ended(report, failures, start)

    def _complain(self, report: RunReport, failures: int, facts: Mapping[str, Any]) -> None:
        told = {**facts, "error": report.error, "remedy": report.remedy or None}
        if report.status is not Status.FAILED:
            _log.warning("run ended", **told)
            return
        told["failures"] = failures
        if failures >= LOUD or (report.exit_code == _CONSENT and failures == 1):
            _log.error("run failed", **told)
        else:
            _log.warning("run failed, will be tried again", **told)

    def _hold(self, job: str, pause: timedelta) -> None:
        with self._lock:
            self._held[job] = self._clock.now() + pause

    def _trouble(self, job: str) -> None:
        """Leave a job alone that could not even be run, longer every time."""
        times = self._troubles[job] = self._troubles.get(job, 0) + 1
        self._hold(job, max(_BUSY_PAUSE, pause_after(times) / 4))

    def _could_not_record(self, job: str, error: StoreError) -> None:
        """The same where it is the database that fails: it may answer, or have room, again soon."""
        times = self._troubles[job] = self._troubles.get(job, 0) + 1
        doublings = min(times - 1, 10)
        self._hold(job, min(_UNRECORDED_PAUSE * (1 << doublings), _LONGEST_UNRECORDED_PAUSE))
        with self._lock:
            self._unrecorded[job] = str(error)
        tell = _log.error if times >= LOUD else _log.warning
        tell("a run could not be recorded", job=job, error=error.message, remedy=error.remedy)

    def _untroubled(self, job: str) -> None:
        with self._lock:
            self._troubles.pop(job, None)
            self._unrecorded.pop(job, None)

    def _close_retired(self) -> None:
        with self._lock:
            busy = [running.program for running in self._running.values()]
            idle = [program for program in self._retired if program not in busy]
            self._retired = [program for program in self._retired if program in busy]
        for program in idle:
            program.close()


def _missed_words(wanted: Upcoming) -> str:
    if wanted.missed == 1:
        return f"The run due at {_stamp(wanted.last_missed)} was missed; the next one makes up for it."
    many = f"{wanted.missed:,} runs" if wanted.missed < 1000 else "1,000 runs or more"  # noqa: PLR2004 - as counted
    return f"{many} due from {_stamp(wanted.first_missed)} to {_stamp(wanted.last_missed)} were missed; one run makes up for them."


def _overlap_words(overlapped: Upcoming, began: datetime) -> str:
    first = overlapped.first_missed or overlapped.due_at
    due = _stamp(overlapped.due_at) if first == overlapped.due_at else f"{_stamp(first)} to {_stamp(overlapped.due_at)}"
    return f"{overlapped.missed + 1:,} due at {due} skipped: the run that began at {_stamp(began)} was still under way."


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
