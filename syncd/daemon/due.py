"""When jobs are due: pure functions of a schedule, of what `syncd_runs` holds, and of the time.

An *instant* is a moment at which a schedule wants a run. Instants that nobody could serve (the machine slept, the job
was failing) are made up for by one run, which serves the latest of them.
"""

from __future__ import annotations

import hashlib
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol

from apscheduler.triggers.cron import CronTrigger

from syncd.storage.timetable import Past

FIRST_PAUSE = timedelta(minutes=1)
"""After the first failure; it doubles with every further one in a row."""
LONGEST_PAUSE = timedelta(hours=6)
CONSENT_PAUSE = timedelta(minutes=15)
"""The longest pause while a user must sign in again: only the database is asked, and the job goes on soon after."""

PUNCTUAL = timedelta(minutes=1)
"""A run that begins later than this makes up for a missed one."""

_COUNTED = 1000
_CHANGE = timedelta(hours=3)
"""No change of a clock is larger, and none follows another so soon."""
_LOOKS_BACK = tuple(timedelta(hours=hours) for hours in (1, 25, 24 * 8, 24 * 32, 24 * 367, 24 * 366 * 9))
_CONSENT = 4


class Schedule(Protocol):
    """Exactly one of `every` and `cron` is set."""

    @property
    def every(self) -> timedelta | None:
        """An interval, counted from the last run's start."""

    @property
    def cron(self) -> str | None:
        """Five fields, as APScheduler reads them."""

    @property
    def timezone(self) -> str:
        """Of the cron line."""

    @property
    def jitter(self) -> timedelta:
        """Start up to so much later."""


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A job's next run, as it stands now.

    Attributes:
        start: When it may begin; it is due when that has come.
        due_at: The instant that it serves.
        trigger: `schedule` or `catch-up`.
        first_missed: The earliest instant that it makes up for besides its own, or None.
        last_missed: The latest of those.
        missed: How many they are; 1,000 stands for more too.
    """

    start: datetime
    due_at: datetime
    trigger: str = "schedule"
    first_missed: datetime | None = None
    last_missed: datetime | None = None
    missed: int = 0


class Instants(Protocol):
    """The instants of a schedule."""

    def after(self, moment: datetime) -> datetime | None:
        """The first one later than a moment."""

    def latest(self, first: datetime, until: datetime) -> datetime:
        """The last one that is not later than `until`, given that `first` is one and not later."""


def pause_after(failures: int, exit_code: int = 1) -> timedelta:
    """How long a job that failed so many times in a row is left alone."""
    longest = CONSENT_PAUSE if exit_code == _CONSENT else LONGEST_PAUSE
    doublings = min(max(failures - 1, 0), 20)
    return min(FIRST_PAUSE * (1 << doublings), longest)


def offset_of(job: str, jitter: timedelta) -> timedelta:
    """How much later a job starts: spread evenly over jobs, the same for a job every time."""
    part = int.from_bytes(hashlib.blake2b(job.encode(), digest_size=4).digest()) / 2**32
    return timedelta(seconds=int(jitter.total_seconds() * part))


def upcoming(
    schedule: Schedule,
    job: str,
    past: Past | None,
    now: datetime,
    since: datetime,
    corrected: datetime | None = None,
) -> Upcoming | None:
    """A job's next run.

    Args:
        schedule: Its schedule.
        job: Its name.
        past: What its ledger says, or None where it has not been due yet.
        now: UTC.
        since: From when on a job without a past is scheduled.
        corrected: When somebody had the configuration read again: a job that failed before need not wait longer.

    Returns:
        None where no instant is left (a cron line of the past).
    """
    offset = offset_of(job, schedule.jitter)
    if past is None and schedule.every is not None:
        return _late(Upcoming(since + offset, since + offset), now)
    instants = instants_of(schedule, since if past is None else anchor_of(schedule, past))
    if schedule.every is not None:
        offset = timedelta(0)  # it is in the start that the interval is counted from
    first = instants.after(since if past is None else past.due_at)
    if past is not None and past.unfinished:
        return _again(past, now, instants, first, offset, now)
    if past is not None and past.failures and past.failed_at is not None:
        retry_at = past.failed_at + pause_after(past.failures, past.exit_code)
        if corrected is not None and corrected >= past.failed_at:
            retry_at = min(retry_at, corrected)
        return _again(past, retry_at, instants, first, offset, now)
    if first is None:
        return None
    return _served(Upcoming(first + offset, first), instants, offset, now)


def _again(
    past: Past, start: datetime, instants: Instants, first: datetime | None, offset: timedelta, now: datetime
) -> Upcoming:
    """A run that takes the work up again: for the same instant, or for a later one that has come since."""
    if first is None or first + offset > max(start, now):
        return Upcoming(start, past.due_at, "catch-up")
    found = _served(Upcoming(start, first, "catch-up"), instants, offset, max(start, now))
    return Upcoming(start, found.due_at, "catch-up", found.first_missed, found.last_missed, found.missed)


def _served(wanted: Upcoming, instants: Instants, offset: timedelta, now: datetime) -> Upcoming:
    """The same run for the latest instant that has come, with those it makes up for."""
    first = wanted.due_at
    if first + offset > now:
        return wanted
    latest = instants.latest(first, now - offset)
    if latest <= first:
        return _late(wanted, now)
    missed = list(islice(_between(instants, first, latest), _COUNTED))
    last = missed[-1] if len(missed) < _COUNTED else latest
    return Upcoming(wanted.start, latest, "catch-up", first, last, len(missed))


def _late(wanted: Upcoming, now: datetime) -> Upcoming:
    if now - wanted.start <= PUNCTUAL:
        return wanted
    return Upcoming(wanted.start, wanted.due_at, "catch-up")


def _between(instants: Instants, first: datetime, end: datetime) -> Iterator[datetime]:
    moment: datetime | None = first
    while moment is not None and moment < end:
        yield moment
        moment = instants.after(moment)


def anchor_of(schedule: Schedule, past: Past) -> datetime:
    """What the instants of an interval are counted from."""
    del schedule
    return past.due_at if past.status == "skipped" else past.started_at


def missed_during(schedule: Schedule, past: Past, until: datetime) -> Upcoming | None:
    """The instants that came while a run was under way.

    Args:
        schedule: The job's.
        past: The run.
        until: When it ended.

    Returns:
        The latest of them as `due_at`, the others as missed; None where there were none.
    """
    instants = instants_of(schedule, anchor_of(schedule, past))
    first = instants.after(max(past.due_at, past.started_at))
    if first is None or first > until:
        return None
    return _served(Upcoming(first, first), instants, timedelta(0), until)


def instants_of(schedule: Schedule, anchor: datetime) -> Instants:
    """The instants of a schedule; those of an interval are counted from the anchor."""
    if schedule.every is not None:
        return Interval(anchor, schedule.every)
    assert schedule.cron is not None
    return Cron(schedule.cron, schedule.timezone)


@dataclass(frozen=True, slots=True)
class Interval:
    """Instants at equal distances.

    Attributes:
        anchor: One interval before the first.
        every: The distance; a second at the least.
    """

    anchor: datetime
    every: timedelta

    def after(self, moment: datetime) -> datetime:
        """The first one later than a moment."""
        times = max(0, (moment - self.anchor) // self._step())
        return self.anchor + (times + 1) * self._step()

    def latest(self, first: datetime, until: datetime) -> datetime:
        """The last one that is not later than `until`."""
        return first + (until - first) // self._step() * self._step()

    def _step(self) -> timedelta:
        return max(self.every, timedelta(seconds=1))


class Cron:
    """Instants of a cron line, on the clocks of a place.

    When clocks go forward, what was due in the hour that does not exist happens an hour later. When they go back, a
    line that names its hours happens in the first of both hours only, one that does not (`*`, `*/2`) in both.

    Args:
        line: Five fields, as APScheduler reads them.
        timezone: A name such as America/Los_Angeles.
    """

    def __init__(self, line: str, timezone: str) -> None:
        self._zone = zoneinfo.ZoneInfo(timezone)
        self._both = line.split()[1].startswith("*")
        self._trigger = CronTrigger.from_crontab(line, timezone=UTC)

    def after(self, moment: datetime) -> datetime | None:
        """The first one later than a moment."""
        wall = moment.astimezone(self._zone).replace(tzinfo=UTC)
        following = self._next(wall)
        if following is None:
            return None
        if self._offset(moment - _CHANGE) == self._offset(self._real(following, 0) + _CHANGE):
            return self._real(following, 0)
        return self._after_change(moment, wall)

    def _after_change(self, moment: datetime, wall: datetime) -> datetime | None:
        """The same where clocks change nearby: every wall time around it may stand for one moment or two."""
        best: datetime | None = None
        following = self._next(wall - _CHANGE)
        while following is not None and (best is None or self._real(following, 0) - _CHANGE <= best):
            for real in self._moments(following):
                if real > moment and (best is None or real < best):
                    best = real
            following = self._next(following)
        return best

    def latest(self, first: datetime, until: datetime) -> datetime:
        """The last one that is not later than `until`, given that `first` is one and not later."""
        start = next((until - back for back in _LOOKS_BACK if self._within(until - back, until)), first)
        best = first
        moment = self.after(start)
        while moment is not None and moment <= until:
            best = max(best, moment)
            moment = self.after(moment)
        return best

    def _within(self, start: datetime, until: datetime) -> bool:
        found = self.after(start)
        return found is not None and found <= until

    def _next(self, wall: datetime) -> datetime | None:
        found: datetime | None = self._trigger.get_next_fire_time(None, wall + timedelta(microseconds=1))
        return found

    def _moments(self, wall: datetime) -> list[datetime]:
        """When clocks show a time: twice where they go back, and the line does not name its hours."""
        once, again = self._real(wall, 0), self._real(wall, 1)
        return [once, again] if self._both and again > once else [once]

    def _real(self, wall: datetime, fold: int) -> datetime:
        return wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC)

    def _offset(self, moment: datetime) -> timedelta | None:
        return moment.astimezone(self._zone).utcoffset()
