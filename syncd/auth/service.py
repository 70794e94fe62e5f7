"""The app's service account: a token without a refresh token, asked for again each time."""

from __future__ import annotations

from syncd.auth.grants import Grant, Grants
from syncd.auth.secret import Secret


class ServiceSupply:
    """Tokens by client credentials.

    Args:
        grants: Asks for them.
    """

    def __init__(self, grants: Grants) -> None:
        self._grants = grants

    def fetch(self, refused: Secret | None) -> Grant:
        """A new token; Procore keeps the old one valid until its own end."""
        del refused
        return self._grants.service()
