"""Users who have consented: signed in, listed, signed out, resealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import structlog

from syncd.auth.grants import Grant, Grants, TokenEndpointUnavailable
from syncd.auth.ports import Clock, Failures, Locks, StoredToken, TokenStore
from syncd.auth.secret import Secret
from syncd.auth.users import lease_name
from syncd.auth.vault import Vault
from syncd.errors import ConfigError, ConsentNeeded, JobBusy, SyncdError
from syncd.model import Principal

_log = structlog.get_logger(__name__)

_LEASE_SECONDS = 60.0
_LOOK_AGAIN = 0.1
_ROUNDS = 5


class Accounts:
    """Users' stored tokens, as an operator looks after them.

    Args:
        grants: Exchanges and revokes.
        store: Where the pairs are.
        vault: Gives what seals and opens them.
        locks: Excludes other processes that renew the same user's tokens.
        failures: Where it is remembered that a token could not be had.
        clock: Time.
    """

    def __init__(
        self,
        grants: Grants,
        store: TokenStore,
        vault: Callable[[], Vault],
        locks: Locks,
        failures: Failures,
        clock: Clock,
    ) -> None:
        self._grants = grants
        self._store = store
        self._vault = vault
        self._locks = locks
        self._failures = failures
        self._clock = clock

    def all(self) -> Sequence[StoredToken]:
        """All stored users, by label."""
        return self._store.all()

    def login(self, label: str, code: Secret) -> None:
        """Exchange a user's code and store the pair, in place of any before.

        Raises:
            ConsentNeeded: The code is dead.
            CredentialsRefused: Procore does not accept the app's credentials.
            SyncdError: The token endpoint is in trouble; the user has to begin anew.
            VaultError: The vault's key cannot be used; the code was not exchanged.
            StoreError: The pair could not be stored.
        """
        vault = self._vault()
        with self._exclusively(label):
            now = self._clock.now()
            grant = self._exchanged(label, code)
            sealed = vault.seal(grant.access, grant.refresh)
            self._store.create(label, sealed, now + timedelta(seconds=grant.life), now)
        self._failures.worked(str(Principal(label)))

    def _exchanged(self, label: str, code: Secret) -> Grant:
        again = f"Start again: syncd auth login {label}"
        try:
            return self._grants.exchange(code)
        except ConsentNeeded as error:
            raise ConsentNeeded(error.message, again) from None
        except TokenEndpointUnavailable as error:
            # A code lives once and shortly: a person is there to begin anew.
            raise SyncdError(error.message, again) from None

    def logout(self, label: str) -> SyncdError | None:
        """Revoke a user's tokens at Procore and forget them; they are forgotten also where they could not be revoked.

        Returns:
            Why they could not be revoked, or None.

        Raises:
            ConfigError: There is no such user.
        """
        with self._exclusively(label):
            stored = self._store.get(label)
            if stored is None:
                raise self._unknown(label)
            failed: SyncdError | None = None
            try:
                access, refresh = self._vault().open(stored.sealed)
                self._grants.revoke(refresh or access)
            except SyncdError as error:
                failed = error
            self._store.delete(label)
        self._failures.worked(str(Principal(label)))
        return failed

    def reseal(self) -> int:
        """Seal all stored pairs with the vault's current key; returns how many there are.

        Raises:
            VaultError: One was sealed with a key that the vault does not have.
        """
        vault = self._vault()
        labels = [one.label for one in self._store.all()]
        for label in labels:
            self._reseal(label, vault)
        return len(labels)

    def _reseal(self, label: str, vault: Vault) -> None:
        for _ in range(_ROUNDS):
            stored = self._store.get(label)
            if stored is None or self._store.reseal(label, stored.generation, vault.resealed(stored.sealed)):
                return
        _log.warning("a user's tokens were renewed again and again; the next renewal seals them anew", user=label)

    def _unknown(self, label: str) -> ConfigError:
        known = ", ".join(one.label for one in self._store.all())
        return ConfigError(f"No authorization of {label} is stored.", f"Stored: {known}." if known else "None is.")

    @contextmanager
    def _exclusively(self, label: str) -> Iterator[None]:
        while True:
            try:
                held = self._locks.lease(lease_name(label), _LEASE_SECONDS)
            except JobBusy:
                self._clock.sleep(_LOOK_AGAIN)
            else:
                break
        try:
            yield
        finally:
            held.release()
