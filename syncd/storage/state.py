"""Small things that are remembered: a job's own state, and that a principal's token could not be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, select

from syncd.storage import tables as own
from syncd.storage.database import Database, Now


@dataclass(frozen=True, slots=True)
class TokenFailure:
    """That a principal's token could not be had.

    Attributes:
        principal: Whose.
        error: One sentence.
        since: When it was first so.
        times: How often since.
    """

    principal: str
    error: str
    since: datetime
    times: int


class JobState:
    """What a job remembers between its runs: one JSON object.

    Args:
        database: Where.
        job: Its name.
    """

    def __init__(self, database: Database, job: str) -> None:
        self._database = database
        self._name = f"job:{job}"

    def load(self) -> Mapping[str, Any]:
        """What was saved last; empty before the first time."""
        with self._database.read() as connection:
            stored = connection.execute(select(own.meta.c.value).where(own.meta.c.name == self._name)).scalar()
        state: dict[str, Any] = {} if stored is None else orjson.loads(stored)
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace it, at once."""
        text = orjson.dumps(state).decode()
        statement = self._database.insert(own.meta).values(name=self._name, value=text, sealed=False)
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": text}))


class TokenFailures:
    """Failures to get a token, by principal.

    Args:
        database: Where.
        now: The wall clock, UTC.
    """

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    def failed(self, principal: str, error: str) -> None:
        """Remember."""
        table, now = own.token_failures, self._now()
        statement = self._database.insert(table).values(
            principal=principal, error=error, since=now, last_at=now, times=1
        )
        changed = {"error": error, "last_at": now, "times": table.c.times + 1}
        with self._database.write() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["principal"], set_=changed))

    def worked(self, principal: str) -> None:
        """Forget."""
        table = own.token_failures
        mine = table.c.principal == principal
        with self._database.read() as connection:
            if connection.execute(select(table.c.times).where(mine)).first() is None:
                return
        with self._database.write() as connection:
            connection.execute(delete(table).where(mine))

    def all(self) -> Sequence[TokenFailure]:
        """Those that stand."""
        table = own.token_failures
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.principal))
            return [TokenFailure(row.principal, row.error, row.since, row.times) for row in rows]
