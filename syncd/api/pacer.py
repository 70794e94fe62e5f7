"""Who may send the next request: one pacer per OAuth client and process, shared by all its jobs."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from syncd.api.ports import Clock, QuotaStore
from syncd.api.quota import Quota, Report, Told, Window, oddity
from syncd.model import Priority

_log = structlog.get_logger(__name__)

_SPARE = 128
"""Slots taken from the shared ledger in advance, where there are plenty: it need not be asked for every request, and while
it is asked nobody else gets a slot."""
_HELD_SECONDS = 1.0
"""For how long a slot in advance may be used; the time that it was granted for passes."""
_FORGOTTEN_SECONDS = 10.0
"""After so long the ledger may have forgotten slots that were granted: they are not handed back."""
_PATIENCE = 0.05
"""Seconds between looks of a thread that waits behind others."""

_REMARK_SECONDS = 60.0
"""Headers that cannot be true are remarked upon this often."""
_MINUTE = 60.0
"""A difference between clocks that slow answers do not explain."""


class MemoryQuota:
    """The ledger of one process alone.

    Args:
        quota: Where it begins; tests scale the windows down.
    """

    def __init__(self, quota: Quota | None = None) -> None:
        self._quota = quota or Quota()
        self._lock = threading.Lock()

    def exchange(
        self, told: Told, want: int, share: float, now: float, *, spare: int = 0, priority: int = 0
    ) -> tuple[int, float]:
        """Hand in what came since the last call, and take slots."""
        with self._lock:
            self._quota = self._quota.hearing(told, now)
            if not want:
                return 0, 0.0
            self._quota, granted, wait = self._quota.take(want, share, now, spare=spare, priority=priority)
            return granted, wait

    def windows(self) -> Sequence[Window]:
        """The windows as they are known."""
        with self._lock:
            return self._quota.windows()


class Pacer:
    """Lets requests through so that the allowance is used and never exceeded.

    Args:
        store: The ledger, shared by the processes of one OAuth client.
        clock: Time.
        share: Part of the allowance that syncd may use, over 0 to 1.
    """

    def __init__(self, store: QuotaStore, clock: Clock, share: float = 0.8) -> None:
        self._store = store
        self._clock = clock
        self._share = share
        self._turn = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._slots = 0
        self._granted_at = 0.0
        self._answered = 0
        self._reports: dict[tuple[int | None, float | None], Report] = {}
        self._skew = 0.0
        self._met = False
        self._doubt: float | None = None
        self._remarked = -math.inf
        self.waited = 0.0

    def acquire(self, priority: Priority, waiting: Callable[[float, str], None] | None = None) -> None:
        """Wait for a slot; who matters more goes first.

        Args:
            priority: Who asks.
            waiting: Told of every longer wait: seconds, and why.

        Raises:
            Stopped: Asked to stop while waiting.
        """
        with self._turn:
            ticket = (int(priority), next(self._numbers))
            heapq.heappush(self._waiting, ticket)
        try:
            while True:
                wait = self._try(ticket)
                if wait is None:
                    return
                if wait > 1.0 and waiting is not None:
                    waiting(wait, "quota")
                self._clock.sleep(min(wait, 1.0))
                self.waited += min(wait, 1.0)
        except BaseException:
            with self._turn:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
            raise

    def _try(self, ticket: tuple[int, int]) -> float | None:
        """None when the slot is given, else seconds to wait before the next try; 0: others go first, and went."""
        with self._turn:
            now = self._clock.monotonic()
            first = self._waiting[0]
            if self._slots > 0 and now < self._granted_at + _HELD_SECONDS:
                if first[0] < ticket[0]:
                    self._turn.wait(_PATIENCE)
                    return 0.0
            elif first != ticket:
                self._turn.wait(_PATIENCE)
                return 0.0
            else:
                urgent = sum(priority == first[0] for priority, _ in self._waiting)
                granted, wait = self._store.exchange(
                    self._told(), urgent, self._share, self.server_time(), spare=_SPARE, priority=first[0]
                )
                if not granted:
                    return wait
                self._slots, self._granted_at = granted, now
            self._slots -= 1
            self._waiting.remove(ticket)
            heapq.heapify(self._waiting)
            self._turn.notify_all()
            return None

    def answered(self, report: Report, server_time: float | None) -> None:
        """Tell of an answer.

        Args:
            report: Its rate-limit headers.
            server_time: Its Date header, Unix seconds, or None.
        """
        with self._turn:
            if server_time is not None:
                self._set_skew(server_time)
            self._answered += 1
            self._remark(report)
            window = (report.limit, report.reset)
            before = self._reports.get(window)
            self._reports[window] = report if before is None else _together(before, report)
            if report.blocked_until is not None:
                self._store.exchange(self._told(), 0, self._share, self.server_time())

    def flush(self) -> None:
        """Hand in what came, and slots that nobody needs: other processes may want them."""
        with self._turn:
            if self._answered or self._slots:
                self._store.exchange(self._told(), 0, self._share, self.server_time())

    def _remark(self, report: Report) -> None:
        odd = oddity(report, self.server_time())
        if odd and self._clock.monotonic() - self._remarked > _REMARK_SECONDS:
            self._remarked = self._clock.monotonic()
            _log.warning("Procore's quota headers cannot be true; syncd goes carefully", announced=odd)

    def _told(self) -> Told:
        """What came since the ledger was last spoken to; slots held go back with it."""
        held = self._clock.monotonic() - self._granted_at < _FORGOTTEN_SECONDS
        told = Told(tuple(self._reports.values()), self._answered, self._slots if held else 0)
        self._answered = self._slots = 0
        self._reports.clear()
        return told

    def lost(self) -> None:
        """Tell that a request ended without an answer; it may have counted."""
        with self._turn:
            self._answered += 1

    def server_time(self) -> float:
        """The server's clock as well as it is known, Unix seconds."""
        return self._clock.now().timestamp() + self._skew

    @property
    def skew(self) -> float:
        """Seconds that the server's clock is ahead of this machine's."""
        return self._skew

    def windows(self) -> Sequence[Window]:
        """The windows as they are known."""
        return self._store.windows()

    def _set_skew(self, server_time: float) -> None:
        """Learn the server's clock. One answer alone does not turn it by minutes: two in a row must agree."""
        # Date is cut to the second: half a second more is right on average, and a difference below one is noise.
        skew = server_time + 0.5 - self._clock.now().timestamp()
        skew = 0.0 if abs(skew) <= 1.0 else skew
        doubt, self._doubt = self._doubt, None
        if self._met and abs(skew - self._skew) > _MINUTE and (doubt is None or abs(skew - doubt) > _MINUTE):
            self._doubt = skew
            return
        if abs(skew - self._skew) > _MINUTE:
            _log.warning("this machine's clock differs from Procore's", seconds=round(skew))
        self._met, self._skew = True, skew


def _together(one: Report, other: Report) -> Report:
    """Two reports of the same window as one: what leaves less was said later."""
    blocked = max(filter(None, (one.blocked_until, other.blocked_until)), default=None)
    left = [report.remaining for report in (one, other) if report.remaining is not None]
    return replace(one, remaining=min(left, default=None), blocked_until=blocked, answers=one.answers + other.answers)
