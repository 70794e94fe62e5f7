"""Consent in the browser (RFC 6749, 4.1): the address to open, and what comes back."""

from __future__ import annotations

import hmac
import html
import secrets
import threading
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


class Consent:
    """One attempt to get a user's consent.

    Args:
        app: The app.
        clock: The attempt lives 10 minutes.
        redactor: Told of the state and the code.
    """

    def __init__(self, app: App, clock: Clock, redactor: Redactor) -> None:
        self._app = app
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
            raise ConsentNeeded("Nothing was pasted.", "Start again, and paste the code or the address.")
        if "://" not in pasted and not pasted.startswith("?"):
            self._check_time()
            return self._learned(pasted)
        return self._from_query(urlsplit(pasted).query)

    def _from_query(self, query: str) -> Secret:
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if not hmac.compare_digest(given.get("state", "").encode(), self._state.encode()):
            raise ConsentNeeded("The answer does not belong to this attempt (wrong state).", "Start again.")
        self._check_time()
        if "error" in given:
            denied = given["error"] == "access_denied"
            what = "The user denied access." if denied else f"Procore answered: {given['error'][:80]}."
            raise ConsentNeeded(what, "Start again when the user is willing.")
        if not given.get("code"):
            raise ConsentNeeded("The answer holds no code.", "Start again.")
        return self._learned(given["code"])

    def _learned(self, code: str) -> Secret:
        secret = Secret(code)
        self._redactor.learn(secret)
        return secret

    def _check_time(self) -> None:
        if self._clock.monotonic() - self._began > _LIFE:
            raise ConsentNeeded("The answer came after more than 10 minutes; the code is dead.", "Start again.")

    def receive(self, opened: threading.Event | None = None) -> Secret:
        """Wait for the browser at the redirect URI on this machine.

        Args:
            opened: Set once the browser can come.

        Raises:
            ConsentNeeded: Denied, too late, or not from this attempt.
            SyncdError: The redirect URI is not on this machine, or its port is taken.
        """
        uri = urlsplit(self._app.redirect_uri)
        if uri.hostname not in ("localhost", "127.0.0.1") or uri.port is None:
            raise SyncdError(
                f"The browser cannot come back to {self._app.redirect_uri}: a port on localhost is needed.",
                "Register http://localhost:PORT/callback for the app and set procore.redirect_uri, or use --no-browser.",
            )
        answers: list[Secret | ConsentNeeded] = []
        try:
            server = ThreadingHTTPServer(("127.0.0.1", uri.port), self._handler(uri.path or "/", answers))
        except OSError as error:
            raise SyncdError(
                f"Port {uri.port} cannot be used: {error.strerror}.", "Stop what listens there, or use --no-browser."
            ) from None
        server.timeout = 0.2
        with server:
            if opened is not None:
                opened.set()
            while not answers:
                self._check_time()
                self._clock.sleep(0)
                server.handle_request()
        answer = answers[0]
        if isinstance(answer, ConsentNeeded):
            raise answer
        return answer

    def _handler(self, path: str, answers: list[Secret | ConsentNeeded]) -> type[BaseHTTPRequestHandler]:
        consent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if (parts.path or "/") != path:
                    self._show(404, "Not here", "This address is not part of the sign-in.")
                    return
                try:
                    answers.append(consent._from_query(parts.query))
                except ConsentNeeded as error:
                    if "wrong state" in error.message:
                        # Anybody can knock at a local port: only the right state ends the wait.
                        self._show(400, "That did not work", error.message)
                        return
                    answers.append(error)
                    self._show(200, "syncd was not authorized", f"{error.message} You may close this window.")
                    return
                self._show(200, "syncd is authorized", "You may close this window and go back to the terminal.")

            def _show(self, status: int, title: str, text: str) -> None:
                body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Referrer-Policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """The address holds the code: it is not logged."""

        return Handler
