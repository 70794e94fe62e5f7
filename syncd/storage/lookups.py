"""Statements of every page or batch, built once per table: building one costs more than running it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Delete,
    Integer,
    Select,
    Table,
    and_,
    any_,
    bindparam,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ColumnElement

from syncd.catalog.layout import PARENT_ID, RECORD_ID, Layout
from syncd.model import Key, Known, Partition
from syncd.storage.lists import listed, lists_of
from syncd.storage.schema import DELETED_AT, HASH, PARENT, SEEN_BY, Tables, tables_of
from syncd.storage.statement import Statement
from syncd.storage.where import has_key, in_scope, record_id


class Lookups:
    """The tables and statements of one resource, each made when it is needed first.

    Args:
        layout: What its tables are made from.
        dialect: Of which database.
    """

    def __init__(self, layout: Layout, dialect: Dialect) -> None:
        self.layout = layout
        self._dialect = dialect
        self._sqlite = dialect.name == "sqlite"
        self._scope = tuple(column.name for column in layout.id_scope)

    @cached_property
    def tables(self) -> Tables:
        """The SQL tables."""
        return tables_of(self.layout)

    @cached_property
    def _columns(self) -> Sequence[Column[Any]]:
        return [self.tables.root.c[name] for name in self.layout.key]

    @cached_property
    def _known(self) -> Select[Any]:
        root = self.tables.root
        parent: ColumnElement[str] = root.c[PARENT] if self.tables.has_parent else literal_column("''")
        return select(*self._columns, root.c[HASH], root.c[DELETED_AT].is_not(None), root.c[SEEN_BY], parent)

    @cached_property
    def _known_of_one(self) -> Statement:
        return Statement(self._known.where(self._in_scope(), self._has_key()), self._dialect)

    @cached_property
    def _emptied(self) -> Sequence[Delete]:
        return [self._of_records(child) for child in self.tables.children.values()]

    def _in_scope(self) -> ColumnElement[bool]:
        return and_(True, *(self.tables.root.c[name] == bindparam(name) for name in self._scope))

    def _has_key(self) -> ColumnElement[bool]:
        """Membership with one bound value for any number of keys."""
        column: Any = self._columns[0]
        condition: ColumnElement[bool]
        if self._sqlite:
            each = func.json_each(bindparam("keys")).table_valued("value")
            condition = column.in_(select(each.c.value))
        else:
            condition = column == any_(bindparam("keys", type_=ARRAY(column.type)))
        return condition

    def known(self, connection: Connection, partition: Partition, keys: Sequence[Key]) -> Mapping[Key, Known]:
        """What stands of these records."""
        if len(self._columns) == 1:
            ids = [key[0] for key in keys]
            values = {**self._place(partition), "keys": orjson.dumps(ids).decode() if self._sqlite else ids}
            rows = self._known_of_one.rows(connection, values)
        else:
            root = self.tables.root
            where = (
                in_scope(self.layout, root, partition),
                has_key(self.layout, root, keys, sqlite=self._sqlite),
            )
            rows = [tuple(row) for row in connection.execute(self._known.where(*where))]
        return self._by_key(partition, rows)

    def known_of_many(
        self, connection: Connection, asked: Sequence[tuple[Partition, Sequence[Key]]]
    ) -> Sequence[Mapping[Key, Known]]:
        """What stands of records of many partitions: PostgreSQL is asked for all of them at once."""
        if self._sqlite or len(self._columns) > 1:
            return [self.known(connection, partition, keys) for partition, keys in asked]
        given = [
            {"asked": number, "key": key[0], **self._place(partition)}
            for number, (partition, keys) in enumerate(asked)
            for key in keys
        ]
        rows: list[list[Sequence[Any]]] = [[] for _ in asked]
        for number, *row in connection.execute(self._known_of_many, lists_of(given)):
            rows[number].append(row)
        return [self._by_key(partition, rows[number]) for number, (partition, _) in enumerate(asked)]

    @cached_property
    def _known_of_many(self) -> Select[Any]:
        root = self.tables.root
        columns = {"key": self._columns[0], **{name: root.c[name] for name in self._scope}}
        given = listed({"asked": Integer(), **{name: column.type for name, column in columns.items()}})
        same = and_(True, *(column == given.c[name] for name, column in columns.items()))
        return select(given.c.asked, *self._known.selected_columns).where(same)

    def _by_key(self, partition: Partition, rows: Sequence[Sequence[Any]]) -> Mapping[Key, Known]:
        principal = partition.principal
        place = partition.parent_text if self.tables.has_parent else ""
        return {
            tuple(key): Known(
                bytes(content), bool(deleted), seen_by == principal or principal in seen_by.split(), parent == place
            )
            for *key, content, deleted, seen_by, parent in rows
        }

    def _place(self, partition: Partition) -> dict[str, Any]:
        return {name: getattr(partition, name) for name in self._scope}

    def _of_records(self, child: Table) -> Delete:
        """Empties records' sets of child rows: SQLite's statement takes a record, PostgreSQL's all of them."""
        column = child.c[RECORD_ID] if RECORD_ID in child.c else child.c[PARENT_ID]
        columns = {**{name: child.c[name] for name in self._scope}, "record": column}
        each: Mapping[str, ColumnElement[Any]]
        if self._sqlite:
            each = {name: bindparam(f"of_{name}") for name in columns}
        else:
            each = dict(listed({name: one.type for name, one in columns.items()}).c)
        return delete(child).where(and_(True, *(one == each[name] for name, one in columns.items())))

    def empty_children(self, connection: Connection, records: Iterable[tuple[Partition, Key]]) -> None:
        """Delete the child rows of these records, of which there is one at least."""
        if not self._emptied:
            return
        of = "of_" if self._sqlite else ""
        rows = [
            {f"{of}record": record_id(key), **{f"{of}{name}": value for name, value in self._place(partition).items()}}
            for partition, key in records
        ]
        for statement in self._emptied:
            connection.execute(statement, rows if self._sqlite else lists_of(rows))
