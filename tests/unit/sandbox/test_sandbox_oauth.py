from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from support.sandbox import SMALL, ManualClock

from syncd.sandbox.server import Sandbox

APP = {"client_id": "demo", "client_secret": "demo"}
REDIRECT = "http://localhost"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def http(clock: ManualClock) -> Iterator[httpx.Client]:
    box = Sandbox(**SMALL, clock=clock, token_lifetime=60)  # type: ignore[arg-type]
    with httpx.Client(transport=httpx.WSGITransport(app=box.wsgi), base_url="http://sandbox.test") as client:
        yield client


def ask(http: httpx.Client, **form: str) -> httpx.Response:
    return http.post("/oauth/token", data=APP | form)


def consent(http: httpx.Client, redirect_uri: str = REDIRECT, **params: str) -> httpx.Response:
    query = {"response_type": "code", "client_id": "demo", "redirect_uri": redirect_uri, "state": "s1"}
    return http.get("/oauth/authorize", params=query | params)


def code(http: httpx.Client, user: str = "alice") -> str:
    location = consent(http, approve="1", user=user).headers["Location"]
    return parse_qs(urlsplit(location).query)["code"][0]


def pair(http: httpx.Client, user: str = "alice") -> dict[str, str]:
    answer = ask(http, grant_type="authorization_code", code=code(http, user), redirect_uri=REDIRECT)
    tokens: dict[str, str] = answer.json()
    return tokens


def me(http: httpx.Client, token: str) -> httpx.Response:
    return http.get("/rest/v1.0/me", headers={"Authorization": f"Bearer {token}", "Procore-Company-Id": "4266"})


def test_client_credentials_give_a_token_without_a_refresh_token(http: httpx.Client, clock: ManualClock) -> None:
    answer = ask(http, grant_type="client_credentials")
    assert answer.status_code == 200
    document = answer.json()
    assert set(document) == {"access_token", "token_type", "expires_in", "created_at"}
    assert (document["token_type"], document["expires_in"], document["created_at"]) == ("bearer", 60, int(clock()))
    assert me(http, document["access_token"]).status_code == 200


def test_a_token_is_refused_from_the_second_it_expires(http: httpx.Client, clock: ManualClock) -> None:
    token = ask(http, grant_type="client_credentials").json()["access_token"]
    clock.advance(59)
    assert me(http, token).status_code == 200
    clock.advance(1)
    answer = me(http, token)
    assert answer.status_code == 401
    assert "errors" in answer.json()
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


def test_a_wrong_secret_is_invalid_client(http: httpx.Client) -> None:
    answer = http.post(
        "/oauth/token", data={"grant_type": "client_credentials", "client_id": "demo", "client_secret": "no"}
    )
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("form", "error"), [({}, "invalid_request"), ({"grant_type": "password"}, "unsupported_grant_type")]
)
def test_a_grant_that_is_none_is_named_so(http: httpx.Client, form: dict[str, str], error: str) -> None:
    answer = ask(http, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_consent_redirects_with_code_and_state(http: httpx.Client) -> None:
    assert "<form" in consent(http).text
    target = urlsplit(consent(http, approve="1").headers["Location"])
    query = parse_qs(target.query)
    assert f"{target.scheme}://{target.netloc}" == REDIRECT
    assert query["state"] == ["s1"]
    assert query["code"][0]


def test_denied_consent_says_so_to_the_redirect(http: httpx.Client) -> None:
    query = parse_qs(urlsplit(consent(http, deny="1").headers["Location"]).query)
    assert query == {"error": ["access_denied"], "state": ["s1"]}


def test_out_of_band_consent_shows_the_code(http: httpx.Client) -> None:
    page = consent(http, "urn:ietf:wg:oauth:2.0:oob", approve="1").text
    shown = re.search(r'id="authorization_code">([^<]+)<', page)
    assert shown
    redirect = "urn:ietf:wg:oauth:2.0:oob"
    assert ask(http, grant_type="authorization_code", code=shown[1], redirect_uri=redirect).status_code == 200


def test_an_unregistered_redirect_is_never_redirected_to(http: httpx.Client) -> None:
    answer = consent(http, "https://evil.example/cb", approve="1")
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_code_works_once_and_for_ten_minutes(http: httpx.Client, clock: ManualClock) -> None:
    first = code(http)
    assert ask(http, grant_type="authorization_code", code=first, redirect_uri=REDIRECT).status_code == 200
    assert (
        ask(http, grant_type="authorization_code", code=first, redirect_uri=REDIRECT).json()["error"] == "invalid_grant"
    )
    late = code(http)
    clock.advance(600)
    assert (
        ask(http, grant_type="authorization_code", code=late, redirect_uri=REDIRECT).json()["error"] == "invalid_grant"
    )


def test_a_code_is_bound_to_its_redirect(http: httpx.Client) -> None:
    answer = ask(http, grant_type="authorization_code", code=code(http), redirect_uri="http://localhost/other")
    assert answer.json()["error"] == "invalid_grant"


def test_a_refresh_token_is_dead_as_soon_as_it_was_used(http: httpx.Client) -> None:
    old = pair(http)
    new = ask(http, grant_type="refresh_token", refresh_token=old["refresh_token"], redirect_uri=REDIRECT)
    assert new.status_code == 200
    assert new.json()["refresh_token"] != old["refresh_token"]
    again = ask(http, grant_type="refresh_token", refresh_token=old["refresh_token"], redirect_uri=REDIRECT)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_revoking_kills_access_and_refresh_token_and_is_calm_about_unknown_ones(http: httpx.Client) -> None:
    tokens = pair(http)
    assert http.post("/oauth/revoke", data=APP | {"token": "never-given"}).status_code == 200
    assert http.post("/oauth/revoke", data=APP | {"token": tokens["access_token"]}).status_code == 200
    assert me(http, tokens["access_token"]).status_code == 401
    assert (
        ask(http, grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()["error"] == "invalid_grant"
    )


def test_token_info_describes_the_token(http: httpx.Client, clock: ManualClock) -> None:
    token = pair(http, "bob")["access_token"]
    clock.advance(20)
    info = http.get("/oauth/token/info", headers={"Authorization": f"Bearer {token}"}).json()
    assert (info["resource_owner_id"], info["expires_in_seconds"]) == ("bob", 40)


def test_a_user_is_someone_of_the_directory(http: httpx.Client) -> None:
    login = me(http, pair(http, "alice")["access_token"]).json()["login"]
    assert login.endswith("@example.com")
    assert login != me(http, pair(http, "bob")["access_token"]).json()["login"]


def test_the_token_endpoint_fails_while_told_to(clock: ManualClock) -> None:
    box = Sandbox(**SMALL, clock=clock)  # type: ignore[arg-type]
    box.fail_tokens(30, status=502)
    with httpx.Client(transport=httpx.WSGITransport(app=box.wsgi), base_url="http://sandbox.test") as http:
        assert ask(http, grant_type="client_credentials").status_code == 502
        clock.advance(30)
        assert ask(http, grant_type="client_credentials").status_code == 200
    assert box.stats.token_requests == {"client_credentials 502": 1, "client_credentials 200": 1}
