from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from support.tokens import Endpoint

from syncd.auth.grants import TokenEndpointUnavailable
from syncd.auth.secret import Redactor, Secret
from syncd.errors import ConsentNeeded, CredentialsRefused


@pytest.mark.parametrize(
    ("told", "life"),
    [
        (5400, 5400),
        ("5400", 5400),
        (5399.5, 5399.5),
        (0, 5400),
        (-1, 5400),
        (None, 5400),
        (True, 5400),
        ("soon", 5400),
        ([], 5400),
        (float("nan"), 5400),
        (0.001, 1),
        (10**12, 86_400),
        (10**400, 5400),
        (float("inf"), 86_400),
    ],
)
def test_absurd_lives_are_survived(told: Any, life: float) -> None:
    body = json.dumps({"access_token": "a-token", "expires_in": told})
    assert Endpoint(httpx.Response(200, text=body)).grants().service().life == life


def test_a_service_account_has_no_refresh_token() -> None:
    endpoint = Endpoint()
    assert endpoint.grants().service().refresh is None
    assert endpoint.forms == [
        {"grant_type": "client_credentials", "client_id": "client", "client_secret": "a-client-secret"}
    ]


def test_a_pair_is_asked_for_with_the_registered_redirect_uri() -> None:
    endpoint = Endpoint()
    endpoint.live.add("the-code")
    pair = endpoint.grants().exchange(Secret("the-code"))
    assert pair.refresh is not None
    endpoint.grants().refresh(pair.refresh)
    assert [form["redirect_uri"] for form in endpoint.forms] == ["http://localhost:8910/callback"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, json={"error": "invalid_client", "error_description": "Unknown client."}),
        httpx.Response(400, json={"error": "unauthorized_client"}),
        httpx.Response(403, text="<html>"),
        httpx.Response(404, text="<html>"),
        httpx.Response(302, headers={"Location": "https://elsewhere.test"}),
        httpx.Response(400, json={"error": "invalid_grant"}),
    ],
)
def test_what_only_a_person_can_mend_is_no_temporary_trouble(answer: httpx.Response) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        Endpoint(answer).grants().service()
    assert caught.value.remedy.startswith("Check procore.environment")


def test_a_dead_refresh_token_needs_consent() -> None:
    with pytest.raises(ConsentNeeded):
        Endpoint().grants().refresh(Secret("dead"))


def test_a_dead_code_is_told_in_one_sentence() -> None:
    with pytest.raises(ConsentNeeded, match="used before, is older than 10 minutes, or is not for this app"):
        Endpoint().grants().exchange(Secret("dead-code"))


@pytest.mark.parametrize(
    ("step", "sent"),
    [
        (httpx.ConnectError("refused"), False),
        (httpx.ConnectTimeout("slow"), False),
        (httpx.ReadTimeout("slow"), True),
        (httpx.RemoteProtocolError("closed"), True),
        (httpx.Response(503), False),
        (httpx.Response(429), False),
        (httpx.Response(200, text="<html>"), True),
        (httpx.Response(200, json=[1]), True),
        (httpx.Response(200, json={"access_token": ""}), True),
        (httpx.Response(200, json={"access_token": "ü"}), True),
        (httpx.Response(200, content=b"x" * 100_000), True),
    ],
)
def test_temporary_trouble_says_whether_the_request_may_have_been_carried_out(step: Any, *, sent: bool) -> None:
    with pytest.raises(TokenEndpointUnavailable) as caught:
        Endpoint(step).grants().service()
    assert caught.value.sent is sent


def test_retry_after_is_handed_on() -> None:
    with pytest.raises(TokenEndpointUnavailable) as caught:
        Endpoint(httpx.Response(429, headers={"Retry-After": "17"})).grants().service()
    assert caught.value.after == 17


def test_words_of_the_endpoint_are_shown_without_the_secrets_they_repeat() -> None:
    words = "client_secret a-client-secret\nis\x1b[31m wrong" + "!" * 1000
    answer = httpx.Response(401, json={"error": "invalid_client", "error_description": words})
    with pytest.raises(CredentialsRefused) as caught:
        Endpoint(answer).grants().service()
    message = str(caught.value)
    assert "a-client-secret" not in message
    assert "\n" not in message
    assert "\x1b" not in message
    assert len(message) < 400


def test_every_secret_that_comes_or_goes_is_masked_in_the_log() -> None:
    redactor, endpoint = Redactor(), Endpoint()
    endpoint.live.add("the-one-code")
    pair = endpoint.grants(redactor).exchange(Secret("the-one-code"))
    assert pair.refresh is not None
    for secret in ("the-one-code", "a-client-secret", pair.access.reveal(), pair.refresh.reveal()):
        assert redactor.text(f"<{secret}>") == "<***>"
    assert "access-0" not in repr(pair)
