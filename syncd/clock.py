"""The clock of a running program: real time, and waits that a stop ends."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from syncd.errors import STOPPED, Stopped


class SystemClock:
    """Real time.

    Args:
        stop: Set when the program is asked to stop.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> datetime:
        """The wall clock, UTC, aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: The program was asked to stop; at once, also when it was asked before.
        """
        if self._stop.wait(max(0.0, seconds)):
            raise Stopped(STOPPED, "The next run goes on where it was.")

    def stopping(self) -> bool:
        """Whether the program was asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ask everything that waits on this clock to stop."""
        self._stop.set()
