"""Compares every value of every table with the records that a sandbox holds, read without the code under test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import text

from syncd.app import App
from syncd.catalog.layout import ITEM, PARENT_ID, POSITION, RECORD_ID, Layout, Path, Table, scope_column
from syncd.engine.discover import CUSTOM_FIELD
from syncd.sandbox.partition import Place
from syncd.sandbox.server import Sandbox
from syncd.storage.database import Database

Row = tuple[Any, ...]


def differences(app: App, box: Sandbox, resources: Sequence[str], projects: Collection[int]) -> list[str]:
    """What stands in the tables otherwise than in the sandbox; empty where all of it is equal.

    Args:
        app: With the database, and the catalog as the job used it.
        box: The truth.
        resources: Which to compare.
        projects: Those that the job reads.
    """
    found: list[str] = []
    for resource in resources:
        layout = app.store.open(app.catalog[resource], frozenset(app.catalog.names()))
        expected = _Expected(layout, box.company_id)
        for place, record, deleted in box.walk(resource):
            if not deleted and (place.project is None or place.project in projects):
                expected.add(place, record)
        found += expected.lost
        for table in layout.tables():
            found += _compare(table.name, expected.rows[table.name], Counter(_stored(app.database, layout, table)))
    return found


def _compare(table: str, expected: Counter[Row], stored: Counter[Row]) -> list[str]:
    if dict(expected) == dict(stored):
        return []  # as nearly always, and without hashing each row again
    missing, surplus = expected - stored, stored - expected
    lines = [f"{table}: {sum(expected.values())} rows expected, {sum(stored.values())} stored"] * bool(
        missing or surplus
    )
    for one, other in zip(sorted(missing, key=str)[:3], sorted(surplus, key=str)[:3], strict=False):
        cells = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
        lines.append(f"{table}: expected / stored {cells[:4]}")
    lines += [f"{table}: missing {one}"[:600] for one in list(missing)[:2] if not surplus]
    return lines + [f"{table}: surplus {one}"[:600] for one in list(surplus)[:2] if not missing]


def _identity(layout: Layout, table: Table) -> list[str]:
    """The columns besides the data: scope, and where a child row belongs."""
    names = [column.name for column in (layout.scope if not table.depth else layout.id_scope)]
    if table.depth:
        deep = [RECORD_ID] * (table.depth > 1)
        names += [POSITION] if layout.content_key else [*deep, PARENT_ID, POSITION]
    return names


def _stored(database: Database, layout: Layout, table: Table) -> Iterator[Row]:
    quote = database.engine.dialect.identifier_preparer.quote
    names = [*_identity(layout, table), *(column.name for column in table.columns)]
    schema = "" if database.is_sqlite else f"{quote(str(database.schema))}."
    json = {column.name for column in table.columns if column.type == "json"}
    columns = ", ".join(
        f"CAST({quote(name)} AS TEXT)" if name in json else quote(name) for name in [*names, "_syncd_misfits"]
    )
    with database.read() as connection:
        rows = connection.execute(
            text(f"SELECT {columns} FROM {schema}{quote(table.name)} WHERE _syncd_deleted_at IS NULL")
        ).all()
    paths = [".".join(column.path) for column in table.columns]
    readers = [_STORED.get(column.type, _same) for column in table.columns]
    lead = len(names) - len(paths)
    for row in rows:
        misfits = orjson.loads(row[-1]) if isinstance(row[-1], str) else row[-1] or {}
        data = [
            read(value) if value is not None else ("misfit", _text(misfits[path])) if path in misfits else None
            for path, read, value in zip(paths, readers, row[lead:-1], strict=True)
        ]
        yield (*(str(value) for value in row[:lead]), *data)


def _text(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _same(value: Any) -> Any:
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(value: Any) -> Decimal:
    return Decimal(str(value)).normalize()


_STORED: Mapping[str, Callable[[Any], Any]] = {
    "decimal": _number,
    "boolean": bool,
    "date": str,
    "timestamp": _moment,
    "json": lambda value: _text(orjson.loads(value)),
}
"""Makes a stored value comparable, by the type of its column."""

_SAID: Mapping[str, Callable[[Any], Any]] = {
    "bigint": int,
    "decimal": _number,
    "boolean": lambda value: value,
    "date": lambda value: value[:10],
    "timestamp": _moment,
    "json": _text,
    "text": lambda value: value if isinstance(value, str) else _text(value),
}
"""Makes a record's value comparable with what its column should hold."""


