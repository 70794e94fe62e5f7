"""Which tables and columns a resource fills: a pure function of its type tree and of what was found on the way.

A nested object is spread into columns, an array of objects becomes a child table, everything else without columns of
its own stays JSON. Names are lower snake case, at most 63 bytes (PostgreSQL's limit), unique, and stable: what was
named once keeps its name, because later finds come after it.

Values that a column of each type takes, in the form both databases accept without conversion:

========= ===========================================================
bigint    int, 64 bits
decimal   str, a plain decimal number
text      str without NUL
boolean   bool
date      str, `YYYY-MM-DD`
timestamp str, UTC, `YYYY-MM-DD HH:MM:SS.ffffff`
json      str, JSON text
========= ===========================================================
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from syncd.catalog.resource import FieldTree, Resource

ColumnType = Literal["bigint", "decimal", "text", "boolean", "date", "timestamp", "json"]

ITEM = "[]"
"""Path element that stands for the items of an array."""

Path = tuple[str, ...]
"""Where a value stands in a record: field names, and `ITEM` for each array of objects on the way."""

CONTENT_KEY = "_syncd_key"
"""Key column of a record that has no identity but its content."""

TABLE = "table"
"""Type of an addition that is a child table."""

PARENT_ID = "_syncd_parent_id"
POSITION = "_syncd_position"
RECORD_ID = "_syncd_record_id"

_LEAF_COLUMNS: Mapping[str, ColumnType] = {
    "integer": "bigint",
    "number": "decimal",
    "string": "text",
    "boolean": "boolean",
    "date": "date",
    "date-time": "timestamp",
    "object": "json",
    "any": "json",
}
_MAX_NAME = 63
_SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names that PostgreSQL gives no column (https://www.postgresql.org/docs/current/ddl-system-columns.html)."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and where its value stands relative to its table's object (empty path: syncd's own)."""

    name: str
    type: ColumnType
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Addition:
    """A field found in records that the catalog does not have, as recorded in `syncd_schema_changes`.

    Attributes:
        path: From the record down.
        type: Column type; `TABLE` for an array of objects.
        name: The column's or child table's name, once given; before, the name it should have, or an empty string.
    """

    path: Path
    type: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the resource's own, or a child table.

    Attributes:
        name: As in SQL.
        path: From the enclosing table's object to the array, `ITEM` left out; empty for the resource's own table.
        depth: 0 for the resource's own table.
        columns: Data columns.
        children: Tables of the arrays of objects inside.
        objects: Paths of nested objects that are spread, so that a value of another kind can be told.
    """

    name: str
    path: Path
    depth: int
    columns: tuple[Column, ...]
    children: tuple[Table, ...]
    objects: frozenset[Path]


@dataclass(frozen=True, slots=True)
class Layout:
    """All tables of a resource.

    Attributes:
        resource: The resource's name.
        scope: Columns filled from the partition: company, project, parents; in that order.
        key: Names of the key columns after the scope's `company_id` and `project_id`.
        table: The resource's own table.
        content_key: Whether the key is `CONTENT_KEY`.
        additions: Found fields, in the order they were found.
    """

    resource: str
    scope: tuple[Column, ...]
    key: tuple[str, ...]
    table: Table
    content_key: bool
    additions: tuple[Addition, ...] = ()

    @property
    def id_scope(self) -> tuple[Column, ...]:
        """The scope columns that stand in primary keys."""
        return tuple(c for c in self.scope if c.name in ("company_id", "project_id"))

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Primary key of the resource's own table."""
        return (*(c.name for c in self.id_scope), *self.key)

    def tables(self) -> Iterator[Table]:
        """All tables, each before its children."""

        def walk(table: Table) -> Iterator[Table]:
            yield table
            for child in table.children:
                yield from walk(child)

        return walk(self.table)

    def child_key(self, table: Table) -> tuple[str, ...]:
        """Primary key of a child table.

        A child of a child carries the record's id as well: the same inner object may stand under two records.
        """
        record = (RECORD_ID,) if table.depth > 1 else ()
        return (*(c.name for c in self.id_scope), *record, PARENT_ID, POSITION)


