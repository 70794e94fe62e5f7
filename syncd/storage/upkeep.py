"""Keeps the database in shape: old entries of syncd's own ledgers go, statistics and the log of writes stay small."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, func, select, text

from syncd.storage import tables as own
from syncd.storage.database import Database

_BATCH = 2000
"""Rows per transaction: who waits to write does not wait long."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows went."""

    runs: int
    requests: int
    rejects: int


def prune(database: Database, runs: datetime, requests: datetime, rejects: datetime) -> Pruned:
    """Remove what is older. Each job's latest run stays, because schedules are counted from it.

    Args:
        database: Which.
        runs: Runs that began before it go.
        requests: Requests by the hour before it go.
        rejects: Rejects that were not met since go.
    """
    r = own.runs
    latest = select(func.max(r.c.started_at)).where(r.c.due_at.is_not(None)).group_by(r.c.job)
    old_runs = (r.c.started_at < runs) & (r.c.status != "running") & r.c.started_at.not_in(latest)
    return Pruned(
        runs=_removed(database, r, r.c.id, old_runs),
        requests=_removed_at_once(database, own.requests, own.requests.c.hour < requests),
        rejects=_removed(database, own.rejects, own.rejects.c.id, own.rejects.c.last_at < rejects),
    )


def _removed(database: Database, table: Table, key: Any, condition: Any) -> int:
    count = 0
    while True:
        with database.write() as connection:
            keys = [row[0] for row in connection.execute(select(key).where(condition).limit(_BATCH))]
            for start in range(0, len(keys), 500):
                connection.execute(delete(table).where(key.in_(keys[start : start + 500])))
        count += len(keys)
        if len(keys) < _BATCH:
            return count


def _removed_at_once(database: Database, table: Table, condition: Any) -> int:
    with database.write() as connection:
        return int(connection.execute(delete(table).where(condition)).rowcount)


def optimise(database: Database) -> None:
    """Refresh the statistics that queries are planned by, and empty SQLite's write-ahead log."""
    if database.is_sqlite:
        with database.write() as connection:
            connection.execute(text("PRAGMA analysis_limit=1000"))
            connection.execute(text("PRAGMA optimize"))
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
