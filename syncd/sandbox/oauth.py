"""The authorization server: who holds which token, by RFC 6749 and Procore's own rules."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
CODE_LIFE = 600
"""Seconds that an authorization code lives."""
SERVICE = "service"
"""Name of the app's service account among the principals."""


class GrantError(Exception):
    """A token request that is refused, in the words of RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Attributes:
        value: The token itself.
        client_id: Whose it is.
        principal: Whom it speaks for: `service`, or a user's name.
        created: Unix seconds.
        expires: Unix seconds.
        refresh: The refresh token given with it, if any.
    """

    value: str
    client_id: str
    principal: str
    created: int
    expires: float
    refresh: str | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code that waits to be exchanged."""

    client_id: str
    redirect_uri: str
    user: str
    expires: float


@dataclass(slots=True)
class Client:
    """A registered app."""

    id: str
    secret: str
    redirect_uris: tuple[str, ...] = ("http://localhost", OUT_OF_BAND)


@dataclass(slots=True)
class Grants:
    """All codes and tokens.

    Args:
        clock: Gives Unix seconds.
        clients: Registered apps by id.
        lifetime: Seconds that an access token lives (Procore: 5400).
        any_local_port: Accept `http://localhost:PORT/...` for a registered `http://localhost`, so that tests need no
            port known ahead; Procore itself compares exactly.
    """

    clock: Callable[[], float]
    clients: dict[str, Client]
    lifetime: float = 5400
    any_local_port: bool = True
    tokens: dict[str, Token] = field(default_factory=dict)
    refreshes: dict[str, tuple[str, str]] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    used_codes: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def token(self, form: Mapping[str, str]) -> Token:
        """Answer a request to the token endpoint.

        Raises:
            GrantError: It is refused.
        """
        with self.lock:
            client = self._client(form)
            grant = form.get("grant_type")
            if grant == "client_credentials":
                return self._issue(client.id, SERVICE, refreshable=False)
            if grant == "authorization_code":
                return self._exchange(client, form)
            if grant == "refresh_token":
                return self._refresh(client, form)
            if not grant:
                raise GrantError("invalid_request", "Missing required parameter: grant_type.")
            raise GrantError(
                "unsupported_grant_type", "The authorization grant type is not supported by the authorization server."
            )

    def _client(self, form: Mapping[str, str]) -> Client:
        client = self.clients.get(form.get("client_id", ""))
        if client is None or not secrets.compare_digest(client.secret.encode(), form.get("client_secret", "").encode()):
            text = "Client authentication failed due to unknown client, no client authentication included, or unsupported authentication method."
            raise GrantError("invalid_client", text, 401)
        return client

    def _exchange(self, client: Client, form: Mapping[str, str]) -> Token:
        value = form.get("code", "")
        code = self.codes.pop(value, None)
        if code is None and value in self.used_codes:
            # RFC 6749, 4.1.2: a code that comes twice revokes what it gave.
            raise GrantError("invalid_grant", _INVALID_GRANT)
        if code is None or code.client_id != client.id or code.expires <= self.clock():
            raise GrantError("invalid_grant", _INVALID_GRANT)
        self.used_codes.add(value)
        if code.redirect_uri != form.get("redirect_uri"):
            raise GrantError("invalid_grant", _INVALID_GRANT)
        return self._issue(client.id, code.user, refreshable=True)

    def _refresh(self, client: Client, form: Mapping[str, str]) -> Token:
        owner = self.refreshes.get(form.get("refresh_token", ""))
        if owner is None or owner[0] != client.id:
            raise GrantError("invalid_grant", _INVALID_GRANT)
        del self.refreshes[form["refresh_token"]]
        return self._issue(client.id, owner[1], refreshable=True)

    def _issue(self, client_id: str, principal: str, *, refreshable: bool) -> Token:
        now = self.clock()
        refresh = secrets.token_urlsafe(32) if refreshable else None
        token = Token(secrets.token_urlsafe(32), client_id, principal, int(now), now + self.lifetime, refresh)
        self.tokens[token.value] = token
        if refresh:
            self.refreshes[refresh] = (client_id, principal)
        return token

    def authorizable(self, client_id: str | None, redirect_uri: str | None) -> bool:
        """Whether an authorization request names a registered app and one of its redirect addresses."""
        client = self.clients.get(client_id or "")
        if client is None or not redirect_uri:
            return False
        if redirect_uri in client.redirect_uris:
            return True
        local = redirect_uri.startswith(("http://localhost:", "http://localhost/"))
        return self.any_local_port and local and "http://localhost" in client.redirect_uris

    def approve(self, client_id: str, redirect_uri: str, user: str) -> str:
        """A code for a user who has consented."""
        with self.lock:
            value = secrets.token_urlsafe(24)
            self.codes[value] = Code(client_id, redirect_uri, user, self.clock() + CODE_LIFE)
            return value

    def bearer(self, authorization: str | None) -> Token | None:
        """The token of an Authorization header, or None where it is absent, unknown or expired."""
        scheme, _, value = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = self.tokens.get(value.strip())
        return token if token is not None and token.expires > self.clock() else None

    def revoke(self, form: Mapping[str, str]) -> None:
        """Forget a token and its partner; unknown ones are no error.

        Raises:
            GrantError: The client is unknown.
        """
        with self.lock:
            self._client(form)
            value = form.get("token", "")
            for token in list(self.tokens.values()):
                if value in (token.value, token.refresh):
                    self.tokens.pop(token.value, None)
                    self.refreshes.pop(token.refresh or "", None)
            self.refreshes.pop(value, None)

    def revoke_all(self, principal: str | None = None, *, refresh_too: bool = False) -> None:
        """Kill all access tokens (of one principal), and the refresh tokens too where told."""
        with self.lock:
            self.tokens = {k: t for k, t in self.tokens.items() if principal not in (None, t.principal)}
            if refresh_too:
                self.refreshes = {k: o for k, o in self.refreshes.items() if principal not in (None, o[1])}


_INVALID_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
    "authorization request, or was issued to another client."
)
