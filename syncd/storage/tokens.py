"""Users' sealed tokens in `syncd_tokens`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from syncd.storage import tables as own
from syncd.storage.database import Database


class SqlTokens:
    """Pairs of one app in one environment.

    Args:
        database: Where.
        environment: The login URL: tokens never cross environments.
        client_id: The app.
        redirect_uri: Stored with a first pair.
        make: Makes what `get` and `all` give, from columns by name (`syncd.auth.ports.StoredToken`).
    """

    def __init__(
        self, database: Database, environment: str, client_id: str, redirect_uri: str, make: Callable[..., Any]
    ) -> None:
        self._database = database
        self._environment = environment
        self._client_id = client_id
        self._redirect_uri = redirect_uri
        self._make = make

    def _mine(self, label: str) -> ColumnElement[bool]:
        t = own.tokens
        return and_(t.c.label == label, t.c.environment == self._environment, t.c.client_id == self._client_id)

    def get(self, label: str) -> Any:
        """A user's pair, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(own.tokens).where(self._mine(label))).first()
        return None if row is None else self._stored(row)

    def all(self) -> Sequence[Any]:
        """All, by label."""
        t = own.tokens
        mine = and_(t.c.environment == self._environment, t.c.client_id == self._client_id)
        with self._database.read() as connection:
            return [self._stored(row) for row in connection.execute(select(t).where(mine).order_by(t.c.label))]

    def _stored(self, row: Any) -> Any:
        return self._make(
            label=row.label,
            sealed=bytes(row.sealed),
            generation=row.generation,
            state=row.state,
            reason=row.reason,
            login=row.login,
            company_id=row.company_id,
            expires_at=row.expires_at,
            consented_at=row.consented_at,
            refreshed_at=row.refreshed_at,
            intent=row.intent_generation,
            lost=row.intent_tries if row.intent_generation == row.generation else 0,
        )

    def create(self, label: str, sealed: bytes, expires_at: datetime, now: datetime) -> None:
        """Store a first pair, in place of any before."""
        t = own.tokens
        with self._database.write() as connection:
            before = connection.execute(
                select(t.c.generation).where(t.c.label == label, t.c.environment == self._environment)
            ).scalar()
            connection.execute(delete(t).where(t.c.label == label, t.c.environment == self._environment))
            connection.execute(
                insert(t).values(
                    label=label,
                    environment=self._environment,
                    client_id=self._client_id,
                    sealed=sealed,
                    generation=(before or 0) + 1,
                    state="ok",
                    redirect_uri=self._redirect_uri,
                    expires_at=expires_at,
                    consented_at=now,
                    intent_tries=0,
                )
            )

    def _update(self, where: ColumnElement[bool], **values: Any) -> bool:
        with self._database.write() as connection:
            return bool(connection.execute(update(own.tokens).where(where).values(**values)).rowcount)

    def _generation(self, label: str, generation: int) -> ColumnElement[bool]:
        return and_(self._mine(label), own.tokens.c.generation == generation)

    def identify(self, label: str, login: str | None, user_id: int | None, company_id: int | None) -> None:
        """Remember who it is."""
        self._update(self._mine(label), login=login, procore_user_id=user_id, company_id=company_id)

    def intend(self, label: str, generation: int, now: datetime) -> None:
        """Journal that this generation's refresh token is about to be exchanged."""
        t = own.tokens
        lost = case((t.c.intent_generation == generation, t.c.intent_tries), else_=0)
        mine = self._generation(label, generation)
        self._update(mine, intent_at=now, intent_generation=generation, intent_tries=lost)

    def lost(self, label: str, generation: int) -> None:
        """Journal that its exchange was sent and brought no answer."""
        self._update(self._generation(label, generation), intent_tries=own.tokens.c.intent_tries + 1)

    def replace(self, label: str, generation: int, sealed: bytes, expires_at: datetime, now: datetime) -> bool:
        """Store the pair that follows this generation, and close its intent; False where another has followed."""
        return self._update(
            self._generation(label, generation),
            sealed=sealed,
            generation=generation + 1,
            state="ok",
            reason=None,
            expires_at=expires_at,
            refreshed_at=now,
            intent_at=None,
            intent_generation=None,
            intent_tries=0,
        )

    def close(self, label: str, generation: int, reason: str) -> None:
        """Mark that consent is needed, unless another generation has followed."""
        self._update(self._generation(label, generation), state="consent needed", reason=reason)

    def reseal(self, label: str, generation: int, sealed: bytes) -> bool:
        """Store the same pair under another key; False where another generation has followed."""
        return self._update(self._generation(label, generation), sealed=sealed)

    def delete(self, label: str) -> bool:
        """Forget; whether there was one."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(own.tokens).where(self._mine(label))).rowcount)
