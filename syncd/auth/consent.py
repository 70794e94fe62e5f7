"""Consent in the browser (RFC 6749, 4.1): the address to open, and what comes back."""

from __future__ import annotations

import hmac
import html
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from syncd.auth.grants import App
from syncd.auth.ports import Clock
from syncd.auth.secret import Redactor, Secret
from syncd.errors import ConsentNeeded, SyncdError

_LIFE = 600.0
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>syncd</title><body style="font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem">
<h1 style="font-size:1.25rem">{title}</h1><p>{text}</p></body></html>"""
_CLOSE = "You may close this window and go back to the terminal."


class WrongState(ConsentNeeded):
    """The answer belongs to another attempt, or to nobody's."""


class Consent:
    """One attempt to get a user's consent.

    Args:
        app: The app.
        clock: The attempt lives 10 minutes.
        redactor: Told of the state and the code.
        again: What to do when it fails.
    """

    def __init__(self, app: App, clock: Clock, redactor: Redactor, again: str = "Start again.") -> None:
        self._app = app
        self._again = again
        self._clock = clock
        self._redactor = redactor
        self._state = secrets.token_urlsafe(32)
        self._began = clock.monotonic()
        redactor.learn(self._state)

    @property
    def url(self) -> str:
        """The address that the user opens."""
        query = {
            "response_type": "code",
            "client_id": self._app.client_id,
            "redirect_uri": self._app.redirect_uri,
            "state": self._state,
        }
        return f"{self._app.login_url}/oauth/authorize?{urlencode(query)}"

    def code(self, pasted: str) -> Secret:
        """The code out of what the user pasted: the code itself, or the address that the browser ended at.

        Raises:
            ConsentNeeded: Denied, too late, or not from this attempt.
        """
        pasted = pasted.strip()
        if not pasted:
            raise ConsentNeeded("Nothing was pasted.", self._again)
        if not any(mark in pasted for mark in ("://", "?", "&", "=")):
            self._check_time()
            return self._learned(pasted)
        return self._from_query(pasted.partition("#")[0].rpartition("?")[2])

    def _from_query(self, query: str) -> Secret:
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if not hmac.compare_digest(given.get("state", "").encode(), self._state.encode()):
            raise WrongState("The answer does not belong to this attempt (wrong state).", self._again)
        self._check_time()
        if "error" in given:
            denied = given["error"] == "access_denied"
            what = "The user denied access." if denied else f"Procore did not give access: {_plain(given['error'])}."
            raise ConsentNeeded(what, self._again)
        if not given.get("code"):
            raise ConsentNeeded("The answer holds no code.", self._again)
        return self._learned(given["code"])

    def _learned(self, code: str) -> Secret:
        secret = Secret(code)
        self._redactor.learn(secret)
        return secret

    def _check_time(self) -> None:
        if self._clock.monotonic() - self._began > _LIFE:
            raise ConsentNeeded("The answer came after more than 10 minutes; the code is dead.", self._again)

    def receive(self, complete: Callable[[Secret], str], opened: Callable[[], None]) -> str:
        """Wait for the browser at the redirect URI on this machine.

        Args:
            complete: Exchanges the code at once; what it returns, or the error that it raises, is shown in the browser.
            opened: Called once the browser can come.

        Returns:
            What `complete` returned.

        Raises:
            ConsentNeeded: Denied, too late, or not from this attempt.
            SyncdError: What `complete` raised; or the redirect URI is not on this machine, or its port is taken.
            Stopped: Asked to stop.
        """
        uri = urlsplit(self._app.redirect_uri)
        if uri.scheme != "http" or uri.hostname not in ("localhost", "127.0.0.1") or uri.port is None:
            raise SyncdError(
                f"The browser cannot come back to {self._app.redirect_uri}: a port on localhost is needed.",
                "Register http://localhost:PORT/callback for the app and set procore.redirect_uri, or use --no-browser.",
            )
        desk = _Desk(uri.path or "/", self._from_query, complete)
        try:
            server = ThreadingHTTPServer(("127.0.0.1", uri.port), desk.handler())
        except OSError as error:
            raise SyncdError(
                f"Port {uri.port} cannot be used: {error.strerror}.", "Stop what listens there, or use --no-browser."
            ) from None
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            opened()
            while not desk.answered.wait(0.1):
                self._check_time()
                self._clock.sleep(0)
        finally:
            server.shutdown()
            server.server_close()
        return desk.result()


class _Desk:
    """Takes what the browser brings, once, and says in the browser what came of it.

    Args:
        path: The only one that is answered.
        read: The code out of a query.
        complete: As in `Consent.receive`.
    """

    def __init__(self, path: str, read: Callable[[str], Secret], complete: Callable[[Secret], str]) -> None:
        self._path = path
        self._read = read
        self._complete = complete
        self._lock = threading.Lock()
        self._words: str | None = None
        self._error: SyncdError | None = None
        self.answered = threading.Event()

    def result(self) -> str:
        """What came of it. Raises what `complete` raised."""
        if self._error is not None:
            raise self._error
        assert self._words is not None
        return self._words

    def page(self, target: str) -> tuple[int, str]:
        """Status and page for a request; a second one for the same answer gets the same page."""
        path, query = _parts_of(target)
        if path != self._path:
            return 404, _page("Not here", "This address is not part of the sign-in.")
        with self._lock:
            if self._words is None and self._error is None:
                try:
                    self._words = self._complete(self._read(query))
                except WrongState as error:
                    # Anybody can knock at a local port: only the right state ends the wait.
                    return 400, _page("That did not work", error.message)
                except SyncdError as error:
                    self._error = error
            if self._error is not None:
                return 200, _page("syncd was not authorized", f"{self._error.message} {_CLOSE}")
            return 200, _page("syncd is authorized", f"{self._words} {_CLOSE}")

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """A handler of requests for the server."""
        desk = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                status, page = desk.page(self.path)
                try:
                    self._show(status, page)
                finally:
                    # What came of it counts, also where the browser went away before it could see it.
                    if status == HTTPStatus.OK:
                        desk.answered.set()

            def _show(self, status: int, page: str) -> None:
                body = page.encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def handle(self) -> None:
                """Serve the connection; one that breaks is the other side's affair."""
                try:
                    super().handle()
                except (ConnectionError, TimeoutError):
                    return

            def log_message(self, *_: object) -> None:
                """The address holds the code: it is not logged."""

        return Handler


def _parts_of(target: str) -> tuple[str, str]:
    """Path and query of a request's target; what is no address has none."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return "", ""
    return parts.path or "/", parts.query


def _page(title: str, text: str) -> str:
    return _PAGE.format(title=html.escape(title), text=html.escape(text))


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:80]
