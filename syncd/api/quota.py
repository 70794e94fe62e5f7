"""Procore's two quota windows, as a pure state machine in server time.

Every response tells of whichever window the app is nearer to exceeding, the hourly or the 10-second one (Procore:
"Rate Limiting"). They are told apart by their limit and by how far away their reset is. Refused requests count as well.

Slots that were granted and not yet answered are reserved. A process that dies takes its reservations with it, so they
age in two steps and then count as spent: a request that was sent has been counted by the server long before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

HOUR = 3600.0
SPIKE = 10.0

_AGE = 10.0
"""Seconds after which a reservation becomes old; after as many again it counts as spent."""
_POLL = 0.25
"""Seconds to wait where slots that others hold may come back."""
_CAREFUL_LIMIT = 25
"""Requests per spike window where answers tell nothing: Procore's own example of a small allowance."""
_PROBE_SECONDS = 2.0
_SLACK = 2.0
_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 60.0
_PARTS = 4
"""One asker gets at most this part of what is left: the others need some too."""


@dataclass(frozen=True, slots=True)
class Report:
    """The headers of one answer, as they came.

    Attributes:
        limit: X-Rate-Limit-Limit, or None.
        remaining: X-Rate-Limit-Remaining, or None.
        reset: X-Rate-Limit-Reset, Unix seconds, or None.
        blocked_until: Set by a 429: nothing may be sent before, server's clock.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    blocked_until: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a process hands in.

    Attributes:
        reports: Headers of answers that came, the later ones last; of each window one is enough.
        answered: Slots taken before whose requests have ended.
        unused: Slots taken before that were not needed.
    """

    reports: tuple[Report, ...] = ()
    answered: int = 0
    unused: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """One quota window.

    Attributes:
        name: `hour` or `spike`.
        seconds: Its length.
        limit: Requests that the app may send in it.
        remaining: What the last answer said is left, other users of the app counted.
        reset: When it ends, server's clock, Unix seconds.
        guessed: Whether no answer has told of this very window: its end and what is left are taken from the last one.
        probe_at: While the window's end has passed and no answer has told of the next one: when one request was let
            through to find out.
    """

    name: str
    seconds: float
    limit: int
    remaining: int
    reset: float
    guessed: bool = False
    probe_at: float = 0.0

    def available(self, share: float) -> int:
        """Slots that may be used: what is left, less what is kept for the app's other users."""
        return self.remaining - (self.limit - _permitted(self.limit, share))

    def is_over(self, share: float, now: float) -> bool:
        """Whether it has ended, or cannot be what it claims to be: by a clock that has changed."""
        return not self.reset - self.seconds - _SLACK <= now < self.reset + self.margin(share)

    def margin(self, share: float) -> float:
        """Seconds after a window's announced end before it is believed to be over.

        Where others keep a part, one early request does no harm; where syncd uses all, the second that HTTP dates are
        rounded to must pass.
        """
        return 0.0 if _permitted(self.limit, share) < self.limit else 1.0


