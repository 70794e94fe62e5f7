"""Connections of httpx: by way of a proxy, or whatever a test puts in the network's place. A start without does not import it."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping

from syncd.api.connections import BROKEN, CONNECT_SECONDS, SILENT, STEP_SECONDS, UNREACHED, add_header
from syncd.api.ports import NoAnswer, Reply
from syncd.imports import without

# For a command line of its own, httpx imports pygments and rich: 4 MB that a daemon would keep, and a tenth of a second.
with without("pygments"):
    import httpx

_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60.0)
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class OverHttpx:
    """One of httpx's transports: for proxies, and for whoever puts another in the network's place.

    Args:
        transport: Connections, or None: by way of the proxy. Redirects and cookies would be httpx.Client's, which stands
            not in between.
        origin: Scheme, host and port that requests go to.
        step_seconds: As of `Connections`.
        proxy: Address of the proxy, where there is one.
        tls: Whom to believe, behind the proxy.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport | None,
        origin: str,
        *,
        step_seconds: float = STEP_SECONDS,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._transport = transport or httpx.HTTPTransport(verify=tls or True, limits=_LIMITS, proxy=proxy)
        self._origin = origin
        self._timeouts = httpx.Timeout(step_seconds, connect=CONNECT_SECONDS, pool=None).as_dict()

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send a request, and wait for the answer's head. As `Transport.send`."""
        extensions = {"timeout": self._timeouts}
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
    if isinstance(error, _UNSENT):
        return NoAnswer(UNREACHED, sent=False)
    return NoAnswer(SILENT if isinstance(error, httpx.TimeoutException) else BROKEN)


def _together(headers: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        add_header(found, name, value)
    return found
