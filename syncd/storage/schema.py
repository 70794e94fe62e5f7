"""From a layout to real tables: made, brought up to date, never narrowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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
from syncd.storage.existing import Columns, existing_columns

SYNCED_AT = "_syncd_synced_at"
DELETED_AT = "_syncd_deleted_at"
RUN_ID = "_syncd_run_id"
HASH = "_syncd_hash"
SEEN_BY = "_syncd_seen_by"
PARENT = "_syncd_parent"
MISFITS = "_syncd_misfits"
PATH = "path"
"""In a column's `info`: where its field stands in the record, as misfits are named."""

_MOMENT, _TEXT = DateTime(timezone=True), Text()


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


class _Field(NamedTuple):
    """A column as it shall be."""

    name: str
    type: TypeEngine[Any]
    required: bool = False
    path: str | None = None

    def column(self) -> Column[Any]:
        info = None if self.path is None else {PATH: self.path}
        return Column(self.name, self.type, nullable=not self.required, autoincrement=False, info=info)


def tables_of(layout: Layout) -> Tables:
    """The SQLAlchemy tables of a layout."""
    metadata = MetaData()
    root, *children = layout.tables()
    fields = _fields_of(layout)
    columns = [field.column() for field in fields[root.name]]
    table = Table(root.name, metadata, *columns, PrimaryKeyConstraint(*layout.primary_key))
    if PARENT in table.c:
        scope = [table.c[c.name] for c in layout.id_scope]
        Index(f"ix_{root.name}_parent"[:63], *scope, table.c[PARENT])
    below = {
        child.name: Table(
            child.name,
            metadata,
            *(field.column() for field in fields[child.name]),
            PrimaryKeyConstraint(*layout.child_key(child)),
        )
        for child in children
    }
    return Tables(layout, table, below)


def _fields_of(layout: Layout) -> dict[str, list[_Field]]:
    """The columns of each table."""
    enclosing = {child.name: table for table in layout.tables() for child in table.children}
    return {
        table.name: _of_child(layout, table, enclosing[table.name]) if table.depth else _of_root(layout)
        for table in layout.tables()
    }


def _of_root(layout: Layout) -> list[_Field]:
    keys = set(layout.primary_key)
    parented = len(layout.scope) > len(layout.id_scope)
    return [
        *(_Field(c.name, sql_type(c.type), c in layout.id_scope) for c in layout.scope),
        *([_Field(CONTENT_KEY, _TEXT, required=True)] if layout.content_key else []),
        *(_data(c, required=c.name in keys) for c in layout.table.columns),
        _Field(SYNCED_AT, _MOMENT, required=True),
        _Field(DELETED_AT, _MOMENT),
        _Field(RUN_ID, _TEXT, required=True),
        _Field(HASH, LargeBinary(), required=True),
        _Field(SEEN_BY, _TEXT, required=True),
        _Field(MISFITS, JSON()),
        *([_Field(PARENT, _TEXT, required=True)] if parented else []),
    ]


def _of_child(layout: Layout, table: LayoutTable, enclosing: LayoutTable) -> list[_Field]:
    deep = RECORD_ID in layout.child_key(table)
    return [
        *(_Field(c.name, sql_type(c.type), required=True) for c in layout.id_scope),
        *([_Field(RECORD_ID, sql_type(record_id_type(layout)), required=True)] if deep else []),
        _Field(PARENT_ID, sql_type(_parent_id_type(layout, table, enclosing)), required=True),
        _Field(POSITION, Integer(), required=True),
        *(_data(c) for c in table.columns),
        _Field(SYNCED_AT, _MOMENT, required=True),
        _Field(DELETED_AT, _MOMENT),
        _Field(RUN_ID, _TEXT, required=True),
        _Field(MISFITS, JSON()),
    ]


def _data(column: LayoutColumn, *, required: bool = False) -> _Field:
    return _Field(column.name, sql_type(column.type), required, ".".join(column.path))


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


def create_or_extend(connection: Connection, layout: Layout) -> dict[tuple[str, str], ColumnType]:
    """Make what is missing.

    Args:
        connection: In a transaction of `Database.define`.
        layout: What its tables shall be.

    Returns:
        Columns that exist with another type than the layout's, by table and name, and that type.
    """
    found: dict[tuple[str, str], ColumnType] = {}
    fields = _fields_of(layout)
    existing = existing_columns(connection, [*fields])
    # Most runs find all in place, and a run that writes nothing needs no tables of SQLAlchemy's.
    if any(field.name not in existing.get(name, ()) for name, wanted in fields.items() for field in wanted):
        _complete(connection, tables_of(layout), existing)
    for name, have in existing.items():
        found |= {(name, column): kind for column, kind in _other_types(fields[name], have).items()}
    return found


def _complete(connection: Connection, tables: Tables, existing: Mapping[str, Columns]) -> None:
    fields = _fields_of(tables.layout)
    for table in (tables.root, *tables.children.values()):
        have = existing.get(table.name)
        if have is None:
            _create(connection, table)
            continue
        missing = [column for column in table.columns if column.name not in have]
        if not missing:
            continue
        as_made = not _other_types(fields[table.name], have) and have.keys() <= {
            column.name for column in table.columns
        }
        if connection.dialect.name == "sqlite" and as_made and _holds_nothing(connection, table):
            # SQLite reads its whole schema again for each column that is added, for a table only that table's.
            connection.execute(DropTable(table))
            _create(connection, table)
            continue
        for column in missing:
            _add_column(connection, table, column)


def _other_types(fields: Sequence[_Field], have: Columns) -> dict[str, ColumnType]:
    """Those of a table's columns that exist with another type, and that type."""
    found: dict[str, ColumnType] = {}
    for field in fields:
        actual, wanted = have.get(field.name), _kind(field.type)
        if actual is not None and wanted is not None and actual != wanted:
            found[field.name] = actual
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


def _add_column(connection: Connection, table: Table, column: Column[Any]) -> None:
    """Add a nullable column, which rewrites nothing, so that readers wait for an instant at most."""
    preparer = connection.dialect.identifier_preparer
    kind = column.type.compile(dialect=connection.dialect)
    connection.exec_driver_sql(
        f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN {preparer.quote(column.name)} {kind}"
    )


def _kind(kind: TypeEngine[Any]) -> ColumnType | None:
    """The column type that a SQL type stands for; None where no field of a record has it."""
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
