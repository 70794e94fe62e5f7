"""A real sandbox over a real socket, one per test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from syncd.sandbox.server import Sandbox

SMALL = {"seed": 7, "projects": 3, "scale": 0.05}
"""Two active projects and an ended one, a handful of records per list: quick to read whole."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small sandbox that serves on a free port."""
    box = Sandbox(**SMALL)  # type: ignore[arg-type]  # a mixture of ints and floats
    box.start()
    yield box
    box.stop()


@pytest.fixture
def make_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes of other sizes; they end with the test."""
    started: list[Sandbox] = []

    def make(**options: Any) -> Sandbox:
        box = Sandbox(**(SMALL | options))
        box.start()
        started.append(box)
        return box

    yield make
    for box in started:
        box.stop()


def token(box: Sandbox) -> str:
    """An access token of the service account."""
    return box.grants.token({"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo"}).value


def user_token(box: Sandbox, user: str) -> str:
    """An access token of a user who has consented."""
    form = {"grant_type": "authorization_code", "client_id": "demo", "client_secret": "demo"}
    code = box.grants.approve("demo", "http://localhost", user)
    return box.grants.token(form | {"code": code, "redirect_uri": "http://localhost"}).value


def client(box: Sandbox, user: str | None = None) -> httpx.Client:
    """A plain HTTP client with a token and the company's header."""
    bearer = token(box) if user is None else user_token(box, user)
    headers = {"Authorization": f"Bearer {bearer}", "Procore-Company-Id": str(box.company_id)}
    return httpx.Client(base_url=box.url, headers=headers, timeout=10)


def inside(box: Sandbox, user: str | None = None) -> httpx.Client:
    """As `client`, without a socket: calls the WSGI application."""
    bearer = token(box) if user is None else user_token(box, user)
    headers = {"Authorization": f"Bearer {bearer}", "Procore-Company-Id": str(box.company_id)}
    return httpx.Client(transport=httpx.WSGITransport(app=box.wsgi), base_url="http://sandbox.test", headers=headers)


class ManualClock:
    """A clock that a test moves.

    Args:
        now: Unix seconds.
    """

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