def layout_of(
    resource: Resource,
    additions: Iterable[Addition] = (),
    reserved: Collection[str] = (),
    found: Iterable[Addition] = (),
) -> Layout:
    """The tables and columns of a resource.

    Args:
        resource: The catalog's entry.
        additions: Fields found before, with the names they were given, in that order.
        reserved: Table names that child tables must not take (those of the other resources).
        found: Fields found now, in that order. They are named last, so that they take nobody's name.
    """
    return _Builder(resource, tuple(additions), tuple(found), frozenset(reserved) - {resource.name}).build()


def safe_name(*parts: str) -> str:
    """One lower-snake-case name of at most 63 bytes from the parts of a path.

    >>> safe_name("created_by", "id"), safe_name("equipmentName"), safe_name("Größe (m²)")
    ('created_by_id', 'equipment_name', 'grosse_m2')
    """
    return _shorten("_".join(_snake(part) for part in parts))


def _snake(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    broken = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    name = re.sub(r"[^a-z0-9_]+", "_", broken.lower()).rstrip("_")
    if name.startswith("_syncd"):
        name = f"x{name}"
    if not name:
        return "field_" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"f_{name}" if name[0].isdigit() else name


def _shorten(name: str) -> str:
    if len(name) <= _MAX_NAME:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name[: _MAX_NAME - 9]}_{digest}"


