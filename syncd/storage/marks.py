"""What is known of partitions, written many at once: cursors, what their listings proved, and how many rows stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Table, bindparam, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.lists import listed, lists_of

_PROOF = ("status", "mode", "api_total", "seen", "stored", "rejected", "note", "checked_at", "run_id")
Row = Mapping[str, Any]


class Marks:
    """Marks of partitions, by their numbers, on one database.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._sqlite = database.is_sqlite
        partitions, cursors = own.partitions, own.cursors
        into = database.insert(cursors)
        if not self._sqlite:
            given = listed({column.name: column.type for column in cursors.c})
            into = into.from_select([*cursors.c], select(*given.c))
        changed = {column.name: into.excluded[column.name] for column in cursors.c if not column.primary_key}
        self._cursors = into.on_conflict_do_update(index_elements=["partition_id"], set_=changed)
        proof = self._given(partitions, (*_PROOF, "standing"), {"number": BigInteger()})
        self._proofs = (
            update(partitions)
            .where(partitions.c.id == proof["number"])
            .values({name: proof[name] for name in _PROOF})
            .values(standing=func.coalesce(proof["standing"], partitions.c.standing))
        )
        more = self._given(partitions, (), {"number": BigInteger(), "more": BigInteger()})
        self._standing = (
            update(partitions)
            .where(partitions.c.id == more["number"])
            .values(standing=partitions.c.standing + more["more"])
        )

    def _given(self, table: Table, names: Sequence[str], others: Mapping[str, Any]) -> Mapping[str, ColumnElement[Any]]:
        """What a statement calls the values of a row: SQLite's takes a row, PostgreSQL's all of them."""
        types = {**{name: table.c[name].type for name in names}, **others}
        if self._sqlite:
            return {name: bindparam(f"given_{name}", type_=kind) for name, kind in types.items()}
        return dict(listed(types).c)

    def put_cursors(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Cursors, instead of those of before: the columns of `syncd_cursors`."""
        if rows:
            connection.execute(self._cursors, rows if self._sqlite else lists_of(rows))

    def put_proofs(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Proofs: `number`, and columns of `syncd_partitions`; `standing` None leaves it as it is."""
        self._run(connection, self._proofs, rows)

    def add_standing(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Rows of partitions came to stand: `number`, and how many `more`."""
        self._run(connection, self._standing, rows)

    def _run(self, connection: Connection, statement: Any, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if self._sqlite:
            connection.execute(statement, [{f"given_{name}": value for name, value in row.items()} for row in rows])
        else:
            connection.execute(statement, lists_of(rows))
