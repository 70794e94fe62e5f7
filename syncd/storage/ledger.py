"""What syncd remembers beside the rows: runs, refusals, rejects."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from syncd.errors import STOPPED
from syncd.model import Interrupted, Partition, Refusal, Reject, RunRecord, RunReport
from syncd.storage import tables as own
from syncd.storage.database import Database, Now
from syncd.storage.where import about, is_about, is_one_of, scope_columns, scope_of

_FIRST_PROBE = timedelta(hours=1)
_LAST_PROBE = timedelta(days=7)
_CHUNK = 200


class Ledger:
    """Runs, refusals and rejects.

    Args:
        database: Where.
        now: The wall clock, UTC.
    """

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    @cached_property
    def _refusals(self) -> Select[Any]:
        table = own.refusals
        columns = (table.c.status, table.c.reason, table.c.probe_at, *scope_columns(table))
        return select(*columns).where(is_about(table, sqlite=self._database.is_sqlite))

    def interrupted(self, job: str, principal: str) -> Interrupted | None:
        """The job's last run, where it was broken off and was the same principal's; to be asked under its lease."""
        r, c = own.runs, own.cursors
        last = select(r).where(r.c.job == job, r.c.status != "skipped").order_by(r.c.started_at.desc(), r.c.id.desc())
        with self._database.read() as connection:
            run = connection.execute(last.limit(1)).first()
            if run is None or run.principal != principal or not (run.status == "running" or was_stopped(run)):
                return None
            origin = run.resumes or run.id
            read = connection.execute(select(func.count()).select_from(c).where(c.c.full_run_id == origin)).scalar_one()
        return Interrupted(run.id, origin, run.finished_at or run.heartbeat_at or run.started_at, int(read))

    def beat(self, run_id: str) -> None:
        """Record that a run is alive."""
        with self._database.write() as connection:
            connection.execute(update(own.runs).where(own.runs.c.id == run_id).values(heartbeat_at=self._now()))

    def open_run(self, run: RunRecord) -> None:
        """Record that a run began. Its job's runs that nobody closed were interrupted: the lease says so."""
        runs = own.runs
        with self._database.write() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.job == run.job, runs.c.status == "running")
                .values(
                    status="failed",
                    exit_code=1,
                    finished_at=run.started_at,
                    error="The process ended in the middle of the run, or the database was away at its end.",
                    remedy="Nothing to do: the next run goes on where it was.",
                )
            )
            connection.execute(
                insert(runs).values(
                    id=run.id,
                    job=run.job,
                    job_type=run.job_type,
                    principal=run.principal,
                    trigger=run.trigger,
                    resumes=run.resumes,
                    status="running",
                    due_at=run.due_at,
                    started_at=run.started_at,
                    heartbeat_at=run.started_at,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                )
            )

    def close_run(self, report: RunReport) -> None:
        """Record how a run ended."""
        rows = report.rows
        with self._database.write() as connection:
            connection.execute(
                update(own.runs)
                .where(own.runs.c.id == report.run_id)
                .values(
                    status=str(report.status),
                    finished_at=report.finished_at,
                    requests=report.requests,
                    quota_wait_seconds=report.quota_wait,
                    rows_read=rows.read,
                    rows_inserted=rows.inserted,
                    rows_updated=rows.updated,
                    rows_unchanged=rows.unchanged,
                    rows_deleted=rows.deleted,
                    rows_rejected=rows.rejected,
                    exit_code=report.exit_code,
                    error=report.error,
                    remedy=report.remedy or None,
                )
            )
            if report.resources:
                connection.execute(
                    insert(own.run_resources),
                    [
                        {
                            "run_id": report.run_id,
                            "resource": one.resource,
                            "status": str(one.status),
                            "mode": str(one.mode),
                            "partitions": one.partitions,
                            "rows_read": one.rows.read,
                            "rows_inserted": one.rows.inserted,
                            "rows_updated": one.rows.updated,
                            "rows_unchanged": one.rows.unchanged,
                            "rows_deleted": one.rows.deleted,
                            "rows_rejected": one.rows.rejected,
                            "error": one.error,
                        }
                        for one in report.resources
                    ],
                )

    def skip_run(self, run: RunRecord, reason: str) -> None:
        """Record that a due run did not take place, and why."""
        with self._database.write() as connection:
            connection.execute(
                insert(own.runs).values(
                    id=run.id,
                    job=run.job,
                    job_type=run.job_type,
                    principal=run.principal,
                    trigger=run.trigger,
                    status="skipped",
                    due_at=run.due_at,
                    started_at=run.started_at,
                    finished_at=run.started_at,
                    error=reason,
                )
            )

    def refusals(self, partitions: Sequence[Partition]) -> Mapping[Partition, Refusal]:
        """What is remembered of refused partitions; the others are absent."""
        wanted = {scope_of(partition): partition for partition in partitions}
        found: dict[Partition, Refusal] = {}
        with self._database.read() as connection:
            for start in range(0, len(partitions), _CHUNK):
                chunk = partitions[start : start + _CHUNK]
                rows = connection.execute(self._refusals, about(chunk, sqlite=self._database.is_sqlite))
                for status, reason, probe_at, *scope in rows:
                    partition = wanted.get(tuple(scope))
                    if partition is not None:
                        found[partition] = Refusal(f"{status} {reason}".strip(), probe_at)
        return found

    def refused(self, partition: Partition, status: int, reason: str, now: datetime) -> None:
        """Remember a refusal; the interval to the next probe doubles, from an hour to a week."""
        table = own.refusals
        with self._database.write() as connection:
            before = connection.execute(select(table).where(is_one_of(table, [partition]))).first()
            times = 1 if before is None else before.times + 1
            wait = min(_FIRST_PROBE * 2 ** min(times - 1, 10), _LAST_PROBE)
            principal, resource, company, project, parent = scope_of(partition)
            statement = self._database.insert(table).values(
                principal=principal,
                resource=resource,
                company_id=company,
                project_id=project,
                parent=parent,
                status=status,
                reason=reason,
                times=times,
                first_at=now,
                last_at=now,
                probe_at=now + wait,
            )
            names = ("status", "reason", "times", "last_at", "probe_at")
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[column.name for column in table.primary_key.columns],
                    set_={name: statement.excluded[name] for name in names},
                )
            )

    def allowed(self, partitions: Sequence[Partition]) -> None:
        """Forget the refusals of partitions that answered."""
        with self._database.write() as connection:
            for start in range(0, len(partitions), _CHUNK):
                chunk = partitions[start : start + _CHUNK]
                connection.execute(delete(own.refusals).where(is_one_of(own.refusals, chunk)))

    def reject(
        self, connection: Connection, partition: Partition, rejects: Sequence[Reject], run_id: str, now: datetime
    ) -> None:
        """Keep records that cannot be stored, each once, with the runs that first and last met it."""
        principal, resource, company, project, parent = scope_of(partition)
        rows: dict[str, dict[str, Any]] = {}
        for reject in rejects:
            text = json.dumps(reject.record, ensure_ascii=True, default=str)
            fingerprint = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
            rows[fingerprint] = {
                "run_id": run_id,
                "principal": principal,
                "resource": resource,
                "company_id": company,
                "project_id": project,
                "parent": parent,
                "record_key": reject.key,
                "fingerprint": fingerprint,
                "reason": reject.reason,
                "record": text,
                "first_at": now,
                "last_at": now,
            }
        statement = self._database.insert(own.rejects)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["principal", "resource", "company_id", "project_id", "parent", "fingerprint"],
                set_={name: statement.excluded[name] for name in ("run_id", "last_at", "reason")},
            ),
            list(rows.values()),
        )


def was_stopped(run: Any) -> bool:
    """Whether a run ended because the program was asked to."""
    return run.status in {"partial", "failed"} and run.error == STOPPED