@dataclass(frozen=True, slots=True)
class Quota:
    """Both windows of one OAuth client.

    Attributes:
        hour: The hourly window, or None before an answer has told of it.
        spike: The 10-second window, likewise.
        blocked_until: Nothing may be sent before, after a 429; server's clock.
        started: When the first request was let through, before any answer; 0 before that.
        young: Slots granted lately whose requests have not ended.
        old: Slots granted before these.
        aged: When young ones last became old, server's clock.
        hour_seconds: Longest an hourly window can be.
        spike_seconds: Longest a spike window can be.
    """

    hour: Window | None = None
    spike: Window | None = None
    blocked_until: float = 0.0
    started: float = 0.0
    young: int = 0
    old: int = 0
    aged: float = 0.0
    hour_seconds: float = HOUR
    spike_seconds: float = SPIKE

    def windows(self) -> tuple[Window, ...]:
        """Those known."""
        return tuple(window for window in (self.hour, self.spike) if window is not None)

    @property
    def reserved(self) -> int:
        """Slots under way."""
        return self.young + self.old

    def hearing(self, told: Told, now: float) -> Quota:
        """After answers: their slots are free again, and the reports tell how much is left."""
        quota = self.aging(now).released(told)
        for report in told.reports:
            quota = quota.told_of(report, now)
        return quota

    def take(self, want: int, share: float, now: float) -> tuple[Quota, int, float]:
        """Slots for at most so many requests; where few are left, some stay for others who ask.

        Returns:
            The quota after it, slots granted, and seconds to wait where it is none.
        """
        if now < self.blocked_until:
            # A wait shorter than a clock can tell would be waited for ever.
            return self, 0, max(_SHORTEST_WAIT, min(self.blocked_until - now, _LONGEST_WAIT))
        if not self.windows():
            if self.started and 0 <= now - self.started < _PROBE_SECONDS * 5:
                return self, 0, _SHORTEST_WAIT
            return replace(self, started=now, young=self.young + 1), 1, 0.0
        current = [window for window in self.windows() if not window.is_over(share, now)]
        over = [window for window in self.windows() if window not in current]
        if any(0 <= now - window.probe_at < _PROBE_SECONDS for window in over):
            return self, 0, _SHORTEST_WAIT
        free = [window for window in current if window.available(share) > self.reserved]
        if len(free) < len(current):
            wait = max(window.reset + window.margin(share) - now for window in current if window not in free)
            return self, 0, max(_SHORTEST_WAIT, min(wait, _POLL if self.reserved else _LONGEST_WAIT))
        room = min((window.available(share) - self.reserved for window in current), default=want)
        # What comes after a window's end is not known: one request finds out. What others keep makes room for it.
        granted = 1 if over else min(want, max(1, room // _PARTS))
        quota = replace(self, young=self.young + granted)
        for window in over:
            quota = quota.having(replace(window, probe_at=now))
        return quota, granted, 0.0

    def aging(self, now: float) -> Quota:
        """Reservations too old to be requests under way count as spent."""
        if 0 <= now - self.aged < _AGE:
            return self
        if now - self.aged < 2 * _AGE:
            return replace(self.spending(self.old), young=0, old=self.young, aged=now)
        return replace(self.spending(self.reserved), young=0, old=0, aged=now)

    def released(self, told: Told) -> Quota:
        """After requests ended, or were not needed."""
        if not told.answered and not told.unused:
            return self
        old = max(0, self.old - told.answered - told.unused)
        young = max(0, self.young - (told.answered + told.unused - (self.old - old)))
        # Until a report arrives that counts them, requests that ended count as spent.
        return replace(self.spending(told.answered), young=young, old=old, started=0.0)

    def spending(self, requests: int) -> Quota:
        """After requests that no report counts yet."""
        quota = self
        for window in self.windows():
            quota = quota.having(replace(window, remaining=max(0, window.remaining - requests)))
        return quota

    def told_of(self, report: Report, now: float) -> Quota:
        """After one report."""
        quota = self
        if report.blocked_until is not None:
            until = min(report.blocked_until, now + self.hour_seconds)
            quota = replace(quota, blocked_until=max(quota.blocked_until, until))
        if report.limit is None or report.remaining is None or report.limit <= 0:
            return quota.rolled("", now) if quota.windows() else quota.having(_careful(self.spike_seconds, now))
        report = replace(
            report, remaining=max(0, min(report.remaining, report.limit)), reset=quota.believed_end(report, now)
        )
        name = quota.which(report, now)
        quota = quota.making_room(name, report)
        return quota.having(quota.told_by(name, report, now)).rolled(name, now)

    def believed_end(self, report: Report, now: float) -> float | None:
        """When the window ends, or None where that is not said or cannot be true."""
        if report.reset is None or not now - _SLACK <= report.reset <= now + self.hour_seconds + _SLACK:
            return None
        return report.reset

    def which(self, report: Report, now: float) -> str:
        """The name of the window that a report tells of."""
        limit = report.limit or 0
        if report.reset is not None and report.reset - now > self.spike_seconds + _SLACK:
            return "hour"
        if self.spike is None:
            return "hour" if self.hour is not None and self.hour.limit == limit else "spike"
        if self.hour is None:
            return "hour" if limit > self.spike.limit else "spike"
        return "spike" if abs(math.log(limit / self.spike.limit)) <= abs(math.log(limit / self.hour.limit)) else "hour"

    def making_room(self, name: str, report: Report) -> Quota:
        """Where a smaller window comes to light, the one that was taken for it is the hourly one near its end."""
        spike = self.spike
        if name == "hour" or self.hour is not None or spike is None or report.reset is None:
            return self
        if spike.limit <= (report.limit or 0) or spike.reset <= report.reset + 1.0:
            return self
        return replace(self, hour=replace(spike, name="hour"), spike=None)

    def told_by(self, name: str, report: Report, now: float) -> Window:
        """The window that a report tells of, as it stands after it."""
        longest = self.hour_seconds if name == "hour" else self.spike_seconds
        before = self.hour if name == "hour" else self.spike
        limit, remaining = report.limit or 0, report.remaining or 0
        end = now + longest if report.reset is None else report.reset
        if before is None:
            return Window(name, longest, limit, remaining, end)
        if before.limit == limit and not before.guessed:
            if abs(before.reset - end) < 1.0:
                # Answers can overtake each other; the one that says less is the later one.
                return replace(before, remaining=min(remaining, before.remaining + 1))
            if end < before.reset <= now + longest + _SLACK:
                return before
        # The request that found out opened the window: from it to the end is its length.
        learned = math.ceil(end - before.probe_at) if report.reset is not None and before.probe_at else 0
        known = before.seconds if before.seconds < longest else 0.0
        seconds = min(longest, max(learned, known, 0.0) or longest)
        return Window(name, seconds if end - now <= seconds else longest, limit, remaining, end)

    def rolled(self, told: str, now: float) -> Quota:
        """An answer told of one window; another, if its end has passed, has begun anew."""
        quota = self
        for window in self.windows():
            if window.name != told and now >= window.reset:
                fresh = replace(window, remaining=window.limit - 1, reset=now + window.seconds, guessed=True)
                quota = quota.having(fresh)
        return quota

    def having(self, window: Window) -> Quota:
        """The same quota with this window in its place."""
        return replace(self, hour=window) if window.name == "hour" else replace(self, spike=window)


def oddity(report: Report, now: float) -> str:
    """What cannot be true of a report, in words; empty where there is nothing to remark.

    Args:
        report: As it came.
        now: Server's clock, Unix seconds.
    """
    if report.limit is not None and report.limit <= 0:
        return f"a limit of {report.limit}"
    if report.remaining is not None and report.remaining < 0:
        return f"{report.remaining} requests left"
    if report.reset is not None and report.reset > now + HOUR + 60.0:
        return f"a reset {round((report.reset - now) / 3600)} hours ahead"
    return ""


def _permitted(limit: int, share: float) -> int:
    return max(1, math.floor(limit * share + 1e-9))


def _careful(seconds: float, now: float) -> Window:
    return Window("spike", seconds, _CAREFUL_LIMIT, _CAREFUL_LIMIT - 1, now + seconds, guessed=True)


def quota_of(stored: Mapping[str, Any] | None) -> Quota:
    """The quota as it was stored (`dataclasses.asdict`), or a new one, also where another version stored it."""
    if stored is None:
        return Quota()
    try:
        windows = {name: None if stored[name] is None else Window(**stored[name]) for name in ("hour", "spike")}
        return Quota(**{**stored, **windows})
    except (KeyError, TypeError):
        return Quota()
