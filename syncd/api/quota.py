"""Procore's two quota windows, as a pure state machine in server time.

Every response tells of whichever window the app is nearer to exceeding, the hourly or the 10-second one (Procore:
"Rate Limiting"). They are told apart by their limit and by how far away their reset is. Refused requests count as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

HOUR = 3600.0
SPIKE = 10.0

_CAREFUL_LIMIT = 25
"""Requests per spike window where answers tell nothing: Procore's own example of a small allowance."""
_PROBE_SECONDS = 2.0
_SLACK = 2.0
_LONGEST_WAIT = 60.0


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
        report: The latest headers, or None where none came.
        answered: Slots taken before whose answers have come.
        unused: Slots taken before that were not needed.
    """

    report: Report | None = None
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
        reserved: Slots that processes hold and whose answers have not come.
        probe_at: While the window's end has passed and no answer has told of the next one: when one request was let
            through to find out.
        touched: When it was last changed, server's clock.
    """

    name: str
    seconds: float
    limit: int
    remaining: int
    reset: float
    reserved: int = 0
    probe_at: float = 0.0
    touched: float = 0.0

    def available(self, share: float) -> int:
        """Slots that may be granted now: what is left, less what others keep, less what is under way."""
        kept = self.limit - max(1, int(self.limit * share))
        return self.remaining - kept - self.reserved


@dataclass(frozen=True, slots=True)
class Quota:
    """Both windows of one OAuth client.

    Attributes:
        hour: The hourly window, or None before an answer has told of it.
        spike: The 10-second window, likewise.
        blocked_until: Nothing may be sent before, after a 429; server's clock.
        started: When the first request was let through, before any answer; 0 before that.
        hour_seconds: Length of the hourly window.
        spike_seconds: Length of the spike window.
    """

    hour: Window | None = None
    spike: Window | None = None
    blocked_until: float = 0.0
    started: float = 0.0
    hour_seconds: float = HOUR
    spike_seconds: float = SPIKE

    def windows(self) -> tuple[Window, ...]:
        """Those known."""
        return tuple(window for window in (self.hour, self.spike) if window is not None)

    def hearing(self, told: Told, now: float) -> Quota:
        """After answers: their slots are free again, and the report tells how much is left."""
        quota = self._released(told, now)
        if told.report is None:
            return quota
        report = told.report
        if report.blocked_until is not None:
            until = min(report.blocked_until, now + self.hour_seconds)
            quota = replace(quota, blocked_until=max(quota.blocked_until, until))
        if report.limit is None or report.remaining is None or report.limit <= 0:
            return quota if quota.windows() else quota.having(_careful(self.spike_seconds, now))
        window = quota.told_by(report.limit, max(0, min(report.remaining, report.limit)), report.reset, now)
        return quota.having(window).rolled(window.name, now)

    def take(self, want: int, share: float, now: float) -> tuple[Quota, int, float]:
        """Slots for at most so many requests.

        Returns:
            The quota after it, slots granted, and seconds to wait where it is none.
        """
        if now < self.blocked_until:
            return self, 0, min(self.blocked_until - now, _LONGEST_WAIT)
        if not self.windows():
            if self.started and now - self.started < _PROBE_SECONDS * 5:
                return self, 0, 0.05
            return replace(self, started=now), 1, 0.0
        quota, probing = self, False
        for window in self.windows():
            if now < window.reset + _margin(window, share):
                continue
            if now - window.probe_at < _PROBE_SECONDS:
                return self, 0, 0.05
            # Its next window is not known: one request finds out. What others keep free makes room for it.
            probing = True
            quota = quota.having(
                replace(window, probe_at=now, reserved=0 if now - window.touched > window.seconds else window.reserved)
            )
        current = [window for window in quota.windows() if now < window.reset + _margin(window, share)]
        room = min((window.available(share) for window in current), default=want)
        granted = max(0, min(want, room, 1 if probing else want))
        if granted == 0:
            ends = [window.reset + _margin(window, share) - now for window in current if window.available(share) <= 0]
            return self, 0, max(0.05, min(min(ends, default=0.05), _LONGEST_WAIT))
        for window in quota.windows():
            quota = quota.having(replace(window, reserved=window.reserved + granted))
        return quota, granted, 0.0

    def _released(self, told: Told, now: float) -> Quota:
        quota = self
        if not told.answered and not told.unused:
            return quota
        for window in self.windows():
            reserved = max(0, window.reserved - told.answered - told.unused)
            # Until the report arrives that counts them, answered requests count as spent.
            remaining = max(0, window.remaining - told.answered)
            quota = quota.having(replace(window, reserved=reserved, remaining=remaining, touched=now))
        return quota

    def told_by(self, limit: int, remaining: int, reset: float | None, now: float) -> Window:
        """The window that an answer's headers tell of, as it stands after them."""
        name, seconds = self._which(limit, reset, now)
        before = self.hour if name == "hour" else self.spike
        end = now + seconds if reset is None or not now - _SLACK <= reset <= now + seconds + _SLACK else reset
        if before is None:
            return Window(name, seconds, limit, remaining, end, touched=now)
        same = abs(before.reset - end) < 1.0 and before.limit == limit
        if same:
            # Answers can overtake each other; the one that says less is the later one.
            remaining = min(remaining, before.remaining + 1)
        elif end < before.reset and before.limit == limit:
            return before
        return replace(before, limit=limit, remaining=remaining, reset=end, probe_at=0.0, touched=now)

    def _which(self, limit: int, reset: float | None, now: float) -> tuple[str, float]:
        for window in self.windows():
            other = self.spike if window is self.hour else self.hour
            if window.limit == limit and (other is None or other.limit != limit):
                near = reset is None or reset - now <= window.seconds + _SLACK
                if near:
                    return window.name, window.seconds
        if reset is not None and reset - now > self.spike_seconds + _SLACK:
            return "hour", self.hour_seconds
        return "spike", self.spike_seconds

    def rolled(self, told: str, now: float) -> Quota:
        """An answer told of one window; the other, if its end has passed, has begun anew."""
        quota = self
        for window in self.windows():
            if window.name != told and now >= window.reset:
                fresh = replace(
                    window, remaining=window.limit - 1, reset=now + window.seconds, probe_at=0.0, touched=now
                )
                quota = quota.having(fresh)
        return quota

    def having(self, window: Window) -> Quota:
        """The same quota with this window in its place."""
        return replace(self, hour=window) if window.name == "hour" else replace(self, spike=window)


def _margin(window: Window, share: float) -> float:
    """Seconds after a window's announced end before it is believed to be over.

    Where others keep a part, one early request does no harm; where syncd uses all, the second that HTTP dates are
    rounded to must pass.
    """
    return 0.0 if window.limit - int(window.limit * share) >= 1 else 1.0


def _careful(seconds: float, now: float) -> Window:
    return Window("spike", seconds, _CAREFUL_LIMIT, _CAREFUL_LIMIT - 1, now + seconds, touched=now)


def quota_of(stored: Mapping[str, Any] | None) -> Quota:
    """The quota as it was stored (`dataclasses.asdict`), or a new one."""
    if stored is None:
        return Quota()
    windows = {name: None if stored[name] is None else Window(**stored[name]) for name in ("hour", "spike")}
    return Quota(**{**stored, **windows})
