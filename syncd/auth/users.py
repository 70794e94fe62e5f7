"""A user's tokens, whose refresh token lives once: exchanged by one process at a time, journalled before, stored after.

Procore's refresh token is dead as soon as it is used, even if the answer is lost. So an intent is committed before the
exchange and the new pair before its access token is used; a process that dies in between leaves the intent behind, and
the next one knows that an exchange may have happened.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from syncd.auth.grants import Grant, Grants, TokenEndpointUnavailable
from syncd.auth.ports import Clock, Locks, StoredToken, TokenStore
from syncd.auth.secret import Secret
from syncd.auth.vault import Vault
from syncd.errors import ConsentNeeded, JobBusy

_log = structlog.get_logger(__name__)

_LEASE_SECONDS = 120.0
_LOOK_AGAIN = 0.1
_MOST_TRIES = 3
"""How often a refresh token is tried whose exchange may have happened without an answer."""
_USABLE = timedelta(seconds=5)


class UserSupply:
    """One user's tokens, shared by all processes on one database.

    Args:
        label: As given at `auth login`.
        grants: Asks for tokens.
        store: Where the pairs are.
        vault: Gives what opens them.
        locks: Excludes the other processes.
        clock: Time.
    """

    def __init__(
        self, label: str, grants: Grants, store: TokenStore, vault: Callable[[], Vault], locks: Locks, clock: Clock
    ) -> None:
        self._label = label
        self._grants = grants
        self._store = store
        self._vault = vault
        self._locks = locks
        self._clock = clock

    def fetch(self, refused: Secret | None) -> Grant:
        """An access token other than the one refused: the stored one, or that of the next pair.

        Raises:
            ConsentNeeded: None is stored, or it no longer refreshes.
            TokenEndpointUnavailable: Not now.
        """
        while True:
            stored = self._stored()
            usable = self._usable(stored, refused)
            if usable is not None:
                return usable
            try:
                held = self._locks.lease(f"token:{self._label}", _LEASE_SECONDS)
            except JobBusy:
                # Another process is exchanging: what it stores will do.
                self._clock.sleep(_LOOK_AGAIN)
                continue
            try:
                stored = self._stored()
                return self._usable(stored, refused) or self._exchanged(stored)
            finally:
                held.release()

    def _stored(self) -> StoredToken:
        stored = self._store.get(self._label)
        if stored is None:
            raise self._consent(f"No authorization of {self._label} is stored.")
        if stored.state != "ok":
            raise self._consent(f"The authorization of {self._label} no longer works: {stored.reason}.")
        return stored

    def _usable(self, stored: StoredToken, refused: Secret | None) -> Grant | None:
        left = stored.expires_at - self._clock.now()
        if left <= _USABLE:
            return None
        access, refresh = self._vault().open(stored.sealed)
        return None if access == refused else Grant(access, refresh, left.total_seconds())

    def _exchanged(self, stored: StoredToken) -> Grant:
        _, refresh = self._vault().open(stored.sealed)
        if refresh is None:
            self._store.close(self._label, "it came without a refresh token")
            raise self._consent(f"The authorization of {self._label} cannot be renewed.")
        unanswered = stored.tries if stored.intent == stored.generation else 0
        if unanswered >= _MOST_TRIES:
            self._store.close(self._label, "answers to its renewal were lost")
            raise self._consent(f"The authorization of {self._label} was lost on the way, {unanswered} times.")
        self._store.intend(self._label, stored.generation, self._clock.now())
        try:
            grant = self._grants.refresh(refresh)
        except ConsentNeeded as error:
            self._store.close(self._label, str(error).removesuffix("."))
            raise self._consent(f"The authorization of {self._label} no longer works: {error}") from None
        except TokenEndpointUnavailable as error:
            if not error.sent:
                self._store.relent(self._label, stored.generation)
            raise
        expires_at = self._clock.now() + timedelta(seconds=grant.life)
        sealed = self._vault().seal(grant.access, grant.refresh or refresh)
        self._store.replace(self._label, stored.generation, sealed, expires_at, self._clock.now())
        _log.info("a user's authorization was renewed", user=self._label)
        return grant

    def _consent(self, message: str) -> ConsentNeeded:
        return ConsentNeeded(message, f"Let the user sign in: syncd auth login {self._label}")


def expiry(now: datetime, grant: Grant) -> datetime:
    """When a token that was asked for now ends."""
    return now + timedelta(seconds=grant.life)
