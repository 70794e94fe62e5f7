"""The ledger of quota and the ledger of requests, shared by all processes on one database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import orjson
from sqlalchemy import insert, select, update

from syncd.storage import tables as own
from syncd.storage.database import Database, Now


class Quotas(Protocol):
    """Makes the state machine anew, or of what was stored."""

    def __call__(self, stored: Mapping[str, Any] | None) -> Any:
        """The state."""


class SqlQuota:
    """One OAuth client's quota in `syncd_quota`; every exchange is one short transaction.

    Args:
        database: Where.
        client: Digest of login URL and client id.
        make: Makes the state machine of what is stored.
        now: The wall clock, UTC.
    """

    def __init__(self, database: Database, client: str, make: Quotas, now: Now) -> None:
        self._database = database
        self._client = client
        self._make = make
        self._now = now

    def exchange(
        self, told: Any, want: int, share: float, now: float, *, spare: int = 0, priority: int = 0
    ) -> tuple[int, float]:
        """Hand in what came since the last call, and take slots."""
        table = own.quota
        with self._database.write() as connection:
            query = select(table.c.state).where(table.c.client == self._client).with_for_update()
            stored = connection.execute(query).scalar()
            quota = self._make(None if stored is None else orjson.loads(stored)).hearing(told, now)
            granted, wait = 0, 0.0
            if want:
                quota, granted, wait = quota.take(want, share, now, spare=spare, priority=priority)
            state = orjson.dumps(asdict(quota)).decode()
            if stored is None:
                connection.execute(insert(table).values(client=self._client, state=state, updated_at=self._now()))
            elif state != stored:
                mine = table.c.client == self._client
                connection.execute(update(table).where(mine).values(state=state, updated_at=self._now()))
        return granted, wait

    def windows(self) -> Sequence[Any]:
        """The windows as they are known."""
        table = own.quota
        with self._database.read() as connection:
            stored = connection.execute(select(table.c.state).where(table.c.client == self._client)).scalar()
        windows: Sequence[Any] = self._make(None if stored is None else orjson.loads(stored)).windows()
        return windows


class SqlRequests:
    """Requests by hour, status and observation, in `syncd_requests`.

    Args:
        database: Where.
        client: Digest of login URL and client id.
    """

    def __init__(self, database: Database, client: str) -> None:
        self._database = database
        self._client = client

    def add(self, counts: Mapping[Any, int]) -> None:
        """Add to the counts."""
        table = own.requests
        statement = self._database.insert(table)
        statement = statement.on_conflict_do_update(
            index_elements=[column.name for column in table.primary_key.columns],
            set_={"count": table.c["count"] + statement.excluded["count"]},
        )
        rows = [
            {"client": self._client, "hour": one.hour, "status": one.status, "observation": one.kind, "count": count}
            for one, count in counts.items()
        ]
        with self._database.write() as connection:
            connection.execute(statement, rows)
