"""From a layout to real tables: made, brought up to date, never narrowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable
from sqlalchemy.types import TypeEngine

from syncd.catalog.layout import CONTENT_KEY, PARENT_ID, POSITION, RECORD_ID, ColumnType, Layout
from syncd.catalog.layout import Column as LayoutColumn
from syncd.catalog.layout import Table as LayoutTable
from syncd.storage.database import JSON_TEXT

SYNCED_AT = "_syncd_synced_at"
DELETED_AT = "_syncd_deleted_at"
RUN_ID = "_syncd_run_id"
HASH = "_syncd_hash"
SEEN_BY = "_syncd_seen_by"
PARENT = "_syncd_parent"
MISFITS = "_syncd_misfits"
PATH = "path"
"""In a column's `info`: where its field stands in the record, as misfits are named."""

_MOMENT = DateTime(timezone=True)


class JsonText(JSON):
    """JSON that SQLite keeps as the text it was given, and PostgreSQL in its binary form."""


@compiles(JsonText, "sqlite")
def _in_sqlite(kind: JsonText, compiler: Any, **context: Any) -> str:
    del kind, compiler, context
    return JSON_TEXT


@compiles(JsonText, "postgresql")
def _in_postgresql(kind: JsonText, compiler: Any, **context: Any) -> str:
    del kind, compiler, context
    return "JSONB"


_SQL_TYPES: Mapping[ColumnType, TypeEngine[Any]] = {
    "bigint": BigInteger(),
    "decimal": Numeric(),
    "text": Text(),
    "boolean": Boolean(),
    "date": Date(),
    "timestamp": _MOMENT,
    "json": JsonText(),
}


def sql_type(kind: ColumnType) -> TypeEngine[Any]:
    """The SQL type of a column type, on both databases."""
    return _SQL_TYPES[kind]


@dataclass(frozen=True, slots=True)
class Tables:
    """The SQL tables of a layout.

    Attributes:
        layout: What they were made from.
        root: The resource's own table.
        children: Child tables by name, each with its layout.
    """

    layout: Layout
    root: Table
    children: Mapping[str, Table]

    @property
    def has_parent(self) -> bool:
        """Whether rows belong to a parent record or an enumerated value."""
        return PARENT in self.root.c


def tables_of(layout: Layout) -> Tables:
    """The SQLAlchemy tables of a layout."""
    metadata = MetaData()
    root = _root(layout, metadata)
    below = {table.name: table for table in layout.tables() if table.depth}
    enclosing = {child.name: table for table in layout.tables() for child in table.children}
    children = {
        name: _child(layout, table, enclosing[name], metadata) for name, table in below.items()
    }  # fmt: skip
    return Tables(layout, root, children)


def _root(layout: Layout, metadata: MetaData) -> Table:
    columns = [
        Column(c.name, sql_type(c.type), nullable=c not in layout.id_scope, autoincrement=False) for c in layout.scope
    ]
    if layout.content_key:
        columns.append(Column(CONTENT_KEY, Text(), nullable=False))
    keys = set(layout.primary_key)
    columns += [
        Column(c.name, sql_type(c.type), nullable=c.name not in keys, autoincrement=False, info=_info(c))
        for c in layout.table.columns
    ]
    columns += [
        Column(SYNCED_AT, _MOMENT, nullable=False),
        Column(DELETED_AT, _MOMENT),
        Column(RUN_ID, Text(), nullable=False),
        Column(HASH, LargeBinary(), nullable=False),
        Column(SEEN_BY, Text(), nullable=False),
        Column(MISFITS, JSON()),
    ]
    parented = len(layout.scope) > len(layout.id_scope)
    if parented:
        columns.append(Column(PARENT, Text(), nullable=False))
    table = Table(layout.table.name, metadata, *columns, PrimaryKeyConstraint(*layout.primary_key))
    if parented:
        scope = [table.c[c.name] for c in layout.id_scope]
        Index(f"ix_{layout.table.name}_parent"[:63], *scope, table.c[PARENT])
    return table


def _child(layout: Layout, table: LayoutTable, enclosing: LayoutTable, metadata: MetaData) -> Table:
    key = layout.child_key(table)
    columns: list[Column[Any]] = [
        Column(c.name, sql_type(c.type), nullable=False, autoincrement=False) for c in layout.id_scope
    ]
    if RECORD_ID in key:
        columns.append(Column(RECORD_ID, sql_type(record_id_type(layout)), nullable=False))
    columns += [
        Column(PARENT_ID, sql_type(_parent_id_type(layout, table, enclosing)), nullable=False),
        Column(POSITION, Integer(), nullable=False, autoincrement=False),
    ]
    columns += [Column(c.name, sql_type(c.type), info=_info(c)) for c in table.columns]
    columns += [
        Column(SYNCED_AT, _MOMENT, nullable=False),
        Column(DELETED_AT, _MOMENT),
        Column(RUN_ID, Text(), nullable=False),
        Column(MISFITS, JSON()),
    ]
    return Table(table.name, metadata, *columns, PrimaryKeyConstraint(*key))


