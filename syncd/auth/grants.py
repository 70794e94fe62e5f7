"""The requests of OAuth 2.0 as Procore speaks it (RFC 6749; Procore: "OAuth 2.0 Endpoints")."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from syncd.auth.secret import Redactor, Secret
from syncd.errors import ConsentNeeded, CredentialsRefused, SyncdError

_DEFAULT_LIFE = 5400.0
_SHORTEST_LIFE, _LONGEST_LIFE = 1.0, 86_400.0
_CHECK_APP = "Check procore.environment, client_id and client_secret."
_FINAL = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type", "invalid_request"}
)
_REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_NO_ENDPOINT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})

Post = Callable[[str, Mapping[str, str]], tuple[int, Mapping[str, str], bytes]]
"""Posts a form to a path of the token endpoint: status, headers by their names in small letters, and body of the answer.

Redirects are answers. It raises TokenEndpointUnavailable where none comes.
"""


@dataclass(frozen=True, slots=True)
class App:
    """The Procore app.

    Attributes:
        login_url: Where tokens come from.
        client_id: Of the app.
        client_secret: Of the app.
        redirect_uri: As registered, to the letter.
    """

    login_url: str
    client_id: str
    client_secret: Secret
    redirect_uri: str = "http://localhost"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave.

    Attributes:
        access: Bearer token.
        refresh: For the next pair; None for a service account.
        life: Seconds that the access token lives from when it was asked for.
    """

    access: Secret
    refresh: Secret | None
    life: float


class TokenEndpointUnavailable(SyncdError):
    """The token endpoint cannot be reached or is in trouble; trying again may help.

    Attributes:
        after: Seconds that it asks to wait, or None.
        sent: Whether the request may have been carried out although no answer came.
    """

    def __init__(self, message: str, *, after: float | None = None, sent: bool = True) -> None:
        super().__init__(message, "syncd tries again by itself.")
        self.after = after
        self.sent = sent


class Grants:
    """Asks for tokens.

    Args:
        post: The way to the token endpoint.
        app: The app.
        redactor: Told of every secret that comes.
    """

    def __init__(self, post: Post, app: App, redactor: Redactor) -> None:
        self._post = post
        self._app = app
        self._redactor = redactor
        redactor.learn(app.client_secret)

    @property
    def app(self) -> App:
        """The app."""
        return self._app

    def service(self) -> Grant:
        """A token of the app's service account.

        Raises:
            CredentialsRefused: Procore does not accept the app's credentials.
            TokenEndpointUnavailable: Not now.
        """
        try:
            return self._token({"grant_type": "client_credentials"})
        except ConsentNeeded as error:
            raise CredentialsRefused(error.message, _CHECK_APP) from None

    def exchange(self, code: Secret) -> Grant:
        """The first pair of a user who has consented. Raises as `service`, and ConsentNeeded for a code that is dead."""
        self._redactor.learn(code)
        form = {"grant_type": "authorization_code", "code": code.reveal(), "redirect_uri": self._app.redirect_uri}
        try:
            return self._token(form)
        except ConsentNeeded:
            raise ConsentNeeded(
                "Procore does not accept the code: it was used before, is older than 10 minutes, or is not for this app."
            ) from None

    def refresh(self, token: Secret) -> Grant:
        """The next pair; the refresh token is dead from now on, also when the answer is lost. Raises as `exchange`."""
        return self._token(
            {"grant_type": "refresh_token", "refresh_token": token.reveal(), "redirect_uri": self._app.redirect_uri}
        )

    def revoke(self, token: Secret) -> None:
        """Make a token, and what belongs to it, useless. Procore answers 200 for unknown tokens too."""
        form = {
            "token": token.reveal(),
            "client_id": self._app.client_id,
            "client_secret": self._app.client_secret.reveal(),
        }
        status, _, _ = self._post("/oauth/revoke", form)
        if status != HTTPStatus.OK:
            raise TokenEndpointUnavailable(f"Procore answered {status} to the request to revoke a token.")

    def _token(self, form: Mapping[str, str]) -> Grant:
        secret = self._app.client_secret.reveal()
        status, headers, body = self._post(
            "/oauth/token", {**form, "client_id": self._app.client_id, "client_secret": secret}
        )
        data = _parsed(body)
        if status == HTTPStatus.OK:
            return self._grant(data)
        error = str(data.get("error") or "")
        error = self._shown(error, 80)
        words = self._shown(str(data.get("error_description") or error), 200).rstrip(".")
        if error == "invalid_grant":
            raise ConsentNeeded(f"Procore says that the authorization is no longer valid: {words}.")
        if error in _FINAL or status in _REFUSALS:
            raise CredentialsRefused(
                f"Procore does not accept the app's credentials ({error or status}: {words or 'no reason given'}).",
                _CHECK_APP,
            )
        if status in _NO_ENDPOINT or 300 <= status < 400:  # noqa: PLR2004 - redirects
            raise CredentialsRefused(
                f"{self._app.login_url} answered {status}: that is not where tokens come from.",
                "Check procore.environment or procore.login_url.",
            )
        after = headers.get("retry-after", "")
        raise TokenEndpointUnavailable(
            f"The token endpoint answered {status}.",
            after=float(after) if re.fullmatch(r"\d{1,6}", after) else None,
            sent=False,
        )

    def _shown(self, text: str, length: int) -> str:
        """Words of the token endpoint, safe to show: on one line, and none of the secrets that it was sent."""
        return self._redactor.text(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text))[:length]

    def _grant(self, data: Mapping[str, Any]) -> Grant:
        access, refresh = data.get("access_token"), data.get("refresh_token")
        if not isinstance(access, str) or not access or not access.isascii():
            raise TokenEndpointUnavailable("The token endpoint gave an answer without a token.")
        pair = Secret(access), Secret(refresh) if isinstance(refresh, str) and refresh else None
        self._redactor.learn(*pair)
        return Grant(*pair, _life(data.get("expires_in")))


def _parsed(body: bytes) -> Mapping[str, Any]:
    """A JSON object, of which as much is taken as can be: a token may be in it that exists nowhere else."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            data = json.loads(body.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            data = None
    return data if isinstance(data, dict) else {}


def _life(told: Any) -> float:
    """Seconds that a token lives, out of whatever was said of it: nonsense becomes the default, extremes are cut."""
    try:
        seconds = 0.0 if isinstance(told, bool) else float(told)
    except (TypeError, ValueError, OverflowError):
        return _DEFAULT_LIFE
    return min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE) if seconds > 0 else _DEFAULT_LIFE