class _Names:
    """Gives each path of a table a name that no other has."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {*taken, *_SYSTEM_COLUMNS}

    def claim(self, name: str) -> str:
        self._taken.add(name)
        return name

    def give(self, path: Path, prefix: Path = (), wish: str = "") -> str:
        parts = [*prefix, *path]
        name = wish or safe_name(*parts)
        if name in self._taken:
            name = _shorten("__".join(_snake(part) for part in parts))
        stem, number = name, 2
        while name in self._taken:
            name = _shorten(f"{stem}_{number}")
            number += 1
        self._taken.add(name)
        return name


@dataclass(slots=True)
class _Leaf:
    """A column while it is built.

    Attributes:
        type: Its type.
        name: The name it was given, or of one found now, the name it should have; an empty string for none.
        found: Whether it is found now.
    """

    type: ColumnType
    name: str = ""
    found: bool = False


@dataclass(slots=True)
class _Node:
    """A table while it is built: its leaves and arrays by path.

    Attributes:
        name: The name it was given, or an empty string.
        found: Whether it is found now.
        objects: Paths of nested objects.
    """

    name: str = ""
    found: bool = False
    leaves: dict[Path, _Leaf] = field(default_factory=dict)
    arrays: dict[Path, _Node] = field(default_factory=dict)
    objects: set[Path] = field(default_factory=set)


class _Builder:
    def __init__(
        self, resource: Resource, additions: tuple[Addition, ...], found: tuple[Addition, ...], reserved: frozenset[str]
    ) -> None:
        self._resource = resource
        self._additions = additions
        self._found = found
        self._tables = _Names(reserved | {resource.name})
        ids = {"none": (), "company": ("company_id",), "project": ("company_id", "project_id")}
        self._scope_names: tuple[str, ...] = ids[resource.scope]

    def build(self) -> Layout:
        resource = self._resource
        root = _Node(resource.name)
        tree: dict[str, Any] = {**resource.detail_fields, **resource.fields}
        _read_tree(root, tree, ())
        for addition in self._additions:
            _read_addition(root, addition, found=False)
            if addition.path[-1] == ITEM:
                self._tables.claim(addition.name)
        for addition in self._found:
            _read_addition(root, addition, found=True)
        self._name_tables(root, found=False)
        self._name_tables(root, found=True)
        scope = self._scope(root)
        content_key = not resource.key
        key = (CONTENT_KEY,) if content_key else tuple(safe_name(part) for part in resource.key)
        for part in resource.key:
            if (part,) not in root.leaves and part not in {c.name for c in scope}:
                root.leaves[(part,)] = _Leaf("text")
        echoed: set[Path] = {(c.name,) for c in scope}
        return Layout(
            resource=resource.name,
            scope=scope,
            key=key,
            table=self._table(root, (), 0, {c.name for c in scope} | {*key} - set(resource.key), echoed),
            content_key=content_key,
            additions=(*self._additions, *self._found),
        )

    def _scope(self, root: _Node) -> tuple[Column, ...]:
        columns: list[Column] = []
        if self._resource.scope in ("company", "project"):
            columns.append(Column("company_id", "bigint"))
        if self._resource.scope == "project":
            columns.append(Column("project_id", "bigint"))
        names = {c.name for c in columns}
        for placeholder in (*self._resource.parents, *self._resource.enumerate):
            name = scope_column(placeholder)
            if name not in names:
                declared = root.leaves.get((placeholder,))
                columns.append(Column(name, "bigint" if declared and declared.type == "bigint" else "text"))
                names.add(name)
        return tuple(columns)

    def _name_tables(self, node: _Node, *, found: bool) -> None:
        """Name the child tables, of those found now the ones that have no name yet."""
        for path, child in node.arrays.items():
            if child.found and not found:
                continue
            if not child.name:
                child.name = self._tables.give(path, (node.name,))
            self._name_tables(child, found=found)

    def _table(self, node: _Node, path: Path, depth: int, taken: set[str], echoed: set[Path]) -> Table:
        leaves = {p: leaf for p, leaf in node.leaves.items() if p not in echoed}
        names = _Names(taken)
        named = {p: names.claim(leaf.name) for p, leaf in leaves.items() if leaf.name and not leaf.found}
        for p in sorted((p for p in leaves if p not in named), key=lambda p: (leaves[p].found, len(p))):
            named[p] = names.give(p, wish=leaves[p].name)
        columns = tuple(Column(named[p], leaf.type, p) for p, leaf in leaves.items())
        children = tuple(
            self._table(child, p, depth + 1, set(self._scope_names), set()) for p, child in node.arrays.items()
        )
        return Table(node.name, path, depth, columns, children, frozenset(node.objects))


def scope_column(placeholder: str) -> str:
    """Column of a parent or enumerated value: `filters[tool_type]` gives `tool_type`."""
    inner = re.findall(r"\[([a-z_]+)\]", placeholder)
    return safe_name(inner[-1] if inner else placeholder)


def _read_tree(node: _Node, tree: FieldTree, at: Path) -> None:
    for name, kind in tree.items():
        if name.startswith("custom_field_{"):
            continue
        path = (*at, name)
        if isinstance(kind, Mapping) and kind:
            node.objects.add(path)
            _read_tree(node, kind, path)
        elif isinstance(kind, list) and kind and isinstance(kind[0], Mapping):
            node.arrays[path] = _Node()
            _read_tree(node.arrays[path], kind[0], ())
        else:
            leaf = "any" if kind is None or not isinstance(kind, str) else kind
            node.leaves[path] = _Leaf(_LEAF_COLUMNS[leaf])


def _read_addition(root: _Node, addition: Addition, *, found: bool) -> None:
    node, rest = root, list(addition.path)
    while ITEM in rest:
        cut = rest.index(ITEM)
        array, rest = tuple(rest[:cut]), rest[cut + 1 :]
        node = node.arrays.setdefault(array, _Node(found=found))
    if not rest and not found:
        node.name = addition.name
    elif rest:
        path = tuple(rest)
        node.objects.update(path[:end] for end in range(1, len(path)))
        kind: Any = addition.type
        node.leaves[path] = _Leaf(kind, addition.name, found)


def named(layout: Layout, addition: Addition) -> tuple[str, str]:
    """Table and column names that a layout gives an addition; no column where it is a table."""
    rest = list(addition.path)
    table = layout.table
    while ITEM in rest:
        cut = rest.index(ITEM)
        array, rest = tuple(rest[:cut]), rest[cut + 1 :]
        table = next(child for child in table.children if child.path == array)
    if not rest:
        return table.name, ""
    return table.name, next(column.name for column in table.columns if column.path == tuple(rest))


def retyped(layout: Layout, types: Mapping[tuple[str, str], ColumnType]) -> Layout:
    """The layout with the types that columns have in the database, by table and column."""

    def column(table: str, one: Column) -> Column:
        return replace(one, type=types.get((table, one.name), one.type))

    def table(one: Table) -> Table:
        return replace(
            one,
            columns=tuple(column(one.name, c) for c in one.columns),
            children=tuple(table(child) for child in one.children),
        )

    scope = tuple(column(layout.table.name, c) for c in layout.scope)
    return replace(layout, table=table(layout.table), scope=scope)
