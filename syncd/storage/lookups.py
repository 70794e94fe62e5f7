"""Queries that are asked once per page or partition, built once per table: building one costs more than asking it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import ARRAY, Connection, and_, any_, bindparam, func, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from syncd.catalog.layout import Layout
from syncd.model import Key, Known, Partition
from syncd.storage.schema import DELETED_AT, HASH, PARENT, SEEN_BY, Tables
from syncd.storage.where import has_key, in_scope


class Lookups:
    """The queries of one resource.

    Args:
        tables: Its tables.
        sqlite: Which database it is.
    """

    def __init__(self, tables: Tables, *, sqlite: bool) -> None:
        self.tables = tables
        self._layout: Layout = tables.layout
        self._sqlite = sqlite
        self._scope = tuple(column.name for column in self._layout.id_scope)
        root = tables.root
        self._columns = [root.c[name] for name in self._layout.key]
        parent: ColumnElement[str] = root.c[PARENT] if tables.has_parent else literal_column("''")
        facts = (root.c[HASH], root.c[DELETED_AT].is_not(None), root.c[SEEN_BY], parent)
        self._known = select(*self._columns, *facts)
        self._known_of_one = self._known.where(self._in_scope(), self._has_key())

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
            rows = connection.execute(self._known_of_one, values)
        else:
            root = self.tables.root
            where = (
                in_scope(self._layout, root, partition),
                has_key(self._layout, root, keys, sqlite=self._sqlite),
            )
            rows = connection.execute(self._known.where(*where))
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
