"""A query whose text is made once and which goes to the driver: for SQLAlchemy to run it takes four times as long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.engine import Dialect


class Statement:
    """A query in a database's own words.

    Args:
        query: With a name for each bound value, and columns that come from the driver as they are wanted.
        dialect: The database's.
    """

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        compiled = query.compile(dialect=dialect)
        self._text = str(compiled)
        self._fixed: Mapping[str, Any] = {name: one for name, one in compiled.params.items() if one is not None}
        self._order = getattr(compiled, "positiontup", None)

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """All rows, for these values.

        Raises:
            Exception: What the driver raises; `Database` knows it.
        """
        driver: Any = connection.connection.driver_connection
        bound: Any = {**self._fixed, **values}
        if self._order is not None:
            bound = [bound[name] for name in self._order]
        rows: list[tuple[Any, ...]] = driver.execute(self._text, bound).fetchall()
        return rows
