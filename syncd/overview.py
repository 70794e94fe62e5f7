"""What an operator sees at a glance: in the terminal, as JSON, and on the status page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from syncd.storage.reports import Freshness, RefusalRow, RunRow


@dataclass(frozen=True, slots=True)
class JobView:
    """A job.

    Attributes:
        name: Its name.
        type: Its type.
        principal: Whom it acts for.
        schedule: In words, or an empty string.
        last: Its last run, or None.
        next: When it is due, or None.
    """

    name: str
    type: str
    principal: str
    schedule: str
    last: RunRow | None
    next: datetime | None


@dataclass(frozen=True, slots=True)
class TokenView:
    """A principal's token.

    Attributes:
        principal: Whose.
        state: `ok`, `failing`, or `consent needed`.
        detail: Since when, and what to do.
    """

    principal: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class QuotaView:
    """A quota window."""

    name: str
    limit: int
    remaining: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it."""

    now: datetime
    jobs: Sequence[JobView]
    tables: Sequence[Freshness]
    tokens: Sequence[TokenView]
    quota: Sequence[QuotaView]
    quota_share: float
    refusals: Sequence[RefusalRow]
    rejects: int
    observations: Mapping[str, int]
