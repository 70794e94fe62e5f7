"""One principal's access token: had once however many ask, renewed before it ends, asked for again when refused."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from syncd.auth.grants import Grant, TokenEndpointUnavailable
from syncd.auth.ports import Clock, Failures
from syncd.auth.secret import Secret
from syncd.errors import ConsentNeeded, CredentialsRefused, Stopped, SyncdError

_log = structlog.get_logger(__name__)

_RENEW_AT = 0.8
"""Share of a token's life after which a new one is asked for, in the background."""
_JITTER = 0.05
_PATIENCE = 120.0
_LONGEST_PAUSE = 30.0
_LONGEST_WISH = 300.0
"""Seconds of a Retry-After that are obeyed at most."""
_FIRST_REFUSAL, _LAST_REFUSAL = 60.0, 3600.0
"""Seconds for which credentials that were refused are not tried again; they double."""
_CONSENT_AGAIN = 5.0
"""Seconds after which a user's stored tokens are looked at again: somebody may have signed in."""
_UNPROVED = 60.0
"""Seconds for which a token that replaced a refused one, and was refused as well, is not replaced again."""
_REQUEST = 30.0
"""Seconds that a token should outlive the request it is for, where its life allows."""


class Supply(Protocol):
    """Where a principal's tokens come from: client credentials, or a user's stored pair."""

    def fetch(self, refused: Secret | None) -> Grant:
        """A new token.

        Args:
            refused: The access token that is not accepted any more, or that ends soon; None for the first.

        Raises:
            TokenEndpointUnavailable: Not now.
            CredentialsRefused, ConsentNeeded: Not without a person.
            StoreError, VaultError: What is stored cannot be read or written.
        """


@dataclass(frozen=True, slots=True)
class Held:
    """A token in hand.

    Attributes:
        access: The token.
        monotonic: When it was asked for, in monotonic seconds.
        wall: When it was asked for, by the wall clock.
        renew_after: Age in seconds from which on a new one is asked for.
        life: Age in seconds at which it ends.
    """

    access: Secret
    monotonic: float
    wall: datetime
    renew_after: float
    life: float

    @property
    def last_use(self) -> float:
        """Age at which it is no longer handed out: a request takes time; less for tokens that live shortly."""
        return self.life - min(_REQUEST, (self.life - self.renew_after) / 2)

    def age(self, clock: Clock) -> float:
        """Seconds since it was asked for, by the clock that says more: the monotonic one stands still in a suspended machine."""
        return max(clock.monotonic() - self.monotonic, (clock.now() - self.wall).total_seconds())


