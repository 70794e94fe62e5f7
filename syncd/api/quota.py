"""Procore's two quota windows, as a pure state machine in server time.

Every response tells of whichever window the app is nearer to exceeding, the hourly or the 10-second one (Procore:
"Rate Limiting"). They are told apart by their limit and by how far away their reset is. Refused requests count as well.

How much of a window is used is known exactly of ourselves, because every request takes a slot here first; what the
server counts beyond that is other users'. Counting what is left by the answers alone would count requests under way
twice: the answers of others tell of them already.

Slots that were granted and not yet answered are reserved: they are counted in the window that was open when they were
granted, and where it ends before they are answered also in the next one. A process that dies takes its reservations with
it, so they age in two steps and are forgotten: a request that was sent has been counted by the server long before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

HOUR = 3600.0
SPIKE = 10.0

_AGE = 10.0
"""Seconds after which a reservation becomes old; after as many again it is forgotten."""
_POLL = 0.25
"""Seconds to wait where slots that others hold may come back."""
_CAREFUL_LIMIT = 25
"""Requests per spike window where answers tell nothing: Procore's own example of a small allowance."""
_PROBE_SECONDS = 2.0
_SLACK = 2.0
_SHORTEST_WAIT, _LONGEST_WAIT = 0.05, 60.0
_PARTS = 4
"""One asker gets at most this part of what is left: the others need some too."""
_LATELY = 5.0
"""Seconds for which one who asked is expected to ask again: those who matter less leave room."""
_SPARE_PARTS = 64
"""Slots in advance are at most this part of what is left: where few are, none lie idle with one who may not need them."""


