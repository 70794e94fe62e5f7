"""What auth needs from outside, as Protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A user's stored pair.

    Attributes:
        label: As given at `auth login`.
        sealed: The pair, encrypted.
        generation: Grows with every pair.
        state: `ok` or `consent needed`.
        reason: Why consent is needed, or None.
        login: Who it is at Procore, or None where that is not known.
        company_id: The company it was tried with, or None.
        expires_at: When the access token ends.
        consented_at: When the user signed in.
        refreshed_at: When the pair was last replaced, or None.
        intent: Generation whose refresh token may have been exchanged although its answer is not stored, or None.
        lost: How often an exchange of it was sent and brought no answer.
    """

    label: str
    sealed: bytes
    generation: int
    state: str
    reason: str | None
    login: str | None
    company_id: int | None
    expires_at: datetime
    consented_at: datetime
    refreshed_at: datetime | None
    intent: int | None
    lost: int

    @property
    def life(self) -> timedelta:
        """How long the access token lives in all."""
        return self.expires_at - (self.refreshed_at or self.consented_at)


class TokenStore(Protocol):
    """Where users' pairs are kept, for one app and environment. Every call commits before it returns."""

    def get(self, label: str) -> StoredToken | None:
        """A user's pair."""

    def all(self) -> Sequence[StoredToken]:
        """All, by label."""

    def create(self, label: str, sealed: bytes, expires_at: datetime, now: datetime) -> None:
        """Store a first pair, in place of any before."""

    def identify(self, label: str, login: str | None, user_id: int | None, company_id: int | None) -> None:
        """Remember who it is."""

    def intend(self, label: str, generation: int, now: datetime) -> None:
        """Journal that this generation's refresh token is about to be exchanged."""

    def lost(self, label: str, generation: int) -> None:
        """Journal that its exchange was sent and brought no answer."""

    def replace(self, label: str, generation: int, sealed: bytes, expires_at: datetime, now: datetime) -> bool:
        """Store the pair that follows this generation, and close its intent; False where another has followed."""

    def close(self, label: str, generation: int, reason: str) -> None:
        """Mark that consent is needed, unless another generation has followed."""

    def reseal(self, label: str, generation: int, sealed: bytes) -> bool:
        """Store the same pair under another key; False where another generation has followed."""

    def delete(self, label: str) -> bool:
        """Forget; whether there was one."""


class Locks(Protocol):
    """Leases that exclude other processes, and end with their owner."""

    def lease(self, name: str, seconds: float) -> Releasable:
        """Take one; raises `JobBusy` where another process has it."""


class Releasable(Protocol):
    """Something held."""

    def release(self) -> None:
        """Give it up."""
