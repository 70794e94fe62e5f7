"""What the API client needs from outside, as Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from syncd.api.quota import Told, Window


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


class QuotaStore(Protocol):
    """Where all processes of one OAuth client agree on who may send how much."""

    def exchange(
        self, told: Told, want: int, share: float, now: float, *, spare: int = 0, priority: int = 0
    ) -> tuple[int, float]:
        """Hand in what came since the last call, and take slots.

        Args:
            told: What came.
            want: Requests that wait for slots; 0 only hands in.
            share: Part of the allowance that syncd may use.
            now: Server's clock, Unix seconds.
            spare: Slots wished for in advance, where there are plenty.
            priority: Of the requests that wait; lower goes first, in other processes too.

        Returns:
            Slots granted, and seconds to wait before asking again where it is none.
        """

    def windows(self) -> Sequence[Window]:
        """The windows as they are known."""


class RequestStore(Protocol):
    """Where requests are counted, by the hour."""

    def add(self, counts: Mapping[Observation, int]) -> None:
        """Add to the counts."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What Procore may hold against an app, of one request.

    Attributes:
        hour: Start of the hour, UTC.
        status: HTTP status; 0 where no answer came.
        kind: `missing_company`, `deprecated`, `private`, or an empty string.
    """

    hour: datetime
    status: int
    kind: str = ""
