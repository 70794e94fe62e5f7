"""Many rows bound as one value, for PostgreSQL: one statement does for all, where the driver would send one each.

The value is JSON text: psycopg makes an array of a list value by value, in Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, TableValuedAlias, Text, bindparam, cast, column, func
from sqlalchemy.types import TypeEngine

_BOUND = "listed"


def listed(types: Mapping[str, TypeEngine[Any]]) -> TableValuedAlias:
    """A table of the rows that `lists_of` binds, with a column of each type."""
    text = cast(bindparam(_BOUND, type_=Text()), JSON)
    columns = (column(name, kind) for name, kind in types.items())
    return func.json_to_recordset(text).table_valued(*columns, name="listed").render_derived(with_types=True)


def lists_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The values of a statement with `listed`."""
    return {_BOUND: orjson.dumps(rows).decode()}
