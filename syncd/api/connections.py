"""Connections to Procore, kept and used again: the standard library's, as an increment's time is its requests'.

httpx, by way of httpcore and h11, spends 0.9 ms of CPU on a request with an empty answer where this takes 0.3, and 2.4 ms
on an answer of 0.7 MB where this takes 0.4. Where requests go by way of a proxy, `OverHttpx` is used.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

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
_TIMEOUTS = httpx.Timeout(STEP_SECONDS, connect=CONNECT_SECONDS, pool=None)
_SILENT = "Procore did not answer in time"
_BROKEN = "the connection broke"
_UNREACHED = "Procore cannot be reached"


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
        self._host, self._port = address.hostname or "", address.port
        self._tls = tls if address.scheme == "https" else None
        if self._tls is not None:
            self._tls.set_alpn_protocols(["http/1.1"])
        self._clock = clock
        self._step_seconds = step_seconds
        self._idle: deque[tuple[http.client.HTTPConnection, float]] = deque()
        self._room = threading.BoundedSemaphore(_MOST)

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request, and wait for the answer's head. As `Transport.send`."""
        self._room.acquire()
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._taken() or self._made()
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
        except BaseException as error:
            if connection is not None:
                connection.close()
            self._room.release()
            # A header's value that cannot be sent is a ValueError.
            if isinstance(error, OSError | http.client.HTTPException | ValueError):
                raise NoAnswer(_SILENT if isinstance(error, TimeoutError) else _BROKEN) from None
            raise
        return _Reply(self, connection, answer)

    def _taken(self) -> http.client.HTTPConnection | None:
        """One that was used before, if there is one that is still good."""
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            rested = self._clock.monotonic() - since
            if rested < _FRESH_SECONDS or (rested < _UNUSED_SECONDS and not _has_word(connection.sock)):
                return connection
            connection.close()

    def _made(self) -> http.client.HTTPConnection:
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
            if self._tls is None
            else http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_SECONDS, context=self._tls)
        )
        try:
            connection.connect()
        except (OSError, UnicodeError):
            connection.close()
            raise NoAnswer(_UNREACHED) from None
        connection.sock.settimeout(self._step_seconds)
        return connection

    def done(self, connection: http.client.HTTPConnection, *, reusable: bool) -> None:
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


class _Reply:
    """An answer whose body is still on its way."""

    def __init__(
        self, home: Connections, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> None:
        self._home = home
        self._connection: http.client.HTTPConnection | None = connection
        self._answer = answer
        self._whole = False
        self.status = answer.status
        self.headers = _together(answer.getheaders())

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. As `Reply.pieces`."""
        answer = self._answer
        try:
            while piece := answer.read1(_PIECE):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(_SILENT if isinstance(error, TimeoutError) else _BROKEN) from None
        if answer.length:
            raise NoAnswer(_BROKEN)
        self._whole = True

    def close(self) -> None:
        """Give the connection back; one whose answer was not read to its end is closed."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        reusable = self._whole and not self._answer.will_close
        self._answer.close()
        self._home.done(connection, reusable=reusable)


class OverHttpx:
    """One of httpx's transports: for proxies, and for whoever puts another in the network's place.

    Args:
        transport: Connections. Its redirects and cookies would be httpx.Client's, which stands not in between.
        origin: Scheme, host and port that requests go to.
    """

    def __init__(self, transport: httpx.BaseTransport, origin: str) -> None:
        self._transport = transport
        self._origin = origin

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request, and wait for the answer's head. As `Transport.send`."""
        extensions = {"timeout": _TIMEOUTS.as_dict()}
        url = f"{self._origin}{target}"
        request = httpx.Request(method, url, headers=headers, content=body, extensions=extensions)
        try:
            return _HttpxReply(self._transport.handle_request(request))
        except httpx.TransportError as error:
            raise _no_answer(error) from None

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()


class _HttpxReply:
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = _together(response.headers.multi_items())

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. As `Reply.pieces`."""
        assert isinstance(self._response.stream, httpx.SyncByteStream)
        try:
            yield from self._response.stream
        except httpx.TransportError as error:
            raise _no_answer(error) from None

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()


def _no_answer(error: httpx.TransportError) -> NoAnswer:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return NoAnswer(_UNREACHED)
    return NoAnswer(_SILENT if isinstance(error, httpx.TimeoutException) else _BROKEN)


def _together(headers: list[tuple[str, str]]) -> Mapping[str, str]:
    """Headers by their names in small letters; what comes several times is one list (RFC 9110, 5.2)."""
    found: dict[str, str] = {}
    for name, value in headers:
        known = name.lower()
        found[known] = f"{found[known]}, {value}" if known in found else value
    return found


def _has_word(connection: socket.socket) -> bool:
    """Whether the other side has closed it, or said something that nobody asked for."""
    look = select.poll()
    look.register(connection, select.POLLIN)
    return bool(look.poll(0))
