"""What `status`, the status page and the metrics show: read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from syncd.storage import tables as own
from syncd.storage.database import Database


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as it stands in `syncd_runs`."""

    id: str
    job: str
    trigger: str
    status: str
    due_at: datetime | None
    started_at: datetime
    finished_at: datetime | None
    requests: int
    rows_read: int
    rows_written: int
    error: str | None
    remedy: str | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a table is.

    Attributes:
        resource: Its name.
        principal: As whom it is read.
        partitions: How many partitions it has.
        oldest: When the partition that was read longest ago was last proved complete; None: one never was.
        newest: When the latest was.
        doubtful: Partitions whose last listing is not `ok`.
        rows: Rows proved to stand in it.
    """

    resource: str
    principal: str
    partitions: int
    oldest: datetime | None
    newest: datetime | None
    doubtful: int
    rows: int


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A remembered refusal."""

    principal: str
    resource: str
    company_id: int
    project_id: int
    status: int
    reason: str
    times: int
    last_at: datetime
    probe_at: datetime


@dataclass(frozen=True, slots=True)
class RequestHour:
    """Requests of one hour."""

    hour: datetime
    status: int
    observation: str
    count: int


class Reports:
    """Reads what syncd remembers.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def last_runs(self) -> dict[str, RunRow]:
        """Each job's latest run that was not skipped."""
        r = own.runs
        latest = (
            select(r.c.job, func.max(r.c.started_at).label("started_at"))
            .where(r.c.status != "skipped")
            .group_by(r.c.job)
            .subquery()
        )
        query = select(r).join(latest, (r.c.job == latest.c.job) & (r.c.started_at == latest.c.started_at))
        return {row.job: row for row in self._runs(query.where(r.c.status != "skipped"))}

    def runs_since(self, since: datetime) -> list[RunRow]:
        """All runs that began since, oldest first."""
        return self._runs(select(own.runs).where(own.runs.c.started_at >= since).order_by(own.runs.c.started_at))

    def recent_errors(self, limit: int = 20) -> list[RunRow]:
        """The latest runs that did not work as they should."""
        r = own.runs
        query = select(r).where(r.c.status.in_(("failed", "partial"))).order_by(r.c.started_at.desc()).limit(limit)
        return self._runs(query)

    def _runs(self, query: object) -> list[RunRow]:
        with self._database.read() as connection:
            return [
                RunRow(
                    id=row.id,
                    job=row.job,
                    trigger=row.trigger,
                    status=row.status,
                    due_at=row.due_at,
                    started_at=row.started_at,
                    finished_at=row.finished_at,
                    requests=row.requests or 0,
                    rows_read=row.rows_read or 0,
                    rows_written=(row.rows_inserted or 0) + (row.rows_updated or 0) + (row.rows_deleted or 0),
                    error=row.error,
                    remedy=row.remedy,
                )
                for row in connection.execute(query)  # type: ignore[call-overload]
            ]

    def freshness(self) -> list[Freshness]:
        """Every table that has been read, by name."""
        p = own.partitions
        query = (
            select(
                p.c.resource,
                p.c.principal,
                func.count().label("partitions"),
                func.min(p.c.checked_at).label("oldest"),
                func.max(p.c.checked_at).label("newest"),
                func.count(p.c.checked_at).label("checked"),
                func.sum(func.coalesce(p.c.stored, 0)).label("rows"),
            )
            .group_by(p.c.resource, p.c.principal)
            .order_by(p.c.resource, p.c.principal)
        )
        doubtful = (
            select(p.c.resource, p.c.principal, func.count().label("count"))
            .where(p.c.status.is_not(None), p.c.status != "ok")
            .group_by(p.c.resource, p.c.principal)
        )
        with self._database.read() as connection:
            wrong = {(row[0], row[1]): row[2] for row in connection.execute(doubtful)}
            return [
                Freshness(
                    resource=row.resource,
                    principal=row.principal,
                    partitions=row.partitions,
                    oldest=row.oldest if row.checked == row.partitions else None,
                    newest=row.newest,
                    doubtful=int(wrong.get((row.resource, row.principal), 0)),
                    rows=int(row.rows or 0),
                )
                for row in connection.execute(query)
            ]

    def refusals(self) -> list[RefusalRow]:
        """All that is remembered as refused."""
        r = own.refusals
        with self._database.read() as connection:
            return [
                RefusalRow(
                    row.principal,
                    row.resource,
                    row.company_id,
                    row.project_id,
                    row.status,
                    row.reason,
                    row.times,
                    row.last_at,
                    row.probe_at,
                )
                for row in connection.execute(select(r).order_by(r.c.resource, r.c.project_id))
            ]

    def rejects(self) -> int:
        """How many records are kept because they could not be stored."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(own.rejects)).scalar_one())

    def requests_since(self, client: str, since: datetime) -> Sequence[RequestHour]:
        """Requests by hour, status and observation."""
        r = own.requests
        hour = since - timedelta(minutes=since.minute, seconds=since.second, microseconds=since.microsecond)
        query = select(r).where(r.c.client == client, r.c.hour >= hour).order_by(r.c.hour)
        with self._database.read() as connection:
            return [RequestHour(*row[1:]) for row in connection.execute(query)]