class _Expected:
    """The rows that a resource's records should have become.

    Args:
        layout: The tables.
        company: The company of the job.
    """

    def __init__(self, layout: Layout, company: int) -> None:
        self._layout = layout
        self._company = company
        found = {tuple(part for part in one.path if part != ITEM) for one in layout.additions}
        self._where: dict[str, Path] = {layout.table.name: ()}
        for table in layout.tables():
            self._where |= {child.name: (*self._where[table.name], *child.path) for child in table.children}
        self._readers = {
            table.name: [
                (column.path, _SAID[column.type], (*self._where[table.name], *column.path) in found)
                for column in table.columns
            ]
            for table in layout.tables()
        }
        """Of each column: where its value stands, what makes it comparable, and whether records brought it."""
        self._held = {
            table.name: {column.path for column in table.columns} | {child.path for child in table.children}
            for table in layout.tables()
        }
        """Paths that a column or a child table holds."""
        self.rows: dict[str, Counter[Row]] = {table.name: Counter() for table in layout.tables()}
        self.lost: list[str] = []

    def add(self, place: Place, record: Mapping[str, Any]) -> None:
        """One record of a place."""
        scope: dict[str, Any] = {"company_id": self._company, "project_id": place.project}
        scope |= {scope_column(name): value for name, value in place.parent}
        root = [str(scope[column.name]) for column in self._layout.scope]
        owner = [str(scope[column.name]) for column in self._layout.id_scope]
        self.rows[self._layout.table.name][(*root, *self._cells(self._layout.table, record))] += 1
        self._check_nothing_is_lost(self._layout.table, record, (), {column.name for column in self._layout.scope})
        key = [str(record.get(name, scope.get(scope_column(name)))) for name in self._layout.key]
        identity = key[0] if len(key) == 1 else _text([record.get(name) for name in self._layout.key])
        self._children(self._layout.table, record, owner, identity, identity)

    def _children(self, table: Table, item: Mapping[str, Any], owner: Sequence[str], record: str, parent: str) -> None:
        for child in table.children:
            for position, inner in enumerate(_dig(item, child.path) or []):
                deep = [record] * (child.depth > 1)
                place = [str(position)] if self._layout.content_key else [*deep, parent, str(position)]
                self.rows[child.name][(*owner, *place, *self._cells(child, inner))] += 1
                self._check_nothing_is_lost(child, inner, (), set())
                self._children(child, inner, owner, record, str(inner.get("id", f"#{position}")))

    def _cells(self, table: Table, item: Mapping[str, Any]) -> list[Any]:
        cells = []
        for path, said, brought in self._readers[table.name]:
            value: Any = item
            for name in path:  # as `_dig`, for every cell of every row
                value = value.get(name) if isinstance(value, dict) else None
            if brought and value == []:
                value = None  # a column that an earlier row did not have yet
            cells.append(None if value is None else said(value))
        return cells

    def _check_nothing_is_lost(self, table: Table, item: Mapping[str, Any], at: Path, echoed: set[str]) -> None:
        held = self._held[table.name]
        for name, value in item.items():
            path = (*at, name)
            if path in held or value is None or value in ([], {}) or (not at and name in echoed):
                continue
            if path in table.objects and isinstance(value, Mapping):
                self._check_nothing_is_lost(table, value, path, set())
            elif not (at and CUSTOM_FIELD.fullmatch(at[-1]) and name == "data_type") and not _says_nothing(value):
                self.lost.append(f"{table.name}: nothing holds {'.'.join(path)} = {str(value)[:80]}")


def _says_nothing(value: Any) -> bool:
    """Custom fields without a value, and objects of nulls, ask for no column."""
    if isinstance(value, Mapping):
        return all(_says_nothing(inner) for name, inner in value.items() if name != "data_type")
    return value is None or value in ([], {})


def _dig(item: Mapping[str, Any], path: Path) -> Any:
    value: Any = item
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
