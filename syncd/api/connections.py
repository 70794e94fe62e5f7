"""Connections to Procore, kept and used again: a socket and llhttp, as an increment's time is its requests'.

httpx, by way of httpcore and h11, spends 0.9 ms of CPU on a request with an empty answer, and the standard library's client
0.3, a third of it on reading the answer's head. Where requests go by way of a proxy, httpx is used (`over_httpx`).
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from syncd.api.ports import Clock, NoAnswer, Reply

CONNECT_SECONDS = 10.0
STEP_SECONDS = 60.0
"""Of one step of an exchange."""
_UNUSED_SECONDS = 60.0
"""A connection that was not used for so long is closed: servers and firewalls drop theirs, and say nothing."""
_FRESH_SECONDS = 0.5
"""A connection that was used within so many is not looked at: each look is a chance for other threads to go first."""
_MOST = 64
"""Connections in use at the same time."""
_PIECE = 2**18
"""Bytes of a body read at once, at most."""
_HEAD = 2**16
"""Bytes read at once until an answer's head is whole, at most."""
_MOST_WITHOUT_BODY = 2**17
"""Bytes that a head may take, or what stands between the pieces of a body."""
_MOST_HEADERS = 100
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no line of a request's head can hold (RFC 9110, 5.5)."""
SILENT = "Procore did not answer in time"
BROKEN = "the connection broke"
UNREACHED = "Procore cannot be reached"


class Connections:
    """Connections to one origin, over which nothing goes but what is asked for: no redirects, no cookies.

    Args:
        origin: Scheme, host and port.
        clock: Time.
        tls: Whom to believe; needed for https.
        step_seconds: How long one step of an exchange may take: what is sent, or the next bytes that come.
    """

    def __init__(
        self, origin: str, clock: Clock, tls: ssl.SSLContext | None = None, *, step_seconds: float = STEP_SECONDS
    ) -> None:
        address = urlsplit(origin)
        self._host = address.hostname or ""
        self._port = address.port or (443 if address.scheme == "https" else 80)
        self._host_header = _host_header(self._host, address.port)
        self._tls = tls if address.scheme == "https" else None
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1"])
        self._clock = clock
        self._step_seconds = step_seconds
        self._idle: deque[tuple[socket.socket, float]] = deque()
        self._room = threading.BoundedSemaphore(_MOST)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request, and wait for the answer's head. As `Transport.send`."""
        try:
            request = _request(method, target, {"Host": self._host_header, **headers}, body)
        except ValueError:
            raise NoAnswer(BROKEN, sent=False) from None
        self._room.acquire()
        connection: socket.socket | None = None
        try:
            connection = self._taken() or self._made()
            connection.sendall(request)
            return _Reply(self, connection, self._clock.monotonic, self._step_seconds)
        except BaseException as error:
            if connection is not None:
                connection.close()
            self._room.release()
            if isinstance(error, OSError):
                raise NoAnswer(SILENT if isinstance(error, TimeoutError) else BROKEN) from None
            raise

    def _taken(self) -> socket.socket | None:
        """One that was used before, if there is one that is still good."""
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            rested = self._clock.monotonic() - since
            if rested < _FRESH_SECONDS or (rested < _UNUSED_SECONDS and not _has_word(connection)):
                return connection
            connection.close()

    def _made(self) -> socket.socket:
        connection: socket.socket | None = None
        try:
            connection = socket.create_connection((self._host, self._port), timeout=CONNECT_SECONDS)
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=self._host)
        except (OSError, UnicodeError):
            if connection is not None:
                connection.close()
            raise NoAnswer(UNREACHED, sent=False) from None
        connection.settimeout(self._step_seconds)
        return connection

    def done(self, connection: socket.socket, *, reusable: bool) -> None:
        """An exchange over this connection has ended."""
        if reusable:
            self._idle.append((connection, self._clock.monotonic()))
        else:
            connection.close()
        self._room.release()

    def close(self) -> None:
        """Close connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop()[0].close()


def _host_header(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host if host.isascii() else host.encode("idna").decode()
    return name if port is None else f"{name}:{port}"


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request as it is sent (RFC 9112, 2.1).

    Raises:
        ValueError: A line of its head holds what would end it, or what is not Latin-1.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None or method != "GET":
        lines.append(f"Content-Length: {len(body or b'')}")
    if any(map(_UNFIT.search, lines)):
        raise ValueError
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class _Heard:
    """What llhttp has found in the bytes that came: it calls these methods, and an answer that breaks a rule it refuses.

    Attributes:
        headers: By their names in small letters.
        pieces: Of the body, not yet taken.
        begun: Whether the head is whole.
        whole: Whether the body is, too.
        surplus: Whether more came than one answer; it is not looked at.
        keeps: Whether the connection stays open.
    """

    def __init__(self) -> None:
        self.parser: HttpResponseParser | None = HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        self.begun = self.whole = self.surplus = self.keeps = False
        self._count = 0

    def on_message_begin(self) -> None:
        self.surplus = self.whole

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        if self._count > _MOST_HEADERS:
            raise ValueError
        if not self.begun:
            add_header(self.headers, name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        if self.surplus:
            return
        assert self.parser is not None
        self.status = self.parser.get_status_code()
        self.begun = self.status >= HTTPStatus.OK
        if not self.begun:
            # An interim answer (RFC 9110, 15.2); the real one follows.
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        if not self.surplus:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        assert self.parser is not None
        if self.begun and not self.whole:
            self.whole, self.keeps = True, self.parser.should_keep_alive()

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body ends where the connection does (RFC 9112, 6.3)."""
        return self.begun and not {"content-length", "transfer-encoding"} & self.headers.keys()


