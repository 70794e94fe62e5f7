"""Processes that renew one user's tokens, to be raced and killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

from sqlalchemy import update

from syncd.api.connections import Connections
from syncd.app.endpoint import TokenEndpoint
from syncd.auth.accounts import Accounts
from syncd.auth.grants import App, Grants
from syncd.auth.ports import StoredToken
from syncd.auth.secret import Redactor, Secret
from syncd.auth.users import UserSupply
from syncd.auth.vault import Vault
from syncd.clock import SystemClock
from syncd.storage import migrate, tables
from syncd.storage.database import Database
from syncd.storage.state import TokenFailures
from syncd.storage.store import SqlStore
from syncd.storage.tokens import SqlTokens

LABEL = "alice"
REDIRECT = "http://localhost"


@dataclass(frozen=True)
class Place:
    """Where a process finds everything.

    Attributes:
        login_url: The sandbox.
        database: The database's URL.
        key: The vault's.
        lease_seconds: How long a dead process is waited for.
    """

    login_url: str
    database: str
    key: str
    lease_seconds: float = 60.0


@dataclass
class Desk:
    """One process's way to the tokens."""

    supply: UserSupply
    accounts: Accounts
    store: SqlTokens
    database: Database
    vault: Vault

    def expire(self) -> None:
        """Let the stored access token have ended."""
        past = datetime.now(UTC) - timedelta(hours=1)
        with self.database.write() as connection:
            connection.execute(update(tables.tokens).values(expires_at=past))

    def stored(self) -> StoredToken:
        found: StoredToken | None = self.store.get(LABEL)
        assert found is not None
        return found


@contextmanager
def desk(place: Place) -> Iterator[Desk]:
    clock, redactor = SystemClock(), Redactor()
    database = Database(place.database)
    migrate.verify(database)
    app = App(place.login_url, "demo", Secret("demo"), REDIRECT)
    grants = Grants(TokenEndpoint(Connections(place.login_url, clock), place.login_url).post, app, redactor)
    store = SqlTokens(database, app.login_url, app.client_id, REDIRECT, StoredToken)
    locks = SqlStore(database, clock.now)
    vault = Vault([Secret(place.key)], "the test", redactor)
    failures = TokenFailures(database, clock.now)
    yield Desk(
        UserSupply(LABEL, grants, store, lambda: vault, locks, clock, place.lease_seconds),
        Accounts(grants, store, lambda: vault, locks, failures, clock),
        store,
        database,
        vault,
    )
    database.close()


def answer(place: Place, orders: Connection) -> None:
    """Fetch a token at each order, and tell it."""
    with desk(place) as one:
        orders.send("ready")
        while orders.recv():
            orders.send(one.supply.fetch(None).access.reveal())


def renew_for_ever(place: Place, orders: Connection) -> None:
    """Renew without end."""
    with desk(place) as one:
        orders.send("ready")
        while True:
            one.supply.fetch(one.supply.fetch(None).access)
