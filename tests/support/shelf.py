"""Stores of every kind under one handle: opened as often as wanted on one database, read back, emptied."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from sqlalchemy import text

from support.fake import FakeClock
from support.memory_store import Held, Memory, MemoryState, MemoryStore, Row, described
from syncd.catalog.layout import Column, Layout, Table
from syncd.catalog.resource import Resource
from syncd.engine.identity import Identified, Identifier
from syncd.engine.minimise import Minimiser
from syncd.engine.ports import Lease, State, Store
from syncd.engine.session import Session, Widening
from syncd.model import Counts, Key, Known, Partition, Window, Write
from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.migrate import verify
from syncd.storage.state import JobState
from syncd.storage.store import SqlStore


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


_READ: Mapping[str, Any] = {
    "decimal": lambda value: Decimal(str(value)),
    "boolean": bool,
    "date": str,
    "timestamp": _moment,
}
"""Makes what a database gives comparable with what another one gives."""


class Shelf(Protocol):
    """A kind of store."""

    clock: FakeClock

    def store(self) -> Store:
        """One more store on the same database, as another process would have it."""

    def state(self, job: str) -> State:
        """What a job remembers there."""

    def stored(self, layout: Layout, table: Table | None = None) -> list[Row]:
        """Rows of a table, the resource's own unless said otherwise, by column; in the order of their keys.

        A number that its column could not hold is shown in its place.
        """

    def remembered(self, table: str) -> list[Row]:
        """Rows of one of syncd's own tables, with the columns that both kinds have."""

    def empty(self) -> None:
        """As it was at first."""

    def close(self) -> None:
        """Give the database up."""


class SqlShelf:
    """`SqlStore` on a real database.

    Args:
        url: Of a database without tables of resources.
    """

    def __init__(self, url: str) -> None:
        self.clock = FakeClock()
        self.database = Database(url)
        verify(self.database)
        # Tables are read thousands of times, and what they hold is to be seen without the code under test.
        self._reader = self.database.engine.raw_connection()
        driver: Any = self._reader.driver_connection
        if not self.database.is_sqlite:
            driver.autocommit = True
            driver.prepare_threshold = None  # tables are made anew

    def store(self) -> Store:
        return SqlStore(self.database, self.clock.now)

    def state(self, job: str) -> State:
        return JobState(self.database, job)

    def stored(self, layout: Layout, table: Table | None = None) -> list[Row]:
        table = table or layout.table
        return _readable(layout, table, self._rows(table.name), texts=self.database.is_sqlite)

    def remembered(self, table: str) -> list[Row]:
        return [_moments(row) for row in self._rows(table)]

    def _rows(self, name: str) -> list[Row]:
        cursor = self._reader.cursor()
        try:
            cursor.execute(f'SELECT * FROM "{name}"')
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        finally:
            cursor.close()

    def empty(self) -> None:
        with self.database.write() as connection:
            catalog = "sqlite_master WHERE type = 'table'" if self.database.is_sqlite else "pg_tables WHERE true"
            column = "name" if self.database.is_sqlite else "tablename"
            names = [row[0] for row in connection.execute(text(f"SELECT {column} FROM {catalog}"))]
            for name in names:
                if not name.startswith(("syncd_", "sqlite_", "pg_", "sql_", "alembic")):
                    connection.execute(text(f'DROP TABLE "{name}"'))
            for table in reversed(own.metadata.sorted_tables):
                if table is not own.meta:
                    connection.execute(table.delete())
            connection.execute(own.meta.delete().where(own.meta.c.name.startswith("job:")))
        self.clock.reset()

    def close(self) -> None:
        self._reader.close()
        self.database.close()


