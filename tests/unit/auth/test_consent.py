from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from support.tokens import Time

from syncd.auth.consent import Consent
from syncd.auth.grants import App
from syncd.auth.secret import Redactor, Secret
from syncd.clock import SystemClock
from syncd.errors import ConsentNeeded, SyncdError

AGAIN = "Start again: syncd auth login alice"


def consent(redirect_uri: str = "http://localhost:8910/callback", clock: Any = None) -> Consent:
    app = App("https://login.test", "client", Secret("a-secret"), redirect_uri)
    return Consent(app, clock or Time(), Redactor(), AGAIN)


def state_of(one: Consent) -> str:
    return parse_qs(urlsplit(one.url).query)["state"][0]


def test_the_address_names_the_app_the_redirect_uri_and_a_state_that_nobody_guesses() -> None:
    one = consent()
    query = parse_qs(urlsplit(one.url).query)
    assert one.url.startswith("https://login.test/oauth/authorize?")
    assert (query["response_type"], query["client_id"]) == (["code"], ["client"])
    assert query["redirect_uri"] == ["http://localhost:8910/callback"]
    assert len(state_of(one)) >= 43
    assert state_of(one) != state_of(consent())


@pytest.mark.parametrize(
    "form",
    [
        "{code}",
        "  {code}\n",
        "http://localhost:8910/callback?{query}",
        "?{query}",
        "{query}",
        "localhost:8910/callback?{query}#_",
    ],
)
def test_the_code_or_the_address_can_be_pasted(form: str) -> None:
    one = consent()
    query = urlencode({"code": "the-code", "state": state_of(one)})
    assert one.code(form.format(code="the-code", query=query)) == Secret("the-code")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"code": "x", "state": "another"}, "does not belong to this attempt"),
        ({"code": "x"}, "does not belong to this attempt"),
        ({"error": "access_denied", "state": None}, "The user denied access."),
        ({"error": "server_\x1berror", "state": None}, "Procore did not give access: server_error."),
        ({"state": None}, "holds no code"),
    ],
)
def test_what_is_no_consent_is_told_in_one_sentence(query: dict[str, Any], words: str) -> None:
    one = consent()
    given = {name: state_of(one) if value is None else value for name, value in query.items()}
    with pytest.raises(ConsentNeeded, match=words) as caught:
        one.code(f"http://localhost/?{urlencode(given)}")
    assert (caught.value.exit_code, caught.value.remedy) == (4, AGAIN)


def test_nothing_pasted_is_told() -> None:
    with pytest.raises(ConsentNeeded, match="Nothing was pasted"):
        consent().code("\n")


@pytest.mark.parametrize("pasted", ["the-code", "http://localhost/?code=x&state={state}"])
def test_an_answer_after_ten_minutes_is_too_late(pasted: str) -> None:
    clock = Time()
    one = consent(clock=clock)
    clock.advance(601)
    with pytest.raises(ConsentNeeded, match="10 minutes"):
        one.code(pasted.format(state=state_of(one)))


@contextmanager
def waiting(complete: Callable[[Secret], str]) -> Iterator[tuple[Consent, str, list[Any]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one = consent(f"http://localhost:{port}/callback", SystemClock())
    opened = threading.Event()
    ended: list[Any] = []

    def work() -> None:
        try:
            ended.append(one.receive(complete, opened.set))
        except SyncdError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert opened.wait(10)
    yield one, f"http://127.0.0.1:{port}/callback", ended
    thread.join(10)
    assert not thread.is_alive()


def test_the_browser_brings_the_code_and_sees_what_came_of_it() -> None:
    got: list[Secret] = []

    def complete(code: Secret) -> str:
        got.append(code)
        return "alice <is> signed in."

    with waiting(complete) as (one, address, ended):
        page = httpx.get(address, params={"code": "the-code", "state": state_of(one)})
    assert (page.status_code, got, ended) == (200, [Secret("the-code")], ["alice <is> signed in."])
    assert "alice &lt;is&gt; signed in. You may close this window" in page.text
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_knock_with_another_state_or_at_another_address_does_not_end_the_wait() -> None:
    with waiting(lambda _: "Done.") as (one, address, ended):
        assert httpx.get(address, params={"code": "evil", "state": "guessed"}).status_code == 400
        assert httpx.get(address, params={"error": "access_denied"}).status_code == 400
        assert httpx.get(address.replace("callback", "favicon.ico")).status_code == 404
        assert httpx.post(address).status_code == 501
        assert not ended
        httpx.get(address, params={"code": "the-code", "state": state_of(one)})
    assert ended == ["Done."]


def test_what_is_no_address_is_not_here_and_no_affair_of_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with waiting(lambda _: "Done.") as (one, address, _):
        port = urlsplit(address).port
        with socket.create_connection(("127.0.0.1", port)) as odd:
            odd.sendall(b"GET http://[odd/ HTTP/1.0\r\n\r\n")
            assert b" 404 " in odd.recv(100)
        httpx.get(address, params={"code": "the-code", "state": state_of(one)})
    assert capfd.readouterr().err == ""


def test_a_browser_that_goes_away_before_it_is_answered_leaves_the_user_signed_in(
    capfd: pytest.CaptureFixture[str],
) -> None:
    gone = threading.Event()

    def complete(code: Secret) -> str:
        assert gone.wait(10)
        return "Done."

    with waiting(complete) as (one, address, ended):
        browser = socket.create_connection(("127.0.0.1", urlsplit(address).port))
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
        query = urlencode({"code": "the-code", "state": state_of(one)})
        browser.sendall(f"GET /callback?{query} HTTP/1.0\r\n\r\n".encode())
        browser.close()
        gone.set()
    assert ended == ["Done."]
    assert capfd.readouterr().err == ""


def test_a_denial_is_shown_and_told() -> None:
    with waiting(lambda _: "Done.") as (one, address, ended):
        page = httpx.get(address, params={"error": "access_denied", "state": state_of(one)})
    assert "The user denied access. You may close this window" in page.text
    assert [error.message for error in ended] == ["The user denied access."]


def test_a_code_that_is_dead_is_shown_in_the_browser_too() -> None:
    def complete(code: Secret) -> str:
        raise ConsentNeeded("Procore does not accept the code.")

    with waiting(complete) as (one, address, ended):
        page = httpx.get(address, params={"code": "dead", "state": state_of(one)})
    assert "Procore does not accept the code." in page.text
    assert "the window" not in page.text
    assert isinstance(ended[0], ConsentNeeded)


@pytest.mark.parametrize("uri", ["http://localhost", "https://app.example.com/callback", "urn:ietf:wg:oauth:2.0:oob"])
def test_a_redirect_uri_that_is_not_a_port_of_this_machine_is_told(uri: str) -> None:
    with pytest.raises(SyncdError, match="cannot come back") as caught:
        consent(uri).receive(lambda _: "", lambda: None)
    assert "--no-browser" in caught.value.remedy


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SyncdError, match=f"Port {port} cannot be used"):
            consent(f"http://localhost:{port}/x").receive(lambda _: "", lambda: None)


def test_a_wait_of_ten_minutes_ends_by_itself() -> None:
    clock = Time()

    def late() -> None:
        clock.advance(601)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(ConsentNeeded, match="10 minutes"):
        consent(f"http://localhost:{port}/x", clock).receive(lambda _: "", late)
