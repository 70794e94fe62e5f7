"""Who sees which rows: what stands, what a complete listing did not bring, and what becomes a tombstone.

A row names the principals whose listings brought it. It is gone when the last of them has not seen it any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, select, tuple_, update

from syncd.catalog.layout import Layout
from syncd.model import Key, Partition, Window
from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.layouts import Layouts
from syncd.storage.marks import Marks
from syncd.storage.partitions import PartitionNumbers
from syncd.storage.schema import DELETED_AT, RUN_ID, SEEN_BY, Tables
from syncd.storage.where import (
    child_rows,
    has_key,
    in_partition,
    in_scope,
    is_partition,
    key_text,
    sees,
    stands,
)

_CHUNK = 1_000
"""Keys per query."""


class Sight:
    """Sight of rows, on one database.

    Args:
        database: Where.
        layouts: For the tables of each layout.
        numbers: What partitions are called by.
        marks: Where rows that stand are counted.
    """

    def __init__(self, database: Database, layouts: Layouts, numbers: PartitionNumbers, marks: Marks) -> None:
        self._database = database
        self._sqlite = database.is_sqlite
        self._layouts = layouts
        self._numbers = numbers
        self._marks = marks
        self._remember = database.insert(own.sightings).on_conflict_do_nothing()

    def _tables(self, layout: Layout) -> Tables:
        return self._layouts.lookups(layout).tables

    def live(self, layout: Layout, partition: Partition, window: Window | None = None) -> int:
        """How many rows of this partition stand without tombstone and are seen by its principal."""
        tables = self._tables(layout)
        query = (
            select(func.count())
            .select_from(tables.root)
            .where(stands(layout, tables, partition, window, sqlite=self._sqlite))
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def missing(
        self, layout: Layout, partition: Partition, window: Window | None, seen: frozenset[Key] | None
    ) -> Iterator[Key]:
        """Keys of the partition's live rows, seen by its principal, that a complete listing did not bring."""
        tables = self._tables(layout)
        key_columns = [tables.root.c[name] for name in layout.key]
        last: Key | None = None
        while True:
            query = select(*key_columns).where(stands(layout, tables, partition, window, sqlite=self._sqlite))
            if last is not None:
                query = query.where(tuple_(*key_columns) > tuple_(*last))
            with self._database.read() as connection:
                chunk = [tuple(row) for row in connection.execute(query.order_by(*key_columns).limit(_CHUNK))]
            if not chunk:
                return
            brought = seen if seen is not None else self._sighted(partition, chunk)
            yield from (key for key in chunk if key not in brought)
            last = chunk[-1]

    def _sighted(self, partition: Partition, keys: Sequence[Key]) -> frozenset[Key]:
        number = self._numbers.get(partition)
        by_text = {key_text(key): key for key in keys}
        s = own.sightings
        with self._database.read() as connection:
            if number is None:
                number = connection.execute(select(own.partitions.c.id).where(is_partition(partition))).scalar()
            rows = connection.execute(
                select(s.c.record_key).where(s.c.partition_id == number, s.c.record_key.in_(by_text))
            )
            return frozenset(by_text[row.record_key] for row in rows)

    def remember(self, connection: Connection, number: int, keys: Sequence[Key]) -> None:
        """Remember keys as seen by the listing of a partition that is under way, by the partition's number."""
        connection.execute(self._remember, [{"partition_id": number, "record_key": key_text(key)} for key in keys])

    def forget(self, connection: Connection, partition: Partition) -> None:
        """Drop what a listing remembered as seen."""
        number = self._numbers.number(connection, [partition])[partition]
        connection.execute(delete(own.sightings).where(own.sightings.c.partition_id == number))

    def give(self, connection: Connection, layout: Layout, partition: Partition, keys: Sequence[Key]) -> None:
        """Give the principal sight of rows, and take their tombstones away."""
        tables = self._tables(layout)
        table, principal = tables.root, partition.principal
        seen_by = table.c[SEEN_BY]
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            where = and_(in_scope(layout, table, partition), has_key(layout, table, chunk, sqlite=self._sqlite))
            connection.execute(update(table).where(where, seen_by == "").values({SEEN_BY: principal, DELETED_AT: None}))
            connection.execute(
                update(table)
                .where(where, ~sees(seen_by, principal))
                .values({SEEN_BY: seen_by + " " + principal, DELETED_AT: None})
            )
            connection.execute(update(table).where(where).values({DELETED_AT: None}))
            for child, ids in child_rows(layout, tables, partition, chunk, sqlite=self._sqlite):
                connection.execute(update(child).where(ids).values({DELETED_AT: None}))

    def take(
        self,
        connection: Connection,
        layout: Layout,
        partition: Partition,
        keys: Sequence[Key],
        run_id: str,
        now: datetime,
        *,
        remove: bool,
    ) -> int:
        """Take the principal's sight from rows of the partition; those that nobody sees any more are gone.

        Args:
            connection: In a transaction.
            layout: The resource's tables.
            partition: Rows that stand elsewhere by now are left alone.
            keys: Of the rows.
            run_id: Written to what becomes a tombstone.
            now: When it does.
            remove: Remove rows instead of marking them.

        Returns:
            How many are gone.
        """
        tables = self._tables(layout)
        table, principal = tables.root, partition.principal
        seen_by = table.c[SEEN_BY]
        key_columns = [table.c[name] for name in layout.key]
        total = 0
        for start in range(0, len(keys), _CHUNK):
            chunk = keys[start : start + _CHUNK]
            where = and_(in_partition(layout, tables, partition), has_key(layout, table, chunk, sqlite=self._sqlite))
            rows = connection.execute(select(*key_columns, seen_by).where(where, sees(seen_by, principal))).all()
            if rows:
                number = self._numbers.number(connection, [partition])[partition]
                self._marks.add_standing(connection, [{"number": number, "more": -len(rows)}])
            last = [tuple(row[:-1]) for row in rows if row[-1] == principal]
            others: dict[str, list[Key]] = defaultdict(list)
            for row in rows:
                if row[-1] != principal:
                    rest = " ".join(one for one in row[-1].split() if one != principal)
                    others[rest].append(tuple(row[:-1]))
            for rest, shared in others.items():
                scope = and_(in_scope(layout, table, partition), has_key(layout, table, shared, sqlite=self._sqlite))
                connection.execute(update(table).where(scope).values({SEEN_BY: rest}))
            if not last:
                continue
            total += len(last)
            scope = and_(in_scope(layout, table, partition), has_key(layout, table, last, sqlite=self._sqlite))
            gone = {DELETED_AT: now, RUN_ID: run_id}
            for child, ids in child_rows(layout, tables, partition, last, sqlite=self._sqlite):
                connection.execute(delete(child).where(ids) if remove else update(child).where(ids).values(gone))
            statement = (
                delete(table).where(scope) if remove else update(table).where(scope).values({**gone, SEEN_BY: ""})
            )
            connection.execute(statement)
        return total
