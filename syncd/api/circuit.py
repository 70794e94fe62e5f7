"""A circuit that opens when the whole API is down: one probe at a time instead of a storm."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from syncd.api.ports import Clock
from syncd.errors import Unavailable

_log = structlog.get_logger(__name__)

_THRESHOLD = 8
"""Failures in a row, of all threads together, that mean that it is not one endpoint's fault."""
_LONGEST = 30.0
_PATIENCE = 300.0
"""Seconds of silence after which requests fail instead of waiting for their turn: a run ends, the next one asks again."""


class Circuit:
    """Shared by all requests to one API.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened = 0.0
        self._probe_at = 0.0
        self._probing = False

    @contextmanager
    def passing(self, deadline: float) -> Iterator[None]:
        """Around one request: it passes at once, or as the one that finds out whether the API answers again.

        Args:
            deadline: Monotonic time until when this request may wait.

        Raises:
            Unavailable: The deadline passed, or the API has been silent for so long that nobody waits any more.
            Stopped: Asked to stop while waiting.
        """
        probing = self._enter(deadline)
        try:
            yield
        finally:
            if probing:
                with self._lock:
                    self._probing = False

    def _enter(self, deadline: float) -> bool:
        """Whether this request is the one that finds out."""
        while True:
            with self._lock:
                now = self._clock.monotonic()
                if self._failures < _THRESHOLD:
                    return False
                if not self._probing and now >= self._probe_at:
                    self._probing = True
                    return True
                wait = max(0.05, min(self._probe_at - now, 1.0))
                hopeless = now - self._opened > _PATIENCE and not self._probing
            if hopeless or now + wait > deadline:
                raise Unavailable("Procore does not answer at all.", "The next run tries again.")
            self._clock.sleep(wait)

    def worked(self) -> None:
        """An answer came that is no failure of the server."""
        with self._lock:
            if self._failures >= _THRESHOLD:
                _log.info("Procore answers again")
            self._failures = 0

    def failed(self) -> None:
        """No answer came, or one that says that the server is in trouble."""
        with self._lock:
            self._failures += 1
            over = self._failures - _THRESHOLD
            if over >= 0:
                self._probe_at = self._clock.monotonic() + min(0.5 * 2 ** min(over, 10), _LONGEST)
            if over == 0:
                self._opened = self._clock.monotonic()
                _log.warning("Procore does not answer at all; asking with one request at a time")
