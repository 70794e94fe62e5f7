"""What `status`, the status page and the metrics show: read only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import and_, false, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

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
class RunDay:
    """A job's runs of one day.

    Attributes:
        job: Its name.
        day: In UTC.
        status: How they ended, or `running`.
        count: How many.
    """

    job: str
    day: date
    status: str
    count: int


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

    def last_runs(self, jobs: Collection[str]) -> dict[str, RunRow]:
        """Each job's latest run that was not skipped."""
        r = own.runs
        found: dict[str, RunRow] = {}
        for job in jobs:  # one look into the index each; a single query would read the whole ledger
            query = select(r).where(r.c.job == job, r.c.status != "skipped").order_by(r.c.started_at.desc()).limit(1)
            found |= {run.job: run for run in self._runs(query)}
        return found

    def runs_since(self, since: datetime) -> list[RunRow]:
        """All runs that began since, oldest first."""
        return self._runs(select(own.runs).where(own.runs.c.started_at >= since).order_by(own.runs.c.started_at))

    def recent_errors(self, jobs: Collection[str], since: datetime, limit: int = 20) -> list[RunRow]:
        """The latest runs since that did not work as they should, the newest first."""
        r = own.runs
        query = select(r).where(r.c.job.in_(jobs), r.c.started_at >= since, r.c.status.in_(("failed", "partial")))
        return self._runs(query.order_by(r.c.started_at.desc()).limit(limit))

    def run_days(self, jobs: Collection[str], since: datetime) -> list[RunDay]:
        """Runs that began since, counted by job, day and status."""
        r = own.runs
        sqlite_day = func.substr(r.c.started_at, 1, 10)
        day = sqlite_day if self._database.is_sqlite else func.date(func.timezone("UTC", r.c.started_at))
        query = (
            select(r.c.job, day, r.c.status, func.count())
            .where(r.c.job.in_(jobs), r.c.started_at >= since)
            .group_by(r.c.job, day, r.c.status)
            .order_by(r.c.job, day, r.c.status)
        )
        with self._database.read() as connection:
            return [
                RunDay(row[0], date.fromisoformat(str(row[1])), row[2], int(row[3]))
                for row in connection.execute(query)
            ]

    def run_totals(self, jobs: Collection[str], since: datetime) -> tuple[Mapping[tuple[str, ...], float], ...]:
        """Of runs that began since and have ended: how many by job and status, and records by job and outcome."""
        r = own.runs
        outcomes = ("read", "inserted", "updated", "unchanged", "deleted", "rejected")
        query = (
            select(r.c.job, r.c.status, func.count(), *(func.sum(r.c[f"rows_{outcome}"]) for outcome in outcomes))
            .where(r.c.job.in_(jobs), r.c.started_at >= since, r.c.status != "running")
            .group_by(r.c.job, r.c.status)
        )
        runs: dict[tuple[str, ...], float] = {}
        rows: dict[tuple[str, ...], float] = {}
        with self._database.read() as connection:
            for job, status, count, *sums in connection.execute(query):
                runs[job, status] = float(count)
                for outcome, total in zip(outcomes, sums, strict=True):
                    rows[job, outcome] = rows.get((job, outcome), 0.0) + float(total or 0)
        return runs, rows

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

    def freshness(self, jobs: Collection[str] = ()) -> list[Freshness]:
        """Every table that has been read, by name.

        Args:
            jobs: Whose last runs tell which partitions there still are: where all of a resource went well, a partition
                that the run did not touch belongs to a parent or project that has gone, and says nothing of today.
        """
        p, r = own.partitions, own.runs
        there = ~func.coalesce(or_(false(), *self._gone(jobs)), false())
        standing = p.outerjoin(r, r.c.id == p.c.run_id)
        query = (
            select(
                p.c.resource,
                p.c.principal,
                func.count().label("partitions"),
                func.min(p.c.checked_at).label("oldest"),
                func.max(p.c.checked_at).label("newest"),
                func.count(p.c.checked_at).label("checked"),
                func.sum(p.c.standing).label("rows"),
            )
            .select_from(standing)
            .where(there)
            .group_by(p.c.resource, p.c.principal)
            .order_by(p.c.resource, p.c.principal)
        )
        doubtful = (
            select(p.c.resource, p.c.principal, func.count().label("count"))
            .select_from(standing)
            .where(there, p.c.status.is_not(None), p.c.status != "ok")
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

    def _gone(self, jobs: Collection[str]) -> Iterator[ColumnElement[bool]]:
        """What is true of the partitions that the jobs do not read any more."""
        p, r, one = own.partitions, own.runs, own.run_resources
        for job in jobs:
            first = r.alias()
            began = func.coalesce(first.c.started_at, r.c.started_at, type_=own.UtcDateTime).label("began")
            runs = r.outerjoin(first, first.c.id == r.c.resumes)
            ended = select(r.c.id, began).select_from(runs).where(r.c.job == job, r.c.status.in_(("ok", "partial")))
            with self._database.read() as connection:
                last = connection.execute(ended.order_by(r.c.started_at.desc()).limit(1)).first()
            if last is not None:
                whole = select(one.c.resource).where(one.c.run_id == last.id, one.c.status == "ok")
                yield and_(r.c.job == job, p.c.resource.in_(whole), r.c.started_at < last.began)

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
