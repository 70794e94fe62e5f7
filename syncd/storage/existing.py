"""Which columns a database's tables have, by one query: SQLAlchemy's inspection takes several, and a tenth of a start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import Connection, text

from syncd.catalog.layout import ColumnType
from syncd.storage.database import JSON_TEXT

Columns = Mapping[str, ColumnType | None]
"""A table's columns, each with its type; None for a type that syncd would not have given it."""

_POSTGRESQL = text("""
    SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, NULL)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE c.relname = ANY(:names) AND c.relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(c.oid)
    AND a.attnum > 0 AND NOT a.attisdropped
""")
_SQLITE = text("SELECT t.value, c.name, upper(c.type) FROM json_each(:names) t, pragma_table_info(t.value) c")
_TYPES: Mapping[str, ColumnType] = {
    "bigint": "bigint",
    "integer": "bigint",
    "smallint": "bigint",
    "numeric": "decimal",
    "double precision": "decimal",
    "real": "decimal",
    "text": "text",
    "boolean": "boolean",
    "date": "date",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp",
    "json": "json",
    "jsonb": "json",
    "BIGINT": "bigint",
    "INTEGER": "bigint",
    "NUMERIC": "decimal",
    "FLOAT": "decimal",
    "REAL": "decimal",
    "TEXT": "text",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DATETIME": "timestamp",
    "TIMESTAMP": "timestamp",
    "JSON": "json",
    JSON_TEXT: "json",
}
"""By the names that PostgreSQL (small letters) and SQLite (as declared) have for them."""


def existing_columns(connection: Connection, names: Sequence[str]) -> Mapping[str, Columns]:
    """Those of these tables that exist, each with its columns."""
    found: dict[str, dict[str, ColumnType | None]] = {}
    if connection.dialect.name == "postgresql":
        rows = connection.execute(_POSTGRESQL, {"names": list(names)})
    else:
        rows = connection.execute(_SQLITE, {"names": orjson.dumps(list(names)).decode()})
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = _TYPES.get(kind)
    return found
