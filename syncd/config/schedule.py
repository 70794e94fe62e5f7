"""When a job runs: at an interval, or by a cron line in a time zone."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from syncd.config.keys import Keys
from syncd.jobs.durations import Duration, format_duration

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_CRON = "needs five fields: minute, hour, day of month, month, weekday, as in 5 2 * * *"
_LEAP_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


class Schedule(Keys):
    """Exactly one of `every` and `cron`."""

    every: Duration | None = Field(None, description="An interval, counted from the last run's start.")
    cron: str | None = Field(None, description="Minute, hour, day of month, month, weekday (0 and 7 are Sunday).")
    timezone: str = Field("UTC", description="Of the cron line: a name such as America/Los_Angeles.")
    jitter: Duration = Field(timedelta(0), description="Start up to so much later, the same for a job every time.")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name == "UTC":
            return name
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"needs the name of a time zone such as America/Los_Angeles{hint}") from None
        return name

    @field_validator("cron")
    @classmethod
    def _possible_cron(cls, line: str | None) -> str | None:
        return None if line is None else standard_cron(line)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.every is None) == (self.cron is None):
            raise ValueError("needs either every or cron")
        if self.cron is None and "timezone" in self.model_fields_set:
            raise ValueError("timezone belongs to cron; an interval has none")
        return self

    @property
    def words(self) -> str:
        """As a person says it."""
        return f"{self.cron} {self.timezone}" if self.every is None else f"every {format_duration(self.every)}"

    def typical_interval(self, now: datetime) -> timedelta:
        """Time between two runs, on average over the next week or so.

        Args:
            now: Where to begin, aware.
        """
        if self.every is not None:
            return self.every
        from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - only jobs with a cron line pay for it

        trigger = CronTrigger.from_crontab(str(self.cron), timezone=zoneinfo.ZoneInfo(self.timezone))
        first = last = trigger.get_next_fire_time(None, now)
        runs = 0
        while first is not None and (runs == 0 or last - first < timedelta(days=7)):
            following = trigger.get_next_fire_time(last, last + timedelta(microseconds=1))
            if following is None:
                break
            last, runs = following, runs + 1
        return timedelta(days=365) if not runs else (last - first) / runs


def standard_cron(line: str) -> str:
    """A cron line in which APScheduler's reading and crontab(5)'s are the same.

    APScheduler counts weekdays from Monday and crontab(5) from Sunday, so weekdays become names. Of a day of the month
    and a weekday, crontab(5) lets either match and APScheduler demands both, so a line must not restrict both.

    Raises:
        ValueError: It is no cron line, or names a moment that never comes.
    """
    from apscheduler.triggers.cron import CronTrigger  # noqa: PLC0415 - only jobs with a cron line pay for it

    fields = line.split()
    if len(fields) != 5:  # noqa: PLR2004 - crontab(5)
        raise ValueError(_CRON)
    if not fields[2].startswith("*") and not fields[4].startswith("*"):
        raise ValueError("restricts the day of the month and the weekday; write two jobs, or restrict one")
    if fields[4] != "*":
        fields[4] = ",".join(_WEEKDAYS[day] for day in sorted(_weekdays(fields[4])))
    text = " ".join(fields)
    try:
        trigger = CronTrigger.from_crontab(text, timezone=UTC)
    except ValueError:
        raise ValueError(_CRON) from None
    if trigger.get_next_fire_time(None, _LEAP_YEAR) is None:
        raise ValueError("names a moment that never comes")
    return text


def _weekdays(field: str) -> set[int]:
    days: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = "0", "6"
        start, end = _weekday(first), _weekday(last or first)
        if end < start:
            end += 7
        days |= {day % 7 for day in range(start, end + 1, _step(step))}
    return days


def _weekday(name: str) -> int:
    if name in _WEEKDAYS:
        return _WEEKDAYS.index(name)
    if name in tuple("01234567"):
        return int(name)
    raise ValueError(_CRON)


def _step(text: str) -> int:
    if not text:
        return 1
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise ValueError(_CRON)
