"""The way to the token endpoint: forms posted, answers read with bounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from syncd import __version__
from syncd.api.answers import unpacked
from syncd.api.ports import NoAnswer, Reply, Transport
from syncd.auth.grants import TokenEndpointUnavailable

ENDPOINT_SECONDS = 20.0
"""How long one step of an exchange may take."""
_LARGEST_ANSWER = 65_536
_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
    "User-Agent": f"syncd/{__version__}",
}


class TokenEndpoint:
    """Where tokens come from, for `Grants`.

    Args:
        way: There, and to nowhere else.
        address: As it is shown.
    """

    def __init__(self, way: Transport, address: str) -> None:
        self._way = way
        self._address = address

    def post(self, path: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Post a form. As `Post`."""
        try:
            reply = self._way.send("POST", path, _HEADERS, urlencode(form).encode())
            try:
                return reply.status, reply.headers, self._body(reply)
            finally:
                reply.close()
        except NoAnswer as error:
            what = "did not answer" if error.sent else "cannot be reached"
            raise TokenEndpointUnavailable(f"{self._address} {what}.", sent=error.sent) from None
        finally:
            # The next form takes a new connection: over one that the server has closed meanwhile it might be carried
            # out or not, and a refresh token is good for one exchange.
            self._way.close()

    def _body(self, reply: Reply) -> bytes:
        body = b""
        try:
            for piece in _plain(reply):
                body += piece
                if len(body) > _LARGEST_ANSWER:
                    raise TokenEndpointUnavailable("The token endpoint gave an answer that is far too long.")
        except zlib.error:
            raise TokenEndpointUnavailable(f"{self._address} gave a damaged answer.") from None
        return body


def _plain(reply: Reply) -> Iterator[bytes]:
    """The body as it was before it was packed, which nobody asked for."""
    return unpacked(reply.pieces()) if reply.headers.get("content-encoding", "").strip() == "gzip" else reply.pieces()
