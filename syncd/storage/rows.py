"""Writing rows in bulk, the fastest way that each database has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import Connection, Numeric, Table
from sqlalchemy.exc import DBAPIError, IntegrityError

from syncd.storage.schema import MISFITS, PATH, SEEN_BY

_EXACT_DIGITS = 15
"""Significant digits that SQLite's REAL holds exactly; it has no decimals."""


class RowWriter(Protocol):
    """How one database takes many rows."""

    def upsert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows, or overwrite those of the same key."""

    def insert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows whose keys are expected to be new; as `upsert` where they are not."""


def _names(connection: Connection, names: Iterable[str]) -> str:
    quote = connection.dialect.identifier_preparer.quote
    return ", ".join(quote(name) for name in names)


def _conflict(connection: Connection, table: Table, columns: Sequence[str]) -> str:
    """The ON CONFLICT clause: content replaces content; who sees the row is added to, tombstones are cleared."""
    preparer = connection.dialect.identifier_preparer
    quote, name = preparer.quote, preparer.format_table(table)
    keys = [column.name for column in table.primary_key.columns]
    sets = [
        f"{quote(column)} = excluded.{quote(column)}" for column in columns if column not in keys and column != SEEN_BY
    ]
    if SEEN_BY in columns:
        old, new = f"{name}.{SEEN_BY}", f"excluded.{SEEN_BY}"
        within = "instr" if connection.dialect.name == "sqlite" else "strpos"
        sets.append(
            f"{SEEN_BY} = CASE WHEN {old} = '' THEN {new} "
            f"WHEN {within}(' ' || {old} || ' ', ' ' || {new} || ' ') > 0 THEN {old} ELSE {old} || ' ' || {new} END"
        )
    return f"ON CONFLICT ({_names(connection, keys)}) DO UPDATE SET {', '.join(sets)}"


class SqliteRows:
    """`executemany` within the caller's transaction."""

    def upsert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows, or overwrite those of the same key."""
        marks = ", ".join("?" * len(columns))
        target = connection.dialect.identifier_preparer.format_table(table)
        statement = f"INSERT INTO {target} ({_names(connection, columns)}) VALUES ({marks}) "
        conflict = _conflict(connection, table, columns)
        connection.exec_driver_sql(statement + conflict, list(self._exact(table, columns, rows)))

    insert = upsert

    def _exact(
        self, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> Iterable[tuple[Any, ...]]:
        """Decimals that REAL cannot hold exactly move to the row's misfits, as text."""
        decimals = [number for number, name in enumerate(columns) if isinstance(table.c[name].type, Numeric)]
        long = {
            row
            for number in decimals
            for row, values in enumerate(rows)
            if values[number] is not None and len(values[number]) > _EXACT_DIGITS and not _exact(values[number])
        }
        if not long:
            return rows
        misfits = columns.index(MISFITS)
        changed = list(rows)
        for row in long:
            values = list(rows[row])
            kept = json.loads(values[misfits]) if values[misfits] else {}
            for number in decimals:
                if values[number] is not None and not _exact(values[number]):
                    kept[table.c[columns[number]].info.get(PATH, columns[number])] = values[number]
                    values[number] = None
            values[misfits] = json.dumps(kept)
            changed[row] = tuple(values)
        return changed


def _exact(number: str) -> bool:
    return len(Decimal(number).normalize().as_tuple().digits) <= _EXACT_DIGITS


class PostgresRows:
    """COPY: straight into the table where keys are new, else through a temporary table and one upsert."""

    def upsert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows, or overwrite those of the same key."""
        preparer = connection.dialect.identifier_preparer
        target = preparer.format_table(table)
        staging = preparer.quote(f"syncd_staging_{table.name}"[:63])
        names = _names(connection, columns)
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {staging} ON COMMIT DROP AS SELECT {names} FROM {target} LIMIT 0"
        )
        self._copy(connection, staging, names, rows)
        conflict = _conflict(connection, table, columns)
        connection.exec_driver_sql(f"INSERT INTO {target} ({names}) SELECT {names} FROM {staging} {conflict}")
        connection.exec_driver_sql(f"DROP TABLE {staging}")

    def insert(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Insert rows whose keys are expected to be new; as `upsert` where they are not."""
        target = connection.dialect.identifier_preparer.format_table(table)
        try:
            with connection.begin_nested():
                self._copy(connection, target, _names(connection, columns), rows)
        except IntegrityError:
            self.upsert(connection, table, columns, rows)

    def _copy(self, connection: Connection, target: str, names: str, rows: Sequence[tuple[Any, ...]]) -> None:
        import psycopg  # noqa: PLC0415 - an optional dependency, there when the database is PostgreSQL

        driver = connection.connection.driver_connection
        assert driver is not None
        statement = f"COPY {target} ({names}) FROM STDIN"
        with driver.cursor() as cursor:
            try:
                with cursor.copy(statement) as copy:
                    for row in rows:
                        copy.write_row(row)
            except psycopg.Error as error:
                # The driver was used past SQLAlchemy, which would have given its error this shape.
                raise DBAPIError.instance(statement, None, error, psycopg.Error) from error
