"""One principal's access token: had once however many ask, renewed before it ends, asked for again when refused."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Protocol

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from syncd.auth.grants import Grant, TokenEndpointUnavailable
from syncd.auth.ports import Clock, Failures
from syncd.auth.secret import Secret
from syncd.errors import ConsentNeeded, CredentialsRefused, Stopped, SyncdError

_log = structlog.get_logger(__name__)

_RENEW_AT = 0.75
"""Share of a token's life after which a new one is asked for, in the background."""
_JITTER = 0.05
_PATIENCE = 600.0
_LONGEST_PAUSE = 30.0
_FIRST_REFUSAL, _LAST_REFUSAL = 60.0, 3600.0
"""Seconds for which credentials that were refused are not tried again; they double."""
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
        """


@dataclass(frozen=True, slots=True)
class Held:
    """A token in hand, in monotonic time.

    Attributes:
        access: The token.
        renew_at: From when on a new one is asked for.
        ends_at: When it ends.
    """

    access: Secret
    renew_at: float
    ends_at: float


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
        self.requests = 0

    def token(self) -> Secret:
        """A token that outlives the request.

        A token that ends soon but has not ended is still handed out while somebody else renews it: nobody waits then.

        Raises:
            CredentialsRefused, ConsentNeeded: Not without a person.
            TokenEndpointUnavailable: The token endpoint stayed away too long.
            Stopped: Asked to stop while waiting.
        """
        held = self._held
        now = self._clock.monotonic()
        if held is not None and now < held.renew_at:
            return held.access
        if held is not None and now < held.ends_at - self._margin(held):
            if self._renewing.acquire(blocking=False):
                try:
                    self._renew(held, patience=0.0)
                except TokenEndpointUnavailable as error:
                    _log.info("the token could not be renewed yet", principal=self._principal, why=str(error))
                finally:
                    self._renewing.release()
            return (self._held or held).access
        return self._replaced(held)

    def refused(self, access: Secret) -> Secret:
        """Another token, because this one was answered with 401. Many may say so of one token: it is replaced once."""
        held = self._held
        if held is not None and held.access != access:
            return held.access
        return self._replaced(held)

    def renew_ahead(self) -> float:
        """Renew where it is time to, in the background.

        Returns:
            Seconds until it is time again.
        """
        held = self._held
        if held is None:
            return 1.0
        left = held.renew_at - self._clock.monotonic()
        if left > 0:
            return left
        try:
            self.token()
        except Stopped:
            raise
        except SyncdError as error:
            _log.warning("the token could not be renewed", principal=self._principal, why=str(error))
            return _LONGEST_PAUSE
        return 1.0

    @property
    def ends_in(self) -> float | None:
        """Seconds that the token in hand still lives, or None."""
        return None if self._held is None else self._held.ends_at - self._clock.monotonic()

    def _replaced(self, held: Held | None) -> Secret:
        with self._renewing:
            if self._held is not None and self._held is not held:
                return self._held.access
            return self._renew(held, patience=_PATIENCE).access

    def _renew(self, held: Held | None, patience: float) -> Held:
        if self._refusal is not None and self._clock.monotonic() < self._refused_until:
            raise self._refusal
        retrying = Retrying(
            stop=stop_after_delay(patience) if patience else lambda _: True,
            wait=self._pause,
            retry=retry_if_exception_type(TokenEndpointUnavailable),
            sleep=self._clock.sleep,
            reraise=True,
        )
        began = self._clock.monotonic()
        try:
            began, grant = retrying(self._fetch, None if held is None else held.access)
        except (CredentialsRefused, ConsentNeeded) as error:
            self._remember(error)
            raise
        except TokenEndpointUnavailable as error:
            self._failures.failed(self._principal, error.message)
            raise
        self._refusal, self._refusals = None, 0
        self._failures.worked(self._principal)
        share = _RENEW_AT - self._random.uniform(0, _JITTER)
        self._held = Held(grant.access, began + grant.life * share, began + grant.life)
        _log.debug("a new token", principal=self._principal, seconds=grant.life)
        return self._held

    def _fetch(self, refused: Secret | None) -> tuple[float, Grant]:
        began = self._clock.monotonic()
        self.requests += 1
        return began, self._supply.fetch(refused)

    def _pause(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        drawn = wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE)(state)
        after = error.after if isinstance(error, TokenEndpointUnavailable) else None
        pause = drawn if after is None else max(drawn, min(after, 300.0))
        _log.info("no token yet, trying again", principal=self._principal, why=str(error), seconds=round(pause, 1))
        return pause

    def _remember(self, error: SyncdError) -> None:
        """A refusal is final for a while: workers get it back instead of asking again."""
        self._refusal = error
        wait = min(_FIRST_REFUSAL * 2**self._refusals, _LAST_REFUSAL)
        self._refusals += 1
        self._refused_until = self._clock.monotonic() + wait
        self._failures.failed(self._principal, error.message)

    def _margin(self, held: Held) -> float:
        """Seconds before its end at which a token is no longer handed out: less for tokens that live shortly."""
        return min(_REQUEST, (held.ends_at - held.renew_at) / 2)