class _Reply:
    """An answer whose body is still on its way.

    Args:
        home: Where its connection goes back to.
        connection: From where it comes.
        monotonic: The time.
        seconds: How long its head may take, whether it does not come or comes drop by drop.

    Raises:
        OSError: It is none, or does not come.
    """

    def __init__(
        self, home: Connections, connection: socket.socket, monotonic: Callable[[], float], seconds: float
    ) -> None:
        self._home = home
        self._connection: socket.socket | None = connection
        self._heard = _Heard()
        self._without_body = 0
        until = monotonic() + seconds
        while not self._heard.begun:
            self._hear(connection, _HEAD)
            if monotonic() > until:
                raise TimeoutError
        self.status = self._heard.status
        self.headers: Mapping[str, str] = self._heard.headers

    def _hear(self, connection: socket.socket, most: int) -> None:
        """Take in the next bytes."""
        heard = self._heard
        assert heard.parser is not None
        data = connection.recv(most)
        if data:
            try:
                heard.parser.feed_data(data)
            except (HttpParserError, HttpParserUpgrade):
                if not heard.whole:
                    raise ConnectionError from None
                heard.surplus = True
        elif heard.ends_with_connection:
            heard.whole = True
        else:
            raise ConnectionError
        self._without_body = 0 if heard.pieces else self._without_body + len(data)
        if self._without_body > _MOST_WITHOUT_BODY:
            raise ConnectionError

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. As `Reply.pieces`."""
        heard = self._heard
        while True:
            taken, heard.pieces = heard.pieces, []
            yield b"".join(taken)
            if heard.whole or self._connection is None:
                return
            try:
                self._hear(self._connection, _PIECE)
            except OSError as error:
                raise NoAnswer(SILENT if isinstance(error, TimeoutError) else BROKEN) from None

    def close(self) -> None:
        """Give the connection back; one whose answer was not read to its end is closed."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._heard.parser = None
        self._home.done(connection, reusable=self._heard.keeps and not self._heard.surplus)


def add_header(headers: dict[str, str], name: str, value: str) -> None:
    """Headers stand by their names in small letters; what comes several times is one list (RFC 9110, 5.2)."""
    known = name.lower()
    headers[known] = f"{headers[known]}, {value}" if known in headers else value


def _has_word(connection: socket.socket) -> bool:
    """Whether the other side has closed it, or said something that nobody asked for."""
    look = select.poll()
    look.register(connection, select.POLLIN)
    return bool(look.poll(0))
