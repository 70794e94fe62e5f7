"""Renews tokens in the background ahead of their end, so that no request waits for one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from syncd.auth.manager import TokenManager
from syncd.errors import Stopped

_FIRST_LOOK = 0.2
_SHORTEST, _LONGEST = 0.05, 5.0
"""Seconds between looks: managers come and go."""


class Renewer:
    """A thread that keeps tokens fresh while a run goes on.

    Args:
        managers: Gives those there are.
    """

    def __init__(self, managers: Callable[[], Iterable[TokenManager]]) -> None:
        self._managers = managers
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tokens", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()

    def _work(self) -> None:
        wait = _FIRST_LOOK
        while not self._ended.wait(wait):
            try:
                wait = min((manager.renew_ahead() for manager in self._managers()), default=1.0)
            except Stopped:
                return
            wait = max(_SHORTEST, min(wait, _LONGEST))
