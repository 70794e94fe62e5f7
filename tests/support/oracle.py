"""Whether tables hold a world: every record is put together again from its rows, and compared with the original."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from support.shelf import Shelf
from support.world import CATALOG, COMPANY, Entry, World
from syncd.catalog.layout import PARENT_ID, POSITION, RECORD_ID, Layout, Path, Table, scope_column
from syncd.engine.ports import Store

Row = Mapping[str, Any]
Place = tuple[str, ...]
"""Scope and key as text, as far as both a record and its row have them."""


def problems(shelf: Shelf, store: Store, world: World, but: Collection[int] = (), *, exact: bool = True) -> list[str]:
    """Where the tables differ from the world; empty where all is equal.

    Args:
        shelf: With the tables.
        store: Whose layouts are right.
        world: The truth.
        but: `id` of entries that may differ.
        exact: Whether rows that the world does not have are a difference, too.
    """
    found: list[str] = []
    things = {str(one.record["id"]) for one in world.live("things")}
    for resource in CATALOG.values():
        layout = store.open(resource, frozenset(CATALOG))
        stored = _Stored(shelf, layout)
        for entry in world.live(resource.name):
            lines = stored.compare(entry)
            found += [f"{resource.name} {entry.record}: {line}" for line in lines if id(entry) not in but]
        if exact:
            # Answers of a thing that is gone are not listed any more, so nothing is known of them.
            found += [
                f"{resource.name}: surplus {place}"
                for place in stored.left()
                if resource.name != "answers" or place[1] in things
            ]
    return found


class _Stored:
    """The live rows of a resource.

    Args:
        shelf: Where.
        layout: Its tables.
    """

    def __init__(self, shelf: Shelf, layout: Layout) -> None:
        self._layout = layout
        self._key = "name" if layout.content_key else "id"
        self._scope = [column.name for column in layout.scope]
        self._roots = {self._row_place(row): row for row in _standing(shelf, layout, layout.table)}
        self._children: dict[str, dict[tuple[Place, str], list[Row]]] = {}
        own = [column.name for column in layout.id_scope]
        for table in layout.tables():
            if table.depth:
                groups: dict[tuple[Place, str], list[Row]] = defaultdict(list)
                for row in sorted(_standing(shelf, layout, table), key=lambda row: row[POSITION]):
                    place = tuple(str(row[name]) for name in (*own, RECORD_ID if table.depth > 1 else PARENT_ID))
                    groups[place, str(row[PARENT_ID])].append(row)
                self._children[table.name] = groups

    def _row_place(self, row: Row) -> Place:
        return tuple(str(row[name]) for name in (*self._scope, self._key))

    def left(self) -> list[Place]:
        """What no record has claimed."""
        return [
            *self._roots,
            *((name, *place, token) for name, groups in self._children.items() for place, token in groups),
        ]

    def compare(self, entry: Entry) -> list[str]:
        """How the rows of a record differ from it; each is claimed."""
        scope: dict[str, Any] = {"company_id": COMPANY, "project_id": entry.spot.project}
        scope |= {scope_column(name): value for name, value in entry.spot.parent}
        place = tuple(str(scope[name]) for name in self._scope)
        row = self._roots.pop((*place, str(entry.record[self._key])), None)
        if row is None:
            return ["no row"]
        found = self._compare_row(self._layout.table, row, entry.record)
        owner = (*(str(scope[column.name]) for column in self._layout.id_scope), str(entry.record.get("id")))
        return found + self._compare_children(self._layout.table, [(owner[-1], entry.record)], owner)

    def _compare_children(
        self, table: Table, parents: Sequence[tuple[str, Mapping[str, Any]]], owner: Place
    ) -> list[str]:
        found: list[str] = []
        for child in table.children:
            expected: dict[str, list[Any]] = defaultdict(list)
            for token, parent in parents:
                items = _dig(parent, child.path)
                if isinstance(items, list):
                    expected[token] += [item for item in items if isinstance(item, dict)]
            below: list[tuple[str, Mapping[str, Any]]] = []
            for token, items in expected.items():
                groups = self._children[child.name]
                rows = groups.pop((owner, token), []) or groups.pop((owner, _former(token)), [])
                if len(rows) != len(items):
                    found.append(f"{child.name} has {len(rows)} rows of {token} for {len(items)} items")
                for position, (row, item) in enumerate(zip(rows, items, strict=False)):
                    found += self._compare_row(child, row, item)
                    below.append((_token(child, item, position), item))
            found += self._compare_children(child, below, owner)
        return found

    def _compare_row(self, table: Table, row: Row, item: Mapping[str, Any]) -> list[str]:
        rebuilt: dict[str, Any] = {}
        for column in table.columns:
            value = row[column.name]
            if value is not None and not _names_type(item, column.path):
                raw = _dig(item, column.path)
                _put(rebuilt, column.path, raw if _same(column.type, value, raw) else ("stored", value))
        for name, value in row["_syncd_misfits"].items():
            if not _names_type(item, tuple(name.split("."))):
                _put(rebuilt, tuple(name.split(".")), value)
        plain = json.loads(json.dumps(item))
        for child in table.children:
            _put_rest(plain, child.path)
        pair = _pruned(rebuilt), _pruned(plain)
        return [] if pair[0] == pair[1] else [f"{table.name}: stored {pair[0]}, said {pair[1]}"]


def _standing(shelf: Shelf, layout: Layout, table: Table) -> list[Row]:
    return [row for row in shelf.stored(layout, table) if row["_syncd_deleted_at"] is None]


def _token(table: Table, item: Mapping[str, Any], position: int) -> str:
    """What rows call the item that they stand in."""
    kind = next((column.type for column in table.columns if column.path == ("id",)), None)
    own = item.get("id")
    if kind == "bigint":
        return str(own) if type(own) is int else str(-position - 1)
    return str(own) if isinstance(own, int | str) and own != "" else f"#{position}"


def _former(token: str) -> str:
    """What rows call an item without id that were written before any item had one, and ids were known to be numbers."""
    return f"#{-int(token) - 1}" if token[:1] == "-" and token[1:].isdigit() else token


def _dig(item: Mapping[str, Any], path: Path) -> Any:
    value: Any = item
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _put(into: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        into = into.setdefault(name, {})
    into[path[-1]] = value


def _put_rest(item: dict[str, Any], path: Path) -> None:
    """Leave of an array only what is no object: the objects have rows of their own."""
    value = _dig(item, path)
    if isinstance(value, list):
        _put(item, path, [one for one in value if not isinstance(one, dict)])


def _names_type(item: Mapping[str, Any], path: Path) -> bool:
    """Whether the type of a custom field stands there, or a part of it, which may be stored or not."""
    fields = (_dig(item, path[:depth]) for depth, name in enumerate(path) if name == "data_type")
    return any(isinstance(field, Mapping) and "value" in field for field in fields)


def _pruned(value: Any) -> Any:
    """Without what says nothing: nulls, empty lists, objects of such, and the type that a custom field names."""
    if isinstance(value, dict):
        kept = {name: _pruned(inner) for name, inner in value.items()}
        if "value" in kept:
            kept.pop("data_type", None)
        return {name: inner for name, inner in kept.items() if inner not in (None, [], {})} or None
    if isinstance(value, list):
        return [_pruned(inner) for inner in value] or None
    return value


def _same(kind: str, stored: Any, raw: Any) -> bool:  # noqa: PLR0911 - one per type
    if raw is None:
        return False
    match kind:
        case "bigint":
            return int(stored) == int(raw)
        case "decimal":
            return Decimal(str(stored)) == Decimal(str(raw))
        case "boolean":
            return isinstance(raw, bool) and bool(stored) == raw
        case "timestamp":
            return _moment(stored) == _moment(raw)
        case "date":
            return str(stored) == str(raw)
        case "json":
            return bool(stored == raw)
    return bool(stored == (raw if isinstance(raw, str) else json.dumps(raw)))


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=moment.tzinfo or UTC)
