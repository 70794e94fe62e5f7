"""Rows bound as one list per column, for PostgreSQL: one statement does for all, where the driver would send one each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, TableValuedAlias, bindparam, func
from sqlalchemy.types import TypeEngine


def listed(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """A table of the rows that `lists_of` binds, with a column of each type."""
    lists = (bindparam(f"listed_{name}", type_=ARRAY(kind)) for name, kind in types.items())
    return func.unnest(*lists).table_valued(*types, name="listed").render_derived()


def lists_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """The values of a statement with `listed`; there is at least one row."""
    return {f"listed_{name}": [row[name] for row in rows] for name in rows[0]}
