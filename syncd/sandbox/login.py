"""The login host's pages: token endpoint, consent page, revocation, token info."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from syncd.sandbox.oauth import OUT_OF_BAND, GrantError, Grants
from syncd.sandbox.permissions import USERS
from syncd.sandbox.rest import answer, errors
from syncd.sandbox.stats import Stats

_PAGE = Markup("""<!doctype html><title>Procore sandbox</title><meta charset="utf-8">
<h1>Allow {client} to act for you?</h1>
<form method="post" action="/oauth/authorize">{hidden}
<label>Sign in as <select name="user">{users}</select></label>
<button name="approve" value="1">Allow</button> <button name="deny" value="1">Deny</button></form>""")
_HIDDEN = Markup('<input type="hidden" name="{name}" value="{value}">')
_OPTION = Markup("<option>{name}</option>")
_CODE_PAGE = Markup(
    '<!doctype html><title>Authorization code</title><p>Authorization code:</p><code id="authorization_code">{code}</code>'
)


@dataclass(slots=True)
class Login:
    """The OAuth endpoints.

    Args:
        grants: Codes and tokens.
        stats: Where token requests are counted.
        trouble: Status that the token endpoint answers with instead, while set, and until when (Unix seconds).
    """

    grants: Grants
    stats: Stats
    trouble: tuple[int, float] = field(default=(0, 0.0))

    def blueprint(self) -> Blueprint:
        """The routes under /oauth."""
        blueprint = Blueprint("login", __name__, url_prefix="/oauth")
        blueprint.add_url_rule("/token", view_func=self._token, methods=["POST"], endpoint="token")
        blueprint.add_url_rule("/authorize", view_func=self._authorize, methods=["GET", "POST"], endpoint="authorize")
        blueprint.add_url_rule("/revoke", view_func=self._revoke, methods=["POST"], endpoint="revoke")
        blueprint.add_url_rule("/token/info", view_func=self._info, endpoint="info")
        blueprint.register_error_handler(GrantError, _refused)
        return blueprint

    def _token(self) -> Response:
        form = request.form.to_dict() or (request.get_json(silent=True) or {})
        status, until = self.trouble
        if self.grants.clock() < until:
            response = answer({"error": "temporarily_unavailable"}, status=status)
        else:
            response = self._granted(form)
        self.stats.count(self.stats.token_requests, f"{form.get('grant_type')} {response.status_code}")
        return response

    def _granted(self, form: dict[str, str]) -> Response:
        try:
            token = self.grants.token(form)
        except GrantError as error:
            return _refused(error)
        document = {
            "access_token": token.value,
            "token_type": "bearer",
            "expires_in": int(self.grants.lifetime),
            "created_at": token.created,
        }
        if token.refresh:
            document["refresh_token"] = token.refresh
        return answer(document, {"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _authorize(self) -> BaseResponse:
        values = request.values
        client_id, redirect_uri = values.get("client_id", ""), values.get("redirect_uri", "")
        if not self.grants.authorizable(client_id, redirect_uri):
            # RFC 6749, 4.1.2.1: never redirect to an address that is not registered.
            return errors(400, "The client or the redirect uri included is not valid.")
        if values.get("response_type") != "code" or values.get("deny"):
            error = "access_denied" if values.get("deny") else "unsupported_response_type"
            return _back(redirect_uri, {"error": error}, values.get("state"))
        if not values.get("approve"):
            return Response(_consent_page(client_id), mimetype="text/html")
        user = values.get("user", "alice")
        if user not in USERS:
            return errors(400, f"No user {user}; there are {', '.join(USERS)}.")
        return self._approved(client_id, redirect_uri, user)

    def _approved(self, client_id: str, redirect_uri: str, user: str) -> BaseResponse:
        code = self.grants.approve(client_id, redirect_uri, user)
        if redirect_uri == OUT_OF_BAND:
            return Response(_CODE_PAGE.format(code=code), mimetype="text/html")
        return _back(redirect_uri, {"code": code}, request.values.get("state"))

    def _revoke(self) -> Response:
        self.grants.revoke(request.form.to_dict())
        return answer({})

    def _info(self) -> Response:
        token = self.grants.bearer(request.headers.get("Authorization"))
        if token is None:
            return errors(401, "The access token is invalid, expired, or missing.")
        return answer(
            {
                "resource_owner_id": token.principal,
                "scopes": [],
                "expires_in_seconds": int(token.expires - self.grants.clock()),
                "application": {"uid": token.client_id},
                "created_at": token.created,
            }
        )


def _refused(error: GrantError) -> Response:
    return answer({"error": error.error, "error_description": error.description}, status=error.status)


def _back(redirect_uri: str, values: dict[str, str], state: str | None) -> BaseResponse:
    query = urlencode(values | ({"state": state} if state else {}))
    if redirect_uri == OUT_OF_BAND:
        return errors(400, values.get("error", ""))
    return redirect(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}")


def _consent_page(client_id: str) -> str:
    names = ("response_type", "client_id", "redirect_uri", "state")
    hidden = Markup("").join(_HIDDEN.format(name=name, value=request.values.get(name, "")) for name in names)
    return _PAGE.format(
        client=client_id, hidden=hidden, users=Markup("").join(_OPTION.format(name=user) for user in USERS)
    )