class MemoryShelf:
    """The twin."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.memory = Memory()

    def store(self) -> Store:
        return MemoryStore(self.memory, self.clock.now)

    def state(self, job: str) -> State:
        return MemoryState(self.memory, job)

    def stored(self, layout: Layout, table: Table | None = None) -> list[Row]:
        table = table or layout.table
        held = list(self.memory.records[layout.resource].values())
        if not table.depth:
            return _readable(layout, table, [_own_row(one) for one in held])
        rows = [{**row, **_bookkeeping(one)} for one in held for row in one.children.get(table.name, ())]
        return _readable(layout, table, rows)

    def remembered(self, table: str) -> list[Row]:
        memory = self.memory
        tables: Mapping[str, list[Row]] = {
            "syncd_partitions": [self._partition(one) for one in {**memory.standing, **memory.proofs}],
            "syncd_rejects": list(memory.rejects.values()),
            "syncd_runs": list(memory.runs.values()),
            "syncd_run_resources": memory.run_resources,
            "syncd_schema_changes": memory.changes,
        }
        return tables[table]

    def _partition(self, partition: Partition) -> Row:
        proof, run_id = self.memory.proofs.get(partition, (None, None))
        said = asdict(proof) if proof else {}
        return {**described(partition), **said, "run_id": run_id, "standing": self.memory.standing[partition]}

    def empty(self) -> None:
        self.memory = Memory()
        self.clock.reset()

    def close(self) -> None: ...


class Desk:
    """One run's work at a store: records become batches as the engine makes them.

    Args:
        store: Where.
        resources: What it may write.
        run_id: Its run.
        lease: Its lease, or the name of one to take.
    """

    def __init__(
        self, store: Store, resources: Sequence[Resource], run_id: str = "run-1", lease: Lease | str = "job:a"
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.lease = store.lease(lease, 60) if isinstance(lease, str) else lease
        self._resources = {one.name: one for one in resources}
        self._sessions: dict[str, Session] = {}
        self.layouts: dict[str, Layout] = {}

    def session(self, name: str) -> Session:
        """The tables of a resource, shared by all its partitions."""
        if name not in self._sessions:
            resource, names = self._resources[name], frozenset(self._resources)
            layout = self.store.open(resource, names)
            widening = Widening(self.store, self.run_id, lambda _: None)
            self._sessions[name] = Session(resource, Minimiser((), (), b""), layout, self.layouts, widening)
        return self._sessions[name]

    def layout(self, name: str) -> Layout:
        """The tables of a resource as this run knows them; made where they are not."""
        return self.session(name).layout

    def found(self, partition: Partition, records: Sequence[Any]) -> Identified:
        """The records of a page, with their keys and hashes."""
        session = self.session(partition.resource)
        return Identifier(session.resource, session.layout, partition).identify(records)

    def batch(self, partition: Partition, records: Sequence[Any] = (), **more: Any) -> Write:
        """The batch of a page, whatever stands already."""
        session, found = self.session(partition.resource), self.found(partition, records)
        write = Write(partition, rejects=found.rejects)
        if found.keys:
            shaped = session.shape([(partition, len(found.keys))], found.records, found.keys)
            write = replace(
                write,
                root=shaped.root,
                children=shaped.children,
                keys=found.keys,
                hashes=found.hashes,
                misfits=shaped.misfits,
            )
        return replace(write, **more)

    def commit(self, *writes: Write) -> list[Counts]:
        """Commit batches in one transaction."""
        layouts = {write.partition.resource: self.layout(write.partition.resource) for write in writes}
        return list(self.store.commit(layouts, writes, self.run_id, self.lease))

    def put(self, partition: Partition, records: Sequence[Any] = (), **more: Any) -> Counts:
        """Commit one batch."""
        (counts,) = self.commit(self.batch(partition, records, **more))
        return counts

    def known(self, partition: Partition, *keys: Key) -> Mapping[Key, Known]:
        """What stands of these records."""
        return self.store.known(self.layout(partition.resource), [(partition, keys)])[0]

    def live(self, partition: Partition, window: Window | None = None) -> int:
        """How many rows stand."""
        return self.store.live(self.layout(partition.resource), partition, window)

    def missing(
        self, partition: Partition, seen: frozenset[Key] | None = frozenset(), window: Window | None = None
    ) -> list[Key]:
        """What a listing did not bring; without one, all keys that stand."""
        return list(self.store.missing(self.layout(partition.resource), partition, window, seen))

    def sweep(self, partition: Partition, *keys: Key, remove: bool = False) -> int:
        """Take the principal's sight from records."""
        layout = self.layout(partition.resource)
        return self.store.sweep(layout, partition, keys, self.run_id, self.lease, remove=remove)


def _own_row(held: Held) -> Row:
    seen = {"_syncd_seen_by": held.sight, "_syncd_hash": held.hash, "_syncd_parent": held.parent}
    return {**held.row, **_bookkeeping(held), **seen, "_syncd_misfits": held.misfits}


def _bookkeeping(held: Held) -> Row:
    return {"_syncd_synced_at": held.synced_at, "_syncd_deleted_at": held.deleted_at, "_syncd_run_id": held.run_id}


def _readable(layout: Layout, table: Table, rows: Sequence[Row], *, texts: bool = True) -> list[Row]:
    """Rows as every kind of store shows them; `texts`: whether JSON comes as text."""
    scope = layout.id_scope if table.depth else layout.scope
    readers = {**_READ, "json": json.loads if texts else lambda value: value}
    read = [_readable_row([*scope, *table.columns], row, readers) for row in rows]
    key = layout.child_key(table) if table.depth else layout.primary_key
    return sorted(read, key=lambda row: tuple(row[name] for name in key))


def _readable_row(columns: Sequence[Column], row: Row, readers: Mapping[str, Callable[[Any], Any]]) -> Row:
    misfits = row["_syncd_misfits"]
    misfits = json.loads(misfits) if isinstance(misfits, str) else dict(misfits or {})
    shown = _moments(row)
    for column in columns:
        value = shown.setdefault(column.name, None)
        if value is None and column.type == "decimal" and _is_number(misfits.get(".".join(column.path))):
            value = misfits.pop(".".join(column.path))
        shown[column.name] = value if value is None else readers.get(column.type, lambda same: same)(value)
    shown["_syncd_misfits"] = misfits
    if "_syncd_seen_by" in row:
        seen = row["_syncd_seen_by"]
        shown["_syncd_seen_by"] = set(seen.split() if isinstance(seen, str) else seen)
        shown.setdefault("_syncd_parent", "")
    return shown


def _is_number(value: Any) -> bool:
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _moments(row: Row) -> Row:
    return {name: _moment(value) if value and name.endswith("_at") else value for name, value in row.items()}
