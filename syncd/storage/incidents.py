"""What somebody was told, or is to be told: each incident once, across restarts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from syncd.storage import tables as own
from syncd.storage.database import Database


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that somebody is told of.

    Attributes:
        kind: `failure`, `recovery`, `stale` or `consent`.
        subject: The job, table or user.
        message: One sentence.
        remedy: What to do, or an empty string.
        opened_at: Since when, UTC.
        told: Whether somebody has been told.
    """

    kind: str
    subject: str
    message: str
    remedy: str
    opened_at: datetime
    told: bool = False

    @property
    def key(self) -> str:
        """Unique: `failure:field`."""
        return f"{self.kind}:{self.subject}"


class Incidents:
    """Those that are open.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, incident: Incident) -> None:
        """Remember it; one that is open already keeps its time and is not told of again."""
        table = own.incidents
        with self._database.write() as connection:
            connection.execute(
                self._database.insert(table)
                .values(
                    key=incident.key,
                    kind=incident.kind,
                    subject=incident.subject,
                    message=incident.message,
                    remedy=incident.remedy,
                    opened_at=incident.opened_at,
                )
                .on_conflict_do_nothing(index_elements=["key"])
            )

    def all(self, kinds: Collection[str] = ()) -> Sequence[Incident]:
        """Those that are open, the oldest first.

        Args:
            kinds: Only these; empty: all.
        """
        table = own.incidents
        query = select(table).order_by(table.c.opened_at, table.c.key)
        if kinds:
            query = query.where(table.c.kind.in_(kinds))
        with self._database.read() as connection:
            return [
                Incident(row.kind, row.subject, row.message, row.remedy, row.opened_at, row.notified_at is not None)
                for row in connection.execute(query)
            ]

    def told(self, incident: Incident, now: datetime) -> None:
        """Somebody has been told of it."""
        table = own.incidents
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.key == incident.key).values(notified_at=now))

    def close(self, incident: Incident) -> None:
        """It is over."""
        with self._database.write() as connection:
            connection.execute(delete(own.incidents).where(own.incidents.c.key == incident.key))
