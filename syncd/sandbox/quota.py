"""Two limits per app, an hourly and a spike one, and the headers that tell of the nearer."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """So many requests per so many seconds. A window opens at the whole second of its first request.

    Attributes:
        limit: Requests that it grants.
        seconds: How long it is.
        opened: When the open one began, Unix seconds.
        used: Requests in it so far.
        ended: Requests in each window that has ended, in order.
    """

    limit: int
    seconds: float
    opened: float = -math.inf
    used: int = 0
    ended: list[int] = field(default_factory=list)

    def open(self, now: float) -> None:
        """Begin another."""
        if self.used:
            self.ended.append(self.used)
        self.opened, self.used = math.floor(now), 0

    @property
    def reset(self) -> float:
        """When the open window ends, Unix seconds."""
        return self.opened + self.seconds

    @property
    def remaining(self) -> int:
        """Requests left in the open window."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a request is told.

    Attributes:
        allowed: Whether it is served.
        headers: The X-Rate-Limit headers, Retry-After where it is not served.
    """

    allowed: bool
    headers: dict[str, str]


class Quota:
    """The windows of one app. Refused requests count, requests beyond the limit do not count again.

    Args:
        clock: Gives Unix seconds.
        windows: Limit and length in seconds of each.
    """

    def __init__(self, clock: Callable[[], float], windows: Sequence[tuple[int, float]]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.windows = [Window(limit, seconds) for limit, seconds in windows]

    def configure(self, windows: Sequence[tuple[int, float]]) -> None:
        """Other limits from now on; what was used so far still counts where the window's length stays."""
        with self._lock:
            before = {window.seconds: window for window in self.windows}
            self.windows = [Window(limit, seconds) for limit, seconds in windows]
            for window in self.windows:
                if window.seconds in before:
                    window.opened, window.used = before[window.seconds].opened, before[window.seconds].used

    def take(self) -> Verdict:
        """Count one request."""
        with self._lock:
            now = self._clock()
            for window in self.windows:
                if now >= window.reset or now < window.opened:
                    window.open(now)
            exceeded = [window for window in self.windows if window.remaining == 0]
            if exceeded:
                nearest = max(exceeded, key=lambda window: window.reset)
                wait = max(1, math.ceil(nearest.reset - now))
                return Verdict(allowed=False, headers={**_headers(nearest), "Retry-After": str(wait)})
            for window in self.windows:
                window.used += 1
            return Verdict(allowed=True, headers=_headers(min(self.windows, key=_nearness)) if self.windows else {})


def _nearness(window: Window) -> float:
    return window.remaining / window.limit if window.limit else 0


def _headers(window: Window) -> dict[str, str]:
    return {
        "X-Rate-Limit-Limit": str(window.limit),
        "X-Rate-Limit-Remaining": str(window.remaining),
        "X-Rate-Limit-Reset": str(math.ceil(window.reset)),
    }
