"""What an operator sees at a glance: in the terminal, as JSON, on the status page and in the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from syncd.storage.reports import Freshness, RefusalRow, RequestHour, RunDay, RunRow

_NAMED = 4
"""How many of several tables are named."""

HISTORY = timedelta(days=14)
"""How far back the history of runs goes."""


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

    @property
    def running(self) -> bool:
        """Whether it runs now."""
        return self.last is not None and self.last.status == "running"


@dataclass(frozen=True, slots=True)
class TokenView:
    """A principal's token.

    Attributes:
        principal: Whose.
        state: `ok`, `failing`, or `consent needed`.
        detail: Since when, and what to do.
        expires_in: Seconds that the access token in this process' hand still lives; None where it has none.
    """

    principal: str
    state: str
    detail: str
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class QuotaView:
    """A quota window.

    Attributes:
        name: `hour` or `spike`.
        limit: Requests that the app may send in it.
        remaining: How many of them are left.
        available: How many of these syncd may use; where none, runs wait for the reset.
        resets_at: When the window ends, UTC.
    """

    name: str
    limit: int
    remaining: int
    available: int
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that needs a person.

    Attributes:
        subject: A job, a table, or a principal.
        message: What is wrong.
        remedy: What to do, or an empty string.
        grave: Whether it stops data from arriving; else some of it only.
    """

    subject: str
    message: str
    remedy: str
    grave: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """All of it.

    Attributes:
        now: When it was looked at.
        jobs: As configured.
        tables: Those that have been read.
        tokens: By principal.
        quota: Windows as Procore told of them last; a window that ended is whole again.
        quota_share: Part of the allowance that syncd may use.
        refusals: What is remembered as refused.
        rejects: Records that could not be stored.
        observations: What Procore counts of an app, over the last 14 days.
        stale_after: By resource and principal, the age at which a table is stale, where a job says so.
    """

    now: datetime
    jobs: Sequence[JobView]
    tables: Sequence[Freshness]
    tokens: Sequence[TokenView]
    quota: Sequence[QuotaView]
    quota_share: float
    refusals: Sequence[RefusalRow]
    rejects: int
    observations: Mapping[str, int]
    stale_after: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)

    def concerns(self) -> list[Concern]:
        """What needs a person, the gravest first."""
        found = [*self._failing_tokens(), *self._failed_jobs(), *self._stale_tables()]
        return sorted(found, key=lambda one: not one.grave)

    def is_stale(self, table: Freshness) -> bool:
        """Whether a table is older than its job allows."""
        limit = self.stale_after.get((table.resource, table.principal))
        return limit is not None and (table.oldest is None or self.now - table.oldest > limit)

    def _failing_tokens(self) -> Iterator[Concern]:
        for token in self.tokens:
            if token.state != "ok":
                yield Concern(token.principal, f"Token: {token.state}.", token.detail, grave=True)

    def _failed_jobs(self) -> Iterator[Concern]:
        tokenless = {token.principal for token in self.tokens if token.state != "ok"}
        for job in self.jobs:
            last = job.last
            if last is None or last.status not in {"failed", "partial"} or job.principal in tokenless:
                continue
            message = last.error or f"The last run ended {last.status}."
            yield Concern(job.name, message, last.remedy or "", grave=last.status == "failed")

    def _stale_tables(self) -> Iterator[Concern]:
        stale = [table.resource for table in self.tables if self.is_stale(table)]
        if not stale:
            return
        named = ", ".join(stale[:_NAMED]) + (f" and {len(stale) - _NAMED} more" if len(stale) > _NAMED else "")
        subject = "A stale table" if len(stale) == 1 else f"{len(stale)} stale tables"
        yield Concern(subject, f"Older than their job allows: {named}.", "See how its runs ended.", grave=False)


@dataclass(frozen=True, slots=True)
class History:
    """What happened before.

    Attributes:
        since: From when on.
        days: Runs by job, day (UTC) and status.
        errors: The latest runs that did not work as they should, the newest first.
        requests: By hour, status and observation, the oldest first.
    """

    since: datetime
    days: Sequence[RunDay]
    errors: Sequence[RunRow]
    requests: Sequence[RequestHour]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of the ledgers, for counters.

    Attributes:
        runs: By job and status.
        rows: By job and outcome.
        requests: By HTTP status.
    """

    runs: Mapping[tuple[str, ...], float]
    rows: Mapping[tuple[str, ...], float]
    requests: Mapping[tuple[str, ...], float]


class View(Protocol):
    """What the status page and the metrics are made of. Each raises `StoreError` where the database does not answer."""

    def overview(self) -> Overview:
        """What is now."""

    def history(self) -> History:
        """What happened before."""

    def totals(self, since: datetime) -> Totals:
        """Sums of what the ledgers hold of the time since then."""


def words(seconds: float) -> str:
    """A span of time as a person says it: `3 min`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