def _info(column: LayoutColumn) -> dict[str, str]:
    return {PATH: ".".join(column.path)}


def record_id_type(layout: Layout) -> ColumnType:
    """Type of what child rows call their record: its only key column's, or text (a JSON array) for several."""
    if len(layout.key) > 1 or layout.content_key:
        return "text"
    columns = [*layout.scope, *layout.table.columns]
    return next((column.type for column in columns if column.name == layout.key[0]), "text")


def _parent_id_type(layout: Layout, table: LayoutTable, enclosing: LayoutTable) -> ColumnType:
    if table.depth == 1:
        return record_id_type(layout)
    own = next((column.type for column in enclosing.columns if column.path == ("id",)), "text")
    return "bigint" if own == "bigint" else "text"


def create_or_extend(connection: Connection, tables: Tables) -> dict[tuple[str, str], ColumnType]:
    """Make what is missing.

    Args:
        connection: In a transaction of `Database.define`.
        tables: As they shall be.

    Returns:
        Columns that exist with another type than the layout's, and that type.
    """
    found: dict[tuple[str, str], ColumnType] = {}
    all_tables = (tables.root, *tables.children.values())
    existing = _columns(connection, [table.name for table in all_tables])
    for table in all_tables:
        have = existing.get(table.name)
        if have is None:
            _create(connection, table)
            continue
        other = _other_types(table, have)
        found |= {(table.name, name): kind for name, kind in other.items()}
        missing = [column for column in table.columns if column.name not in have]
        if not missing:
            continue
        as_made = not other and have.keys() <= {column.name for column in table.columns}
        if connection.dialect.name == "sqlite" and as_made and _holds_nothing(connection, table):
            # SQLite reads its whole schema again for each column that is added, for a table only that table's.
            connection.execute(DropTable(table))
            _create(connection, table)
            continue
        for column in missing:
            _add_column(connection, table, column)
    return found


def _other_types(table: Table, have: Mapping[str, TypeEngine[Any]]) -> dict[str, ColumnType]:
    """Those of a table's columns that exist with another type, and that type."""
    found: dict[str, ColumnType] = {}
    for column in table.columns:
        if column.name in have:
            actual, wanted = _kind(have[column.name]), _kind(column.type)
            if actual is not None and wanted is not None and actual != wanted:
                found[column.name] = actual
    return found


def _create(connection: Connection, table: Table) -> None:
    connection.execute(CreateTable(table, if_not_exists=True))
    for index in table.indexes:
        connection.execute(CreateIndex(index, if_not_exists=True))


def _holds_nothing(connection: Connection, table: Table) -> bool:
    """Whether a table of SQLite's has no rows, and no indexes and triggers but those it was made with."""
    if connection.execute(select(1).select_from(table).limit(1)).first() is not None:
        return False
    own = {table.name, *(str(index.name) for index in table.indexes)}
    things = text("SELECT name FROM sqlite_master WHERE tbl_name = :name AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
    return own.issuperset(connection.scalars(things, {"name": table.name}))


def _columns(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, TypeEngine[Any]]]:
    """Those of these tables that exist, each with its columns' types; the others, however many, are not looked at."""
    inspector = inspect(connection)
    if connection.dialect.name == "postgresql":
        found = {table: columns for (_, table), columns in inspector.get_multi_columns(filter_names=names).items()}
    else:
        found = {name: inspector.get_columns(name) for name in names if inspector.has_table(name)}
    return {name: {column["name"]: column["type"] for column in columns} for name, columns in found.items()}


def _add_column(connection: Connection, table: Table, column: Column[Any]) -> None:
    """Add a nullable column, which rewrites nothing, so that readers wait for an instant at most."""
    preparer = connection.dialect.identifier_preparer
    kind = column.type.compile(dialect=connection.dialect)
    connection.exec_driver_sql(
        f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN {preparer.quote(column.name)} {kind}"
    )


def _kind(kind: TypeEngine[Any]) -> ColumnType | None:
    """The column type that a reflected SQL type stands for; None where syncd would not have made it."""
    kinds: tuple[tuple[type, ColumnType], ...] = (
        (Boolean, "boolean"),
        (DateTime, "timestamp"),
        (Date, "date"),
        (JSON, "json"),
        (BigInteger, "bigint"),
        (Integer, "bigint"),
        (Numeric, "decimal"),
        (Text, "text"),
    )
    return next((name for sql, name in kinds if isinstance(kind, sql)), None)
