"""Conditions that several statements share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from sqlalchemy import ARRAY, BindParameter, Date, and_, any_, bindparam, cast, func, or_, select, tuple_, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from syncd.catalog.layout import PARENT_ID, RECORD_ID, Layout
from syncd.model import Id, Key, Partition, Window
from syncd.storage import tables as own
from syncd.storage.schema import DELETED_AT, PARENT, SEEN_BY, Tables

_ABOUT = "about_"


def key_text(key: Key) -> str:
    """A key as stored in `syncd_sightings`: a JSON array."""
    return orjson.dumps(key).decode()


def record_id(key: Key) -> Id:
    """What child rows call their record."""
    return key[0] if len(key) == 1 else key_text(key)


def in_scope(layout: Layout, table: Any, partition: Partition) -> ColumnElement[bool]:
    """Rows of the partition's company and project."""
    values = {"company_id": partition.company_id, "project_id": partition.project_id}
    return and_(True, *(table.c[column.name] == values[column.name] for column in layout.id_scope))


def in_partition(layout: Layout, tables: Tables, partition: Partition) -> ColumnElement[bool]:
    """Rows of the partition: of its scope, and of its parents where it has any."""
    mine = in_scope(layout, tables.root, partition)
    return and_(mine, tables.root.c[PARENT] == partition.parent_text) if tables.has_parent else mine


def is_in(column: Any, values: Sequence[Id], *, sqlite: bool) -> ColumnElement[bool]:
    """Membership with one bound value for any number of values, so that statements are compiled once."""
    bound = orjson.dumps(list(values)).decode() if sqlite else list(values)
    return _is_among(column, bindparam(None, bound), sqlite=sqlite)


def _is_among(column: Any, bound: BindParameter[Any], *, sqlite: bool) -> ColumnElement[bool]:
    """Membership in a list that is bound as JSON text for SQLite, as an array for PostgreSQL."""
    condition: ColumnElement[bool]
    if sqlite:
        condition = column.in_(select(func.json_each(bound).table_valued("value").c.value))
    else:
        condition = column == any_(type_coerce(bound, ARRAY(column.type)))
    return condition


def has_key(layout: Layout, table: Any, keys: Sequence[Key], *, sqlite: bool) -> ColumnElement[bool]:
    """Rows of these records."""
    columns = [table.c[name] for name in layout.key]
    if len(columns) == 1:
        return is_in(columns[0], [key[0] for key in keys], sqlite=sqlite)
    return or_(*(and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))


def sees(seen_by: Any, principal: str) -> ColumnElement[bool]:
    """Rows that a principal sees; the column holds principals with spaces between."""
    padded = " " + seen_by + " "
    return or_(seen_by == principal, padded.contains(f" {principal} ", autoescape=True))


def stands(
    layout: Layout, tables: Tables, partition: Partition, window: Window | None, *, sqlite: bool
) -> ColumnElement[bool]:
    """Live rows of a partition that its principal sees, of some days only where these are given."""
    table = tables.root
    conditions = [
        in_partition(layout, tables, partition),
        table.c[DELETED_AT].is_(None),
        sees(table.c[SEEN_BY], partition.principal),
    ]
    if window is not None:
        day = func.date(table.c[window.column])
        bounds = [bound if sqlite else cast(bound, Date) for bound in (window.first, window.last)]
        conditions.append(and_(day >= bounds[0], day <= bounds[1]))
    return and_(*conditions)


def child_rows(
    layout: Layout, tables: Tables, partition: Partition, keys: Sequence[Key], *, sqlite: bool
) -> Iterator[tuple[Any, ColumnElement[bool]]]:
    """Each child table, and its rows of these records."""
    ids = [record_id(key) for key in keys]
    for child in tables.children.values():
        column = child.c[RECORD_ID] if RECORD_ID in child.c else child.c[PARENT_ID]
        yield child, and_(in_scope(layout, child, partition), is_in(column, ids, sqlite=sqlite))


def scope_of(partition: Partition) -> tuple[str, str, int, int, str]:
    """A partition as the values of syncd's own tables."""
    return (
        partition.principal,
        partition.resource,
        partition.company_id,
        partition.project_id or 0,
        partition.parent_text,
    )


def scope_columns(table: Any) -> tuple[Any, ...]:
    """The columns of syncd's own tables that name a partition, as `scope_of` does."""
    return (table.c.principal, table.c.resource, table.c.company_id, table.c.project_id, table.c.parent)


def is_one_of(table: Any, partitions: Sequence[Partition]) -> ColumnElement[bool]:
    """Rows of syncd's own tables that stand for one of these partitions."""
    return tuple_(*scope_columns(table)).in_([scope_of(partition) for partition in partitions])


def is_about(table: Any, *, sqlite: bool) -> ColumnElement[bool]:
    """Rows of syncd's own tables among which those of some partitions are, and maybe others.

    A list for each column takes five bound values however many partitions there are; naming each partition, five each.
    `about` gives the values, so that a statement is made once.
    """
    return and_(
        *(_is_among(column, bindparam(f"{_ABOUT}{column.name}"), sqlite=sqlite) for column in scope_columns(table))
    )


def about(partitions: Sequence[Partition], *, sqlite: bool) -> dict[str, Any]:
    """The values of `is_about` for these partitions."""
    lists = ([*dict.fromkeys(values)] for values in zip(*map(scope_of, partitions), strict=True))
    return {
        f"{_ABOUT}{column.name}": orjson.dumps(values).decode() if sqlite else values
        for column, values in zip(scope_columns(own.partitions), lists, strict=True)
    }


def is_partition(partition: Partition) -> ColumnElement[bool]:
    """The row of `syncd_partitions`."""
    return is_one_of(own.partitions, [partition])
