"""The bearer token on its way: to the configured host and nowhere else, replaced once when it is refused."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from syncd.auth.manager import TokenManager


class Bearer(httpx.Auth):
    """Adds the token (RFC 6750) to requests of one origin.

    Args:
        manager: Where tokens come from.
        api_url: The origin: scheme, host and port.
    """

    def __init__(self, manager: TokenManager, api_url: str) -> None:
        self._manager = manager
        self._origin = _origin(httpx.URL(api_url))

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send with a token; where that is refused, once more with a new one."""
        if _origin(request.url) != self._origin:
            yield request
            return
        token = self._manager.token()
        request.headers["Authorization"] = f"Bearer {token.reveal()}"
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            self._manager.accepted(token)
            return
        another = self._manager.refused(token)
        if another is None:
            return
        request.headers["Authorization"] = f"Bearer {another.reveal()}"
        response = yield request
        if response.status_code != httpx.codes.UNAUTHORIZED:
            self._manager.accepted(another)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    default = {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.host, url.port or default
