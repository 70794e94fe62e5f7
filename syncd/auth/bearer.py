"""The bearer token on its way: replaced once when it is refused."""

from __future__ import annotations

from collections.abc import Generator
from http import HTTPStatus

from syncd.auth.manager import TokenManager


class Bearer:
    """Gives requests the token (RFC 6750) of one principal.

    Args:
        manager: Where tokens come from.
    """

    def __init__(self, manager: TokenManager) -> None:
        self._manager = manager

    def flow(self) -> Generator[str, int, None]:
        """Values of the Authorization header: of a request, and where its token is refused, once more with a new one.

        It is sent the status of each answer.
        """
        token = self._manager.token()
        if (yield f"Bearer {token.reveal()}") != HTTPStatus.UNAUTHORIZED:
            self._manager.accepted(token)
            return
        another = self._manager.refused(token)
        if another is None:
            return
        if (yield f"Bearer {another.reveal()}") != HTTPStatus.UNAUTHORIZED:
            self._manager.accepted(another)
