"""What the API client needs from outside, as Protocols."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
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


class NoAnswer(Exception):
    """No answer came, or not all of it; its text says what happened, as the beginning of a sentence.

    Attributes:
        sent: Whether the request may have been carried out all the same.
    """

    def __init__(self, what: str, *, sent: bool = True) -> None:
        super().__init__(what)
        self.sent = sent


class Reply(Protocol):
    """An answer: its head, and its body on the way.

    Attributes:
        status: HTTP status.
        headers: By their names in small letters.
    """

    status: int
    headers: Mapping[str, str]

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, encoded as it is.

        Raises:
            NoAnswer: It does not come to its end.
        """

    def close(self) -> None:
        """Let go of it, read or not."""


class Transport(Protocol):
    """The way to one origin, and to no other."""

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request, and wait for the answer's head.

        Args:
            method: GET or POST.
            target: Path and query (RFC 9112, 3.2.1), percent-encoded.
            headers: Besides Host and what the body needs.
            body: What is sent.

        Raises:
            NoAnswer: None came.
        """

    def close(self) -> None:
        """Close its connections."""


class Authorization(Protocol):
    """What makes requests somebody's."""

    def flow(self) -> Generator[str, int, None]:
        """Values of the Authorization header, each for one request, whose status it is sent."""


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