class TokenManager:
    """Hands out access tokens for one principal.

    Args:
        principal: For the log and for `status`.
        supply: Where tokens come from.
        clock: Time.
        failures: Where a failure is remembered.
        seed: Of the jitter.
    """

    def __init__(
        self, principal: str, supply: Supply, clock: Clock, failures: Failures, seed: int | None = None
    ) -> None:
        self._principal = principal
        self._supply = supply
        self._clock = clock
        self._failures = failures
        self._random = random.Random(seed)  # noqa: S311 - jitter, no secret
        self._renewing = threading.Lock()
        self._held: Held | None = None
        self._refusal: SyncdError | None = None
        self._refused_until = 0.0
        self._refusals = 0
        self._failed = 0
        self._failure: SyncdError | None = None
        self._quiet_until = 0.0
        self._unproved: Secret | None = None
        self._unproved_until = 0.0
        self.requests = 0

    def token(self, patience: float = _PATIENCE) -> Secret:
        """A token that outlives the request.

        A token that ends soon but has not ended is still handed out while another is fetched, or cannot be: nobody waits then.

        Args:
            patience: Seconds for which a token endpoint in trouble is asked again.

        Raises:
            CredentialsRefused, ConsentNeeded: Not without a person.
            TokenEndpointUnavailable: The token endpoint stayed away too long.
            StoreError, VaultError: A user's stored tokens cannot be read or written.
            Stopped: Asked to stop while waiting.
        """
        held = self._held
        if held is None:
            return self._replaced(None, patience)
        age = held.age(self._clock)
        if age >= held.last_use:
            return self._replaced(held, patience)
        # The background has the first half of the time for it, so that a request need not.
        if age >= (held.renew_after + held.last_use) / 2:
            self._ahead(held)
        return (self._held or held).access

    def refused(self, access: Secret) -> Secret | None:
        """Another token, because this one was answered with 401. Many may say so of one token: it is replaced once.

        Returns:
            None where this token has itself replaced a refused one and was never accepted: a third would fare no better.
        """
        held = self._held
        if held is not None and held.access != access:
            return held.access
        if self._unproved == access and self._clock.monotonic() < self._unproved_until:
            return None
        return self._replaced(held, _PATIENCE, because_refused=True)

    def accepted(self, access: Secret) -> None:
        """An API request with this token was answered by something else than 401."""
        if self._unproved is not None and self._unproved == access:
            self._unproved = None

    def renew_ahead(self) -> float:
        """Renew where it is time to, in the background.

        Returns:
            Seconds until it is time again.
        """
        held = self._held
        if held is None:
            return 1.0
        left = held.renew_after - held.age(self._clock)
        if left > 0:
            return left
        quiet = self._quiet_until - self._clock.monotonic()
        if quiet > 0:
            return quiet
        self._ahead(held)
        return 0.1

    @property
    def ends_in(self) -> float | None:
        """Seconds that the token in hand still lives, or None."""
        held = self._held
        return None if held is None else held.life - held.age(self._clock)

    def _ahead(self, held: Held) -> None:
        """Renew a token that still works; where that fails it goes on working, and is renewed later."""
        if self._clock.monotonic() < self._quiet_until or not self._renewing.acquire(blocking=False):
            return
        try:
            if self._held is held:
                self._renew(held, patience=0.0)
        except Stopped:
            raise
        except SyncdError as error:
            after = error.after if isinstance(error, TokenEndpointUnavailable) else None
            pause = min(max((held.life - held.renew_after) / 20, 0.1), _LONGEST_PAUSE)
            self._quiet_until = self._clock.monotonic() + max(pause, min(after or 0.0, _LONGEST_WISH))
            _log.warning("the token could not be renewed yet", principal=self._principal, why=error.message)
        finally:
            self._renewing.release()

    def _replaced(self, held: Held | None, patience: float, *, because_refused: bool = False) -> Secret:
        failed = self._failed
        with self._renewing:
            if self._held is not None and self._held is not held:
                return self._held.access
            if self._failure is not None and self._failed != failed:
                # Somebody else has waited in vain meanwhile: his answer is everybody's.
                raise self._failure.with_traceback(None)
            try:
                access = self._renew(held, patience).access
            except Stopped:
                raise
            except SyncdError as error:
                self._failure = error
                self._failed += 1
                raise
            if because_refused:
                self._unproved = access
                self._unproved_until = self._clock.monotonic() + _UNPROVED
            return access

    def _renew(self, held: Held | None, patience: float) -> Held:
        if self._refusal is not None and self._clock.monotonic() < self._refused_until:
            raise self._refusal.with_traceback(None)
        ends = self._clock.monotonic() + patience
        retrying = Retrying(
            stop=lambda _: self._clock.monotonic() >= ends,
            wait=lambda state: self._pause(state, ends - self._clock.monotonic()),
            retry=retry_if_exception_type(TokenEndpointUnavailable),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            began, wall, grant = retrying(self._fetch, None if held is None else held.access)
        except (CredentialsRefused, ConsentNeeded) as error:
            self._remember(error)
            raise
        except TokenEndpointUnavailable as error:
            self._failures.failed(self._principal, error.message)
            raise
        self._refusal, self._refusals = None, 0
        self._failures.worked(self._principal)
        share = _RENEW_AT - self._random.uniform(0, _JITTER)
        self._held = Held(grant.access, began, wall, grant.life * share, grant.life)
        _log.debug("a new token", principal=self._principal, seconds=round(grant.life, 1))
        return self._held

    def _fetch(self, refused: Secret | None) -> tuple[float, datetime, Grant]:
        if self._clock.stopping():
            self._clock.sleep(0.0)
        began, wall = self._clock.monotonic(), self._clock.now()
        self.requests += 1
        return began, wall, self._supply.fetch(refused)

    def _pause(self, state: RetryCallState, left: float) -> float:
        error = state.outcome.exception() if state.outcome else None
        drawn = min(wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE)(state), max(left, 0.1))
        after = error.after if isinstance(error, TokenEndpointUnavailable) else None
        pause = drawn if after is None else max(drawn, min(after, _LONGEST_WISH))
        _log.info("no token yet, trying again", principal=self._principal, why=_message(error), seconds=round(pause, 1))
        return pause

    def _remember(self, error: SyncdError) -> None:
        """A refusal is final for a while: workers get it back instead of asking again."""
        self._refusal = error
        wait = _CONSENT_AGAIN
        if isinstance(error, CredentialsRefused):
            wait = min(_FIRST_REFUSAL * 2**self._refusals, _LAST_REFUSAL)
            self._refusals += 1
        self._refused_until = self._clock.monotonic() + wait
        self._failures.failed(self._principal, error.message)


def _message(error: BaseException | None) -> str:
    return error.message if isinstance(error, SyncdError) else str(error)
