"""Writing rows in bulk, the fastest way that each database has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any, Protocol

from sqlalchemy import Connection, Numeric, Table
from sqlalchemy.exc import DBAPIError

from syncd.storage.copytext import Column, copy_text
from syncd.storage.schema import MISFITS, PATH, SEEN_BY

Block = Sequence[Column] | bytes
"""Rows, column by column, or as text for COPY."""

_EXACT_DIGITS = 15
"""Significant digits that SQLite's REAL holds exactly; it has no decimals."""
_TOGETHER = 100
"""Rows per statement to SQLite."""
_MOST_VALUES = 32_000
"""Values per statement: a few less than SQLite takes since version 3.32 (SQLITE_MAX_VARIABLE_NUMBER)."""
_EXACT_EXPONENT = 307
"""Powers of ten that it reaches with all of these digits."""
_SMALL = 200
"""Rows of a block that is written together with others: each costs something per column, however few it has."""


class RowWriter(Protocol):
    """How one database takes many rows."""

    def upsert(self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block]) -> None:
        """Insert rows, or overwrite those of the same key."""

    def insert(self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block]) -> None:
        """Insert rows whose keys are expected to be new.

        Raises:
            IntegrityError: One is not; the caller's savepoint has to be rolled back.
        """


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
    """Many rows per statement, within the caller's transaction.

    SQLite works without the interpreter's lock, once per statement: with a row in each, getting the lock back from busy
    readers would take longer than the work. What all rows have in common (when, by which run, of which company) is
    bound once per statement: in a child table it is half of the columns.
    """

    def upsert(self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block]) -> None:
        """Insert rows, or overwrite those of the same key."""
        self._put(connection, table, columns, blocks, _conflict(connection, table, columns))

    def insert(self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block]) -> None:
        """Insert rows whose keys are expected to be new. Raises as `RowWriter.insert`."""
        self._put(connection, table, columns, blocks, "")

    def _put(
        self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block], conflict: str
    ) -> None:
        filled = [_exact(table, columns, block) for block in _columns(blocks)]
        # Constants cost a statement what they would cost a row: they are not looked for where there are few of these.
        same = _constants(filled) if sum(len(block[0]) for block in filled) >= _TOGETHER else {}
        own = [number for number in range(len(columns)) if number not in same]
        values = list(chain.from_iterable(_in_rows([block[number] for number in own]) for block in filled))
        constants = tuple(same.values())
        target = connection.dialect.identifier_preparer.format_table(table)
        names = _names(connection, [columns[number] for number in (*own, *same)])
        taken = ", ".join(["own.*", *"?" * len(same)])
        head = f"INSERT INTO {target} ({names}) SELECT {taken} FROM (VALUES "
        one, tail = f"({', '.join('?' * len(own))})", f") AS own WHERE true {conflict}"
        together = max(1, min(_TOGETHER, _MOST_VALUES // len(columns)))
        whole = len(values) // (together * len(own)) * together * len(own)
        for rows, start, end in ((together, 0, whole), (1, whole, len(values))):
            width = rows * len(own)
            bound = [(*constants, *values[first : first + width]) for first in range(start, end, width)]
            if bound:
                connection.exec_driver_sql(head + ", ".join([one] * rows) + tail, bound)


def _in_rows(columns: Sequence[Column]) -> list[Any]:
    """The values of columns, row after row: a tuple per row would take five times as long."""
    width, count = len(columns), len(columns[0])
    values: list[Any] = [None] * (width * count)
    for number, column in enumerate(columns):
        values[number::width] = column
    return values


def _columns(blocks: Sequence[Block]) -> Iterator[Sequence[Column]]:
    for block in _gathered(blocks):
        assert not isinstance(block, bytes), "SQLite is given columns"
        yield block


def _gathered(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks in order, small ones that follow on each other as one."""
    small: list[Sequence[Column]] = []
    for block in blocks:
        if not isinstance(block, bytes) and len(block[0]) <= _SMALL:
            small.append(block)
            continue
        if small:
            yield _joined(small)
            small = []
        yield block
    if small:
        yield _joined(small)


def _joined(blocks: Sequence[Sequence[Column]]) -> Sequence[Column]:
    if len(blocks) == 1:
        return blocks[0]
    return [list(chain.from_iterable(columns)) for columns in zip(*blocks, strict=True)]


def _constants(blocks: Sequence[Sequence[Column]]) -> dict[int, Any]:
    """Numbers of columns that have the same value in all rows, and that value."""
    same: dict[int, Any] = {}
    for number, column in enumerate(blocks[0]):
        value = column[0]
        if all(block[number][-1] == value and block[number].count(value) == len(block[number]) for block in blocks):
            same[number] = value
    return same


def _exact(table: Table, columns: Sequence[str], block: Sequence[Column]) -> Sequence[Column]:
    """Decimals that REAL cannot hold exactly move to the row's misfits, as text."""
    decimals = [
        (number, [row for row, value in enumerate(block[number]) if not _is_exact(value)])
        for number, name in enumerate(columns)
        if isinstance(table.c[name].type, Numeric)
    ]
    if not any(rows for _, rows in decimals):
        return block
    changed = list(block)
    misfits = changed[columns.index(MISFITS)] = list(block[columns.index(MISFITS)])
    for number, rows in decimals:
        values = changed[number] = list(block[number])
        path = table.c[columns[number]].info.get(PATH, columns[number])
        for row in rows:
            misfits[row] = json.dumps({**json.loads(misfits[row] or "{}"), path: values[row]})
            values[row] = None
    return changed


def _is_exact(number: str | None) -> bool:
    if number is None or (len(number) <= _EXACT_DIGITS and "e" not in number and "E" not in number):
        return True
    exact = Decimal(number)
    digits = "".join(map(str, exact.as_tuple().digits)).strip("0")
    return not digits or (len(digits) <= _EXACT_DIGITS and abs(exact.adjusted()) <= _EXACT_EXPONENT)


class PostgresRows:
    """COPY: straight into the table where keys are new, else through a temporary table and one upsert."""

    def upsert(self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block]) -> None:
        """Insert rows, or overwrite those of the same key."""
        preparer = connection.dialect.identifier_preparer
        target = preparer.format_table(table)
        staging = preparer.quote(f"syncd_staging_{table.name}"[:63])
        names = _names(connection, columns)
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {staging} ON COMMIT DROP AS SELECT {names} FROM {target} LIMIT 0"
        )
        self._copy(connection, staging, names, blocks)
        conflict = _conflict(connection, table, columns)
        connection.exec_driver_sql(f"INSERT INTO {target} ({names}) SELECT {names} FROM {staging} {conflict}")
        connection.exec_driver_sql(f"DROP TABLE {staging}")

    def insert(self, connection: Connection, table: Table, columns: Sequence[str], blocks: Sequence[Block]) -> None:
        """Insert rows whose keys are expected to be new. Raises as `RowWriter.insert`."""
        target = connection.dialect.identifier_preparer.format_table(table)
        self._copy(connection, target, _names(connection, columns), blocks)

    def _copy(self, connection: Connection, target: str, names: str, blocks: Iterable[Block]) -> None:
        import psycopg  # noqa: PLC0415 - an optional dependency, there when the database is PostgreSQL

        driver = connection.connection.driver_connection
        assert driver is not None
        statement = f"COPY {target} ({names}) FROM STDIN"
        with driver.cursor() as cursor:
            try:
                with cursor.copy(statement) as copy:
                    for block in _gathered(blocks):
                        copy.write(block if isinstance(block, bytes) else copy_text(block))
            except psycopg.Error as error:
                # The driver was used past SQLAlchemy, which would have given its error this shape.
                raise DBAPIError.instance(statement, None, error, psycopg.Error) from error
