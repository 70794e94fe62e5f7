"""A user's tokens, whose refresh token lives once: exchanged by one process at a time, journalled before, stored after.

Procore's refresh token is dead as soon as it is used, even if the answer is lost. So an intent is committed before the
exchange and the new pair before its access token is used; a process that dies in between leaves the intent behind, and
the next one knows that an exchange may have happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from syncd.auth.grants import Grant, Grants, TokenEndpointUnavailable
from syncd.auth.ports import Clock, Locks, StoredToken, TokenStore
from syncd.auth.secret import Secret
from syncd.auth.vault import Vault
from syncd.errors import ConsentNeeded, JobBusy, StoreError

_log = structlog.get_logger(__name__)

_LEASE_SECONDS = 60.0
"""Longer than an exchange may take; a process that died in one is waited for so long."""
_LOOK_AGAIN = 0.1
_LOSSES = (5.0, 40.0)
"""Seconds until a refresh token is tried again whose exchange brought no answer; after that many, and one more, no longer."""
_REQUEST = timedelta(seconds=30)
"""What a stored access token must still live to be taken, where its life allows."""
_SAVING = (0.5, 2.0, 5.0, 10.0)
"""Seconds between attempts to store a pair that exists nowhere else."""


class UserSupply:
    """One user's tokens, shared by all processes on one database.

    Args:
        label: As given at `auth login`.
        grants: Asks for tokens.
        store: Where the pairs are.
        vault: Gives what opens them.
        locks: Excludes the other processes.
        clock: Time.
        lease_seconds: How long the other processes wait for one that died in an exchange.
    """

    def __init__(
        self,
        label: str,
        grants: Grants,
        store: TokenStore,
        vault: Callable[[], Vault],
        locks: Locks,
        clock: Clock,
        lease_seconds: float = _LEASE_SECONDS,
    ) -> None:
        self._label = label
        self._grants = grants
        self._store = store
        self._vault = vault
        self._locks = locks
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._unsaved: _Unsaved | None = None

    def fetch(self, refused: Secret | None) -> Grant:
        """An access token other than the one refused: the stored one, or that of the next pair.

        Raises:
            ConsentNeeded: None is stored, or it no longer refreshes.
            TokenEndpointUnavailable: Not now.
            VaultError: What is stored cannot be opened.
            StoreError: It cannot be read or written.
            Stopped: Asked to stop while another process was waited for.
        """
        self._save()
        while True:
            usable = self._usable(self._stored(), refused)
            if usable is not None:
                return usable
            try:
                held = self._locks.lease(lease_name(self._label), self._lease_seconds)
            except JobBusy:
                # Another process is exchanging: what it stores will do.
                self._clock.sleep(_LOOK_AGAIN)
                continue
            try:
                stored = self._stored()
                grant = self._usable(stored, refused) or self._exchanged(stored)
            finally:
                held.release()
            if grant is not None:
                return grant

    def _stored(self) -> StoredToken:
        stored = self._store.get(self._label)
        if stored is None:
            raise self._consent(f"No authorization of {self._label} is stored.")
        if stored.state != "ok":
            raise self._consent(f"The authorization of {self._label} no longer works: {stored.reason}.")
        return stored

    def _usable(self, stored: StoredToken, refused: Secret | None) -> Grant | None:
        # More than its whole life is left only where the wall clock was set back.
        left = min(stored.expires_at - self._clock.now(), stored.life)
        if left <= min(_REQUEST, stored.life / 8):
            return None
        access, refresh = self._vault().open(stored.sealed)
        return None if access == refused else Grant(access, refresh, left.total_seconds())

    def _exchanged(self, stored: StoredToken) -> Grant | None:
        """The next pair, stored; None where another process has stored one meanwhile."""
        vault = self._vault()
        _, refresh = vault.open(stored.sealed)
        if refresh is None:
            self._store.close(self._label, stored.generation, "it came without a refresh token")
            raise self._consent(f"The authorization of {self._label} cannot be renewed.")
        if stored.lost > len(_LOSSES):
            self._store.close(self._label, stored.generation, f"the answers to {stored.lost} renewals were lost")
            raise self._consent(f"The authorization of {self._label} was lost on the way, {stored.lost} times.")
        self._store.intend(self._label, stored.generation, self._clock.now())
        began = self._clock.now()
        try:
            grant = self._grants.refresh(refresh)
        except ConsentNeeded as error:
            self._dead(stored, error)
            return None
        except TokenEndpointUnavailable as error:
            if error.sent:
                self._store.lost(self._label, stored.generation)
                pause = _LOSSES[min(stored.lost, len(_LOSSES) - 1)]
                error.after = max(error.after or 0.0, pause)
            raise
        sealed = vault.seal(grant.access, grant.refresh or refresh)
        self._unsaved = _Unsaved(stored.generation, sealed, began + timedelta(seconds=grant.life), began)
        self._save()
        _log.info("a user's authorization was renewed", user=self._label)
        return grant

    def _dead(self, stored: StoredToken, error: ConsentNeeded) -> None:
        """Procore knows the refresh token no more: another process has stored what came of it, or it is lost.

        Raises:
            ConsentNeeded: It is lost.
        """
        now = self._store.get(self._label)
        if now is not None and now.generation != stored.generation:
            return
        why = error.message.removesuffix(".")
        if stored.intent == stored.generation:
            why = f"an exchange before was interrupted and its answer lost; {why}"
        self._store.close(self._label, stored.generation, why)
        raise self._consent(f"The authorization of {self._label} no longer works: {why}.")

    def _save(self) -> None:
        """Store what was exchanged. Nobody else has it: it is tried for a while, and kept in memory after that.

        Raises:
            StoreError: It cannot be stored yet.
            Stopped: Asked to stop while it could not be stored.
        """
        pauses = iter(_SAVING)
        while (new := self._unsaved) is not None:
            try:
                self._store.replace(self._label, new.generation, new.sealed, new.expires_at, new.now)
            except StoreError as error:
                _log.warning("a renewed authorization could not be stored yet", user=self._label, why=error.message)
                pause = next(pauses, None)
                if pause is None or self._clock.stopping():
                    raise
                self._clock.sleep(pause)
            else:
                self._unsaved = None

    def _consent(self, message: str) -> ConsentNeeded:
        return ConsentNeeded(message, f"Let the user sign in: syncd auth login {self._label}")


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """A pair that exists in memory only. Attributes as the arguments of `TokenStore.replace`."""

    generation: int
    sealed: bytes
    expires_at: datetime
    now: datetime


def lease_name(label: str) -> str:
    """The lease that keeps other processes from exchanging a user's refresh token."""
    return f"token:{label}"
