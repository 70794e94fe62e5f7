"""What auth needs from outside, as Protocols."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, and waiting that ends early when the program is asked to stop."""

    def now(self) -> datetime:
        """The wall clock, UTC, aware."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait; raises `Stopped` at once when the program is asked to stop."""

    def stopping(self) -> bool:
        """Whether the program was asked to stop."""


class Failures(Protocol):
    """Where it is remembered that a principal's token could not be had, for `status`."""

    def failed(self, principal: str, error: str) -> None:
        """Remember."""

    def worked(self, principal: str) -> None:
        """Forget."""
