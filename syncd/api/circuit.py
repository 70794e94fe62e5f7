"""A circuit that opens when the whole API is down: one probe at a time instead of a storm."""

from __future__ import annotations

import threading

import structlog

from syncd.api.ports import Clock
from syncd.errors import Unavailable

_log = structlog.get_logger(__name__)

_THRESHOLD = 8
"""Failures in a row, of all threads together, that mean that it is not one endpoint's fault."""
_LONGEST = 30.0


class Circuit:
    """Shared by all requests to one API.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at = 0.0
        self._probing = False

    def enter(self, deadline: float) -> None:
        """Pass, or wait until a probe has shown that the API answers again.

        Args:
            deadline: Monotonic time until when this request may wait.

        Raises:
            Unavailable: The deadline passed.
            Stopped: Asked to stop while waiting.
        """
        while True:
            with self._lock:
                now = self._clock.monotonic()
                if self._failures < _THRESHOLD:
                    return
                if not self._probing and now >= self._probe_at:
                    self._probing = True
                    return
                wait = max(0.05, min(self._probe_at - now, 1.0))
            if now + wait > deadline:
                raise Unavailable("Procore does not answer at all.", "The next run tries again.")
            self._clock.sleep(wait)

    def worked(self) -> None:
        """An answer came that is no failure of the server."""
        with self._lock:
            if self._failures >= _THRESHOLD:
                _log.info("Procore answers again")
            self._failures = 0
            self._probing = False

    def failed(self) -> None:
        """No answer came, or one that says that the server is in trouble."""
        with self._lock:
            self._failures += 1
            self._probing = False
            over = self._failures - _THRESHOLD
            if over >= 0:
                self._probe_at = self._clock.monotonic() + min(0.5 * 2 ** min(over, 10), _LONGEST)
            if over == 0:
                _log.warning("Procore does not answer at all; asking with one request at a time")
