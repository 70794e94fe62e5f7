"""Who speaks to Procore: principals, their tokens, and the users who have signed in."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from syncd.api.source import Api
from syncd.app.kit import Kit, Silent
from syncd.app.procore import Procore
from syncd.auth.accounts import Accounts
from syncd.auth.keyring import Keyring
from syncd.auth.manager import Supply, TokenManager
from syncd.auth.ports import StoredToken
from syncd.auth.secret import Secret
from syncd.auth.service import ServiceSupply
from syncd.auth.users import UserSupply
from syncd.config.load import Configuration
from syncd.engine.ports import Progress
from syncd.errors import SyncdError, VaultError
from syncd.model import Principal
from syncd.storage.database import Database
from syncd.storage.state import TokenFailures
from syncd.storage.store import SqlStore
from syncd.storage.tokens import SqlTokens


class Access:
    """Procore as each principal sees it.

    Args:
        configuration: Valid.
        procore: The way there.
        database: Where tokens are stored.
        store: Gives the leases under which a user's token is exchanged.
        kit: What does not change with the configuration.

    Attributes:
        keyring: Seals users' tokens.
        tokens: Those of the users who have signed in.
        failures: To get a token, by principal.
    """

    def __init__(
        self, configuration: Configuration, procore: Procore, database: Database, store: SqlStore, kit: Kit
    ) -> None:
        keys, vault = configuration.settings.procore, configuration.settings.vault
        self._jobs = configuration.jobs
        self._procore = procore
        self._store = store
        self._clock = kit.clock
        given = None if vault.key is None else Secret(vault.key.get_secret_value())
        self.keyring = Keyring(given, vault.key_file, kit.redactor)
        self.tokens = SqlTokens(database, keys.login_url, keys.client_id, keys.redirect_uri, StoredToken)
        self.failures = TokenFailures(database, kit.clock.now)
        self._lock = threading.Lock()
        self._managers: dict[Principal, TokenManager] = {}

    def manager(self, principal: Principal) -> TokenManager:
        """The token manager of a principal, shared by all its jobs."""
        with self._lock:
            if principal not in self._managers:
                supply = self._supply(principal)
                self._managers[principal] = TokenManager(str(principal), supply, self._clock, self.failures)
            return self._managers[principal]

    def _supply(self, principal: Principal) -> Supply:
        if principal.user is None:
            return ServiceSupply(self._procore.grants)
        return UserSupply(
            principal.user, self._procore.grants, self.tokens, self.keyring.vault, self._store, self._clock
        )

    def accounts(self) -> Accounts:
        """The users who have signed in."""
        return Accounts(self._procore.grants, self.tokens, self.keyring.vault, self._store, self.failures, self._clock)

    def identify(self, label: str, company: int | None = None) -> tuple[str | None, str | None]:
        """Ask Procore who a user is, and remember it.

        Args:
            label: The user's.
            company: Named in the request; None: that of a job for this user, or of any job.

        Returns:
            The user's login, and why it could not be asked: one of them is None.
        """
        jobs = sorted(self._jobs.values(), key=lambda job: job.as_user != label)
        company = company or next((job.company for job in jobs), None)
        if company is None:
            return None, "No job names a company; give one with --company."
        try:
            answer = self.source(Principal(label), Silent()).get(company, "/rest/v1.0/me")
        except SyncdError as error:
            return None, error.message
        finally:
            self._procore.ledger.flush()
        login = answer.get("login") if isinstance(answer, dict) else None
        if not isinstance(login, str):
            return None, "Procore's answer does not say."
        number = answer.get("id")
        self.tokens.identify(label, login[:200], number if isinstance(number, int) else None, company)
        return login[:200], None

    def state_of(self, user: StoredToken) -> tuple[str, str]:
        """What state a stored user is in, and what to do about it."""
        again = f"Let the user sign in: syncd auth login {user.label}"
        if user.state != "ok":
            return user.state, f"{user.reason}. {again}"
        try:
            self.keyring.vault().open(user.sealed)
        except VaultError as error:
            return "sealed", str(error)
        return "ok", ""

    def managers(self) -> Mapping[Principal, TokenManager]:
        """Those made so far."""
        with self._lock:
            return dict(self._managers)

    def source(self, principal: Principal, progress: Progress) -> Api:
        """The API as a principal sees it, for one run: it counts its own requests."""
        return self._procore.api(self.manager(principal), progress.waiting)
