"""What the daemon shows by HTTP: health, metrics and the status page. It reads only."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from syncd.daemon.metrics import Metrics
from syncd.errors import SyncdError
from syncd.memory import give_back
from syncd.overview import View

if TYPE_CHECKING:
    from syncd.daemon.page import Page

_log = structlog.get_logger(__name__)

_PATIENCE = 30.0
"""Seconds that a request waits for another one that reads the database."""
_POLL = 0.5
"""Seconds within which `stop` is noticed."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

Ready = Callable[[], tuple[bool, str]]
"""Whether the daemon can work, and why not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered.

    Attributes:
        status: Of HTTP.
        text: The body.
        kind: Its media type.
        policy: What the body may load, as in Content-Security-Policy.
    """

    status: int
    text: str | bytes
    kind: str = "text/plain; charset=utf-8"
    policy: str = _NOTHING


class StatusApp:
    """What is answered to which request.

    Args:
        view: What is shown.
        ready: Whether the daemon can work.
        metrics: The same for Prometheus.
        host: The configured host, which browsers may name besides this machine's own names.
    """

    def __init__(self, view: View, ready: Ready, metrics: Metrics, host: str) -> None:
        self._view = view
        self._ready = ready
        self._metrics = metrics
        self._page: Page | None = None
        self._names = {host.lower(), "localhost", socket.gethostname().lower()}
        self._reading = threading.Lock()
        self._paths: Mapping[str, Callable[[], Answer]] = {
            "/": self._status,
            "/healthz": self._healthy,
            "/readyz": self._readiness,
            "/metrics": self._measured,
        }

    def answer(self, method: str, target: str, host: str) -> Answer:
        """Answer one request.

        Args:
            method: Of HTTP.
            target: The path, and what follows it.
            host: The Host header.
        """
        if not self._is_meant(host):
            return Answer(421, "This server does not answer under that name. Use its address, or http.listen's host.\n")
        path = _path_of(target)
        found = self._paths.get(path)
        if found is None:
            return Answer(404, f"There is nothing here. There are {', '.join(self._paths)}.\n")
        if method not in {"GET", "HEAD"}:
            return Answer(405, "This server is for reading only.\n")
        try:
            return found()
        except SyncdError as error:
            return Answer(503, f"{error}\n")
        except Exception:  # noqa: BLE001 - a page that fails must not end anything
            _log.exception("the status page could not be made", path=path)
            return Answer(500, "This could not be shown. The daemon's log says why.\n")

    def _is_meant(self, host: str) -> bool:
        """Whether a Host header names this machine: a name that somebody else's DNS controls could be rebound to it.

        Addresses are safe, because no DNS stands behind them.
        """
        found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(:[0-9]+)?", host)
        if found is None:
            return False
        name = found[1].lower().strip("[]").removesuffix(".")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names or name.endswith(".localhost")
        return True

    @staticmethod
    def _healthy() -> Answer:
        return Answer(200, "ok\n")

    def _readiness(self) -> Answer:
        ready, reason = self._ready()
        return Answer(200, "ready\n") if ready else Answer(503, f"{reason}\n")

    def _measured(self) -> Answer:
        with self._alone():
            return Answer(200, self._metrics.text(), self._metrics.kind)

    def _status(self) -> Answer:
        with self._alone():
            overview, history = self._view.overview(), self._view.history()
            page = self._page = self._page or _page()
        text = page.render(overview, history)
        del overview, history
        give_back()
        return Answer(200, text, "text/html; charset=utf-8", f"{_NOTHING}; {page.policy}")

    def _alone(self) -> _Turn:
        """One reads at a time: however many browsers look, syncing comes first."""
        return _Turn(self._reading)


def _path_of(target: str) -> str:
    """The path of a request's target; what is no address has none."""
    try:
        return urlsplit(target).path
    except ValueError:
        return ""


def _page() -> Page:
    """Made for the first who looks: its templates' engine is 2 MB that a daemon nobody looks at need not have."""
    from syncd.daemon.page import Page  # noqa: PLC0415

    return Page()


class _Turn:
    """A lock that is not waited for without end.

    Args:
        lock: Which.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=_PATIENCE):
            raise SyncdError("The database takes long to answer.", "Try again in a minute.")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _Handler(BaseHTTPRequestHandler):
    """Logs nothing above debug, tells no versions, and waits for nobody."""

    timeout = 10
    server: _Listener

    def __getattr__(self, name: str) -> Any:
        """Every method is answered in one place; http.server looks for `do_GET` and the like."""
        if name.startswith("do_"):
            return self._respond
        raise AttributeError(name)

    def _respond(self) -> None:
        answer = self.server.app.answer(self.command, self.path, self.headers.get("Host", ""))
        body = answer.text.encode() if isinstance(answer.text, str) else answer.text
        self.send_response(answer.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", answer.policy)
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """The Server header."""
        return "syncd"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Into the log, for debugging only."""
        _log.debug("http", what=format % args)

    def handle(self) -> None:
        """Serve the connection; one that breaks is the other side's affair."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            return


class _Listener(ThreadingHTTPServer):
    """Listens, and answers each connection in a thread of its own.

    Args:
        host: Where.
        port: 0: any free one.
        app: Answers.

    Raises:
        OSError: The port is taken, or the host is not this machine's.
    """

    block_on_close = False

    def __init__(self, host: str, port: int, app: StatusApp) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.create_server((host, port), family=family, backlog=32)
        self.app = app
        self.port: int = self.socket.getsockname()[1]


class StatusServer:
    """Serves the status page in the background.

    Args:
        host: Where to listen: an address, or a name of this machine.
        port: 0: any free one.
        view: What is shown.
        ready: Whether the daemon can work, and why not.
    """

    def __init__(self, host: str, port: int, view: View, ready: Ready) -> None:
        self._host = host
        self._port = port
        self._metrics = Metrics(view)
        self._app = StatusApp(view, ready, self._metrics, host)
        self._server: _Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Its address, while it serves."""
        assert self._server is not None
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.port}/"

    def start(self) -> None:
        """Listen and serve.

        Raises:
            SyncdError: The port is taken, or the host is not this machine's.
        """
        self._server = server = self._listening()
        self._metrics.begin()
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": _POLL}, name="http", daemon=True
        )
        self._thread.start()
        _log.info("the status page is served", url=self.url)

    def stop(self) -> None:
        """End serving; answers under way are not waited for."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None

    def _listening(self) -> _Listener:
        try:
            return _Listener(self._host, self._port, self._app)
        except (OSError, OverflowError) as error:
            number = getattr(error, "errno", None)
            reason = os.strerror(number) if number and number > 0 else str(error)
            raise SyncdError(
                f"The status page cannot listen on {self._host}:{self._port}: {reason}.",
                "Choose another http.listen in syncd.yaml, or end the program that listens there.",
            ) from None
