"""Erasing all trace of a company, a project or a person.

The tables themselves say where to look: every row carries its scope, child rows name their record, and Procore's users
stand in other records as `x_id` beside `x_login`. A company's or project's rows are removed. A person's own rows are
removed, too; in records of other things, which stay, what tells who it was becomes NULL: those columns, any value that is the
person's login or address, and JSON in which one stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import JSON, Connection, MetaData, Table, Text, and_, case, delete, func, null, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from syncd.catalog.layout import PARENT_ID, RECORD_ID
from syncd.errors import JobBusy
from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.schema import DELETED_AT, MISFITS

_ABOUT = ("id", "login", "name", "email", "email_address", "first_name", "last_name", "initials", "job_title")
"""Endings of columns that tell who a user is, beside `login`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who or what is erased.

    Attributes:
        kind: `user` is a person, by the id of the user's record.
        number: Procore's id.
    """

    kind: Literal["company", "project", "user"]
    number: int


def purge(database: Database, subject: Subject, now: datetime) -> Mapping[str, int]:
    """Erase a subject, in one transaction; SQLite's file is rewritten so that nothing is left in free pages.

    Returns:
        Rows removed or made nameless, by table; tables that had none are absent.

    Raises:
        JobBusy: A job runs, and would write what is being erased.
        StoreError: The database refused; nothing was erased.
    """
    with database.write() as connection:
        _refuse_while_running(connection, now)
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        found = MetaData()
        found.reflect(connection, only=lambda name, _: not name.startswith("syncd_"), resolve_fks=False)
        work = _Purge(connection, list(found.tables.values()), subject)
        counts = work.erase_user() if subject.kind == "user" else work.erase_scope()
    if database.is_sqlite:
        _compact(database)
    return {name: count for name, count in counts.items() if count}


def _refuse_while_running(connection: Connection, now: datetime) -> None:
    locks = own.locks
    running = select(locks).where(locks.c.owner != "", locks.c.expires_at > now, locks.c.name.startswith("job:"))
    held = connection.execute(running).first()
    if held is not None:
        job = held.name.partition(":")[2]
        raise JobBusy(
            f"Job {job} is being run by process {held.pid} on {held.host}.", "Stop that process first, then purge."
        )


def _compact(database: Database) -> None:
    raw = database.engine.raw_connection()
    try:
        for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            raw.cursor().execute(statement)
    finally:
        raw.close()


class _Purge:
    """One erasure inside a transaction.

    Args:
        connection: The transaction.
        tables: All synced tables.
        subject: Who or what is erased.
    """

    def __init__(self, connection: Connection, tables: Sequence[Table], subject: Subject) -> None:
        self._connection = connection
        self._subject = subject
        self._roots = [table for table in tables if PARENT_ID not in table.c]
        self._below = [table for table in tables if PARENT_ID in table.c]
        self._counts: dict[str, int] = {}

    def erase_scope(self) -> dict[str, int]:
        """Rows of a company or project, its own record, and what syncd remembers of reading it."""
        column, number = f"{self._subject.kind}_id", self._subject.number
        plural = "companies" if self._subject.kind == "company" else "projects"
        for table in self._roots:
            conditions = [table.c[column] == number] if column in table.c else []
            if table.name == plural and "id" in table.c:
                self._read_again(table, table.c.id == number)
                conditions.append(table.c.id == number)
            if conditions:
                self._remove(table, or_(*conditions))
        for table in self._below:
            if column in table.c:
                self._delete(table, table.c[column] == number)
        for table in (own.rejects, own.refusals):
            self._delete(table, table.c[column] == number)
        gone = select(own.partitions.c.id).where(own.partitions.c[column] == number)
        for table in (own.cursors, own.sightings):
            self._delete(table, table.c.partition_id.in_(gone))
        self._delete(own.partitions, own.partitions.c[column] == number)
        return self._counts

    def erase_user(self) -> dict[str, int]:
        """A person's own rows, their traces in others' rows, and rejected records that tell of them."""
        number = self._subject.number
        words = self._words()
        for table in self._roots:
            if table.name.endswith("users") and "id" in table.c:
                self._read_again(table, table.c.id == number)
                self._remove(table, table.c.id == number)
        for table in (*self._roots, *self._below):
            for prefix in _users_in(table):
                self._blank(table, prefix)
            self._clear_words(table, words)
        record = own.rejects.c.record
        mine = and_(own.rejects.c.resource.endswith("users"), own.rejects.c.record_key == f"[{number}]")
        self._delete(own.rejects, or_(mine, *(record.contains(word, autoescape=True) for word in words)))
        return self._counts

    def _words(self) -> list[str]:
        """What the person is called where only text tells: addresses and logins."""
        words: set[str] = set()
        for table in self._roots:
            if table.name.endswith("users") and "id" in table.c:
                columns = [table.c[name] for name in ("login", "email_address", "email") if name in table.c]
                if columns:
                    rows = self._connection.execute(select(*columns).where(table.c.id == self._subject.number))
                    words |= {str(value) for row in rows for value in row if value}
        return sorted(words)

    def _blank(self, table: Table, prefix: str) -> None:
        columns = [f"{prefix}{ending}" for ending in _ABOUT if f"{prefix}{ending}" in table.c]
        keys = {column.name for column in table.primary_key.columns}
        mine = table.c[f"{prefix}id"] == self._subject.number
        values = {name: None for name in columns if name not in keys}
        self._count(table, self._connection.execute(update(table).where(mine).values(values)).rowcount)

    def _clear_words(self, table: Table, words: Sequence[str]) -> None:
        """Empty values that are the person's login or address, and JSON in which one stands."""
        keys = {column.name for column in table.primary_key.columns}
        tells: dict[str, ColumnElement[bool]] = {}
        for column in table.c if words else ():
            if column.name == MISFITS or isinstance(column.type, JSON):
                said = column.cast(Text)
                tells[column.name] = or_(*(said.contains(word, autoescape=True) for word in words))
            elif isinstance(column.type, Text) and column.name not in keys and not column.name.startswith("_syncd_"):
                tells[column.name] = column.in_(words)
        if tells:
            values = {name: case((condition, null()), else_=table.c[name]) for name, condition in tells.items()}
            self._count(
                table, self._connection.execute(update(table).where(or_(*tells.values())).values(values)).rowcount
            )

    def _read_again(self, table: Table, condition: ColumnElement[bool]) -> None:
        """Have the listings that these rows are of read from their beginning: an increment would not bring them back."""
        p, scope = own.partitions, [name for name in ("company_id", "project_id") if name in table.c]
        live = func.sum(case((table.c[DELETED_AT].is_(None), 1), else_=0)).label("live")
        found = select(*(table.c[name] for name in scope), live).where(condition)
        for row in self._connection.execute(found.group_by(*(table.c[name] for name in scope))).mappings().all():
            if row["live"] is None:
                continue
            here = and_(p.c.resource == table.name, *(p.c[name] == row[name] for name in scope))
            left = case((p.c.standing > row["live"], p.c.standing - row["live"]), else_=0)
            self._connection.execute(update(p).where(here).values(standing=left))
            anew = {"watermark": None, "full_at": None, "full_run_id": None, "state": "{}"}
            ids = select(p.c.id).where(here)
            self._connection.execute(update(own.cursors).where(own.cursors.c.partition_id.in_(ids)).values(anew))
            self._connection.execute(delete(own.sightings).where(own.sightings.c.partition_id.in_(ids)))

    def _remove(self, table: Table, condition: ColumnElement[bool]) -> None:
        """Rows, and the child rows below them."""
        for child in self._below:
            if self._root_of(child) is table and "id" in table.c:
                owner = child.c[RECORD_ID] if RECORD_ID in child.c else child.c[PARENT_ID]
                shared = [n for n in ("company_id", "project_id") if n in table.primary_key.columns and n in child.c]
                same = and_(table.c.id == owner, *(table.c[name] == child.c[name] for name in shared))
                self._delete(child, select(table.c.id).where(condition, same).correlate(child).exists())
        self._delete(table, condition)

    def _root_of(self, child: Table) -> Table | None:
        fitting = [table for table in self._roots if child.name.startswith(f"{table.name}_")]
        return max(fitting, key=lambda table: len(table.name), default=None)

    def _delete(self, table: Table, condition: ColumnElement[bool]) -> None:
        self._count(table, self._connection.execute(delete(table).where(condition)).rowcount)

    def _count(self, table: Table, rows: int) -> None:
        self._counts[table.name] = self._counts.get(table.name, 0) + rows


def _users_in(table: Table) -> Iterator[str]:
    """Prefixes of columns that stand for a user: an id beside a login."""
    for name in table.c.keys():  # noqa: SIM118 - iterating the collection gives columns
        prefix = name.removesuffix("login")
        if name.endswith("login") and f"{prefix}id" in table.c:
            yield prefix