@dataclass(frozen=True, slots=True)
class Report:
    """The headers of one answer, or of several that tell of the same window, as they came.

    Attributes:
        limit: X-Rate-Limit-Limit, or None.
        remaining: X-Rate-Limit-Remaining, or None.
        reset: X-Rate-Limit-Reset, Unix seconds, or None.
        blocked_until: Set by a 429: nothing may be sent before, server's clock.
        answers: How many answers it stands for.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    blocked_until: float | None = None
    answers: int = 1


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
        reset: When it ends, server's clock, Unix seconds.
        granted: Slots given out that this window may count: while it was open, or before and then not answered yet.
        carried: Those of them that the window before may have counted instead.
        others: Requests that the server counted beyond these: other users' of the app.
        unclear: Answers around its end that say nothing of it: if another has begun already, it may count them.
        guessed: Whether no answer has told of this very window: its end is taken from the last one.
        probe_at: While the window's end has passed and no answer has told of the next one: when one request was let
            through to find out.
    """

    name: str
    seconds: float
    limit: int
    reset: float
    granted: int = 0
    carried: int = 0
    others: int = 0
    unclear: int = 0
    guessed: bool = False
    probe_at: float = 0.0

    @property
    def remaining(self) -> int:
        """Requests that are left, those under way counted as used."""
        return max(0, self.limit - self.granted - self.others)

    def available(self, share: float) -> int:
        """Slots that may be used: what is left, less what is kept for the app's other users."""
        return _permitted(self.limit, share) - self.granted - self.others

    def kept(self, share: float, now: float) -> int:
        """Slots that are kept for those who matter more: as many as evenly used ones would leave at this time.

        So who matters more never finds a window used up by others, and what they do not need is used up by its end.
        """
        return math.floor(_permitted(self.limit, share) * min(1.0, max(0.0, (self.reset - now) / self.seconds)))

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
        priority: The most urgent priority that asked lately.
        asked_at: When it did, server's clock.
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
    priority: int = 0
    asked_at: float = 0.0
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
        """After answers: they are under way no more, and the reports tell of windows and of other users."""
        quota = self.aging(now).released(told, now)
        for report in told.reports:
            quota = quota.told_of(report, now)
        return quota

    def take(
        self, want: int, share: float, now: float, *, spare: int = 0, priority: int = 0
    ) -> tuple[Quota, int, float]:
        """Slots for at most so many requests; where few are left, some stay for others who ask.

        Args:
            want: Requests that wait.
            share: Part of the allowance that may be used.
            now: Server's clock, Unix seconds.
            spare: Slots wished for in advance.
            priority: Of these requests; lower goes first.

        Returns:
            The quota after it, slots granted, and seconds to wait where it is none.
        """
        quota = self.asked(priority, now)
        wait = quota.wait(share, now, priority)
        if wait:
            return quota, 0, wait
        current, over = quota.parted(share, now)
        # What comes after a window's end is not known: one request finds out. What others keep makes room for it.
        granted = 1
        if current and not over:
            room = quota.room(current, share, now, priority)
            granted = min(want, max(1, room // _PARTS)) + min(spare, room // _SPARE_PARTS)
        started = quota.started if quota.windows() else now
        quota = replace(quota, young=quota.young + granted, started=started)
        for window in current:
            quota = quota.having(replace(window, granted=window.granted + granted))
        for window in over:
            quota = quota.having(replace(window, probe_at=now))
        return quota, granted, 0.0

    def asked(self, priority: int, now: float) -> Quota:
        """After somebody asked: who matters less than they leaves room for a while."""
        ago = now - self.asked_at
        if (priority > self.priority and 0 <= ago < _LATELY) or (priority == self.priority and 0 <= ago < 1.0):
            return self
        return replace(self, priority=priority, asked_at=now)

    def wait(self, share: float, now: float, priority: int) -> float:
        """Seconds to wait before slots can be given; 0 where they can. Never less than a clock can tell."""
        if now < self.blocked_until:
            return max(_SHORTEST_WAIT, min(self.blocked_until - now, _LONGEST_WAIT))
        current, over = self.parted(share, now)
        first = not current and not over and self.started and 0 <= now - self.started < _PROBE_SECONDS * 5
        if first or any(0 <= now - window.probe_at < _PROBE_SECONDS for window in over):
            return _SHORTEST_WAIT
        full = [window.reset + window.margin(share) - now for window in current if window.available(share) <= 0]
        if full:
            return max(_SHORTEST_WAIT, min(max(full), _POLL if self.reserved else _LONGEST_WAIT))
        return _POLL if current and self.room(current, share, now, priority) <= 0 else 0.0

    def parted(self, share: float, now: float) -> tuple[list[Window], list[Window]]:
        """The windows that stand, and those whose end has passed."""
        over = [window for window in self.windows() if window.is_over(share, now)]
        return [window for window in self.windows() if window not in over], over

    def room(self, current: Sequence[Window], share: float, now: float, priority: int) -> int:
        """Slots that all windows have for requests of this priority."""
        if priority <= self.priority:
            return min(window.available(share) for window in current)
        return min(window.available(share) - window.kept(share, now) for window in current)

    def aging(self, now: float) -> Quota:
        """Reservations too old to be requests under way are forgotten."""
        if 0 <= now - self.aged < _AGE:
            return self
        if now - self.aged < 2 * _AGE:
            return replace(self, young=0, old=self.young, aged=now)
        return replace(self, young=0, old=0, aged=now)

    def released(self, told: Told, now: float) -> Quota:
        """After requests ended, or were not needed."""
        ended = told.answered + told.unused
        if not ended:
            return self
        old = max(0, self.old - ended)
        quota = replace(self, young=max(0, self.young - (ended - self.old + old)), old=old, started=0.0)
        for window in quota.windows():
            granted = max(0, window.granted - told.unused)
            unclear = window.unclear + (told.answered if now > window.reset - _SLACK else 0)
            quota = quota.having(replace(window, granted=granted, unclear=unclear))
        return quota

    def told_of(self, report: Report, now: float) -> Quota:
        """After one report."""
        quota = self
        if report.blocked_until is not None:
            until = min(report.blocked_until, now + self.hour_seconds)
            quota = replace(quota, blocked_until=max(quota.blocked_until, until))
        if report.limit is None or report.remaining is None or report.limit <= 0:
            if quota.windows():
                return quota.rolled("", now)
            fresh = Window("spike", self.spike_seconds, _CAREFUL_LIMIT, now + self.spike_seconds, guessed=True)
            return quota.having(replace(fresh, granted=self.reserved + report.answers))
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
        limit = report.limit or 0
        used = limit - (report.remaining or 0)
        standing = before is not None and now < before.reset <= now + longest + _SLACK
        if report.reset is not None:
            end = report.reset
        else:
            end = before.reset if before is not None and standing else now + longest
        unclear = 0
        if before is not None:
            unclear = max(0, before.unclear - report.answers)
            if abs(before.reset - end) < 1.0 or (before.guessed and before.reset - before.seconds < end < before.reset):
                others = max(before.others, used - before.granted)
                return replace(before, limit=limit, reset=end, others=others, unclear=0, guessed=False)
            if before.limit == limit and end < before.reset <= now + longest + _SLACK:
                # The window before counted these.
                back = min(before.carried, report.answers)
                return replace(before, granted=before.granted - back, carried=before.carried - back, unclear=unclear)
        # Whatever is under way may count in a window that begins, and what ended unclearly.
        carried = self.reserved + unclear
        granted = carried + report.answers
        seconds = self.length(before, end, longest, report, now)
        return Window(name, seconds, limit, end, granted, carried, others=max(0, used - granted))

    @staticmethod
    def length(before: Window | None, end: float, longest: float, report: Report, now: float) -> float:
        """Seconds that a window lasts that begins, as far as is known."""
        if before is None:
            return longest
        # The request that found out opened the window: from it to the end is its length.
        learned = math.ceil(end - before.probe_at) if report.reset is not None and before.probe_at else 0
        known = before.seconds if before.seconds < longest else 0.0
        seconds = min(longest, max(learned, known, 0.0) or longest)
        return seconds if end - now <= seconds else longest

    def rolled(self, told: str, now: float) -> Quota:
        """An answer told of one window; another, if its end has passed, has begun anew."""
        quota = self
        for window in self.windows():
            if window.name != told and now >= window.reset:
                carried = self.reserved + window.unclear
                end = now + window.seconds
                fresh = Window(window.name, window.seconds, window.limit, end, carried, carried, guessed=True)
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


def quota_of(stored: Mapping[str, Any] | None) -> Quota:
    """The quota as it was stored (`dataclasses.asdict`), or a new one, also where another version stored it."""
    if stored is None:
        return Quota()
    try:
        windows = {name: None if stored[name] is None else Window(**stored[name]) for name in ("hour", "spike")}
        return Quota(**{**stored, **windows})
    except (KeyError, TypeError):
        return Quota()
