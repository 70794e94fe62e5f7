"""Twins in memory of what keeps users' tokens, and a token endpoint that does what a test says."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
from cryptography.fernet import Fernet

from syncd.api.over_httpx import OverHttpx
from syncd.app.endpoint import TokenEndpoint
from syncd.auth.grants import App, Grants
from syncd.auth.ports import StoredToken
from syncd.auth.secret import Redactor, Secret
from syncd.auth.vault import Vault
from syncd.errors import JobBusy, Stopped

LOGIN_URL = "http://login.test"


class Time:
    """A clock whose wall and monotonic sides a test moves apart; sleeping moves both."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.seconds = 1_000.0
        self.slept: list[float] = []
        self.stopped = False

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        if self.stopped:
            raise Stopped("asked to stop")
        self.slept.append(seconds)
        self.advance(seconds)

    def stopping(self) -> bool:
        return self.stopped

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""
        self.wall += timedelta(seconds=seconds)


class MemoryTokens:
    """The twin of `SqlTokens`."""

    def __init__(self) -> None:
        self.rows: dict[str, StoredToken] = {}

    def get(self, label: str) -> StoredToken | None:
        return self.rows.get(label)

    def all(self) -> Sequence[StoredToken]:
        return [self.rows[label] for label in sorted(self.rows)]

    def create(self, label: str, sealed: bytes, expires_at: datetime, now: datetime) -> None:
        before = self.rows.get(label)
        generation = 1 if before is None else before.generation + 1
        self.rows[label] = StoredToken(
            label, sealed, generation, "ok", None, None, None, expires_at, now, None, None, 0
        )

    def _change(self, label: str, generation: int | None = None, /, **changes: Any) -> bool:
        before = self.rows.get(label)
        if before is None or generation not in (None, before.generation):
            return False
        self.rows[label] = replace(before, **changes)
        return True

    def identify(self, label: str, login: str | None, user_id: int | None, company_id: int | None) -> None:
        self._change(label, login=login, company_id=company_id)

    def intend(self, label: str, generation: int, now: datetime) -> None:
        self._change(label, generation, intent=generation)

    def lost(self, label: str, generation: int) -> None:
        row = self.rows.get(label)
        self._change(label, generation, lost=row.lost + 1 if row else 0)

    def replace(self, label: str, generation: int, sealed: bytes, expires_at: datetime, now: datetime) -> bool:
        return self._change(
            label,
            generation,
            sealed=sealed,
            generation=generation + 1,
            state="ok",
            reason=None,
            expires_at=expires_at,
            refreshed_at=now,
            intent=None,
            lost=0,
        )

    def close(self, label: str, generation: int, reason: str) -> None:
        self._change(label, generation, state="consent needed", reason=reason)

    def reseal(self, label: str, generation: int, sealed: bytes) -> bool:
        return self._change(label, generation, sealed=sealed)

    def delete(self, label: str) -> bool:
        return self.rows.pop(label, None) is not None


@dataclass
class MemoryLease:
    locks: MemoryLocks
    name: str
    number: int

    def release(self) -> None:
        if self.locks.held.get(self.name, (0, None))[0] == self.number:
            del self.locks.held[self.name]


class MemoryLocks:
    """Leases that end by the wall clock, as those in the database do."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.held: dict[str, tuple[int, datetime]] = {}
        self._now = now
        self._numbers = itertools.count(1)

    def lease(self, name: str, seconds: float) -> MemoryLease:
        if name in self.held and self.held[name][1] > self._now():
            raise JobBusy(f"{name} is held.")
        number = next(self._numbers)
        self.held[name] = (number, self._now() + timedelta(seconds=seconds))
        return MemoryLease(self, name, number)


@dataclass
class MemoryFailures:
    """What `status` would show."""

    errors: dict[str, str] = field(default_factory=dict)

    def failed(self, principal: str, error: str) -> None:
        self.errors[principal] = error

    def worked(self, principal: str) -> None:
        self.errors.pop(principal, None)


class Known:
    """A token that is known and never changes."""

    def flow(self) -> Generator[str, int, None]:
        yield "Bearer known"


class Endpoint:
    """Procore's token endpoint: refresh tokens live once. `script` answers first, one entry per request.

    An entry is a response, an exception to raise, or a function of the form; None lets the endpoint do its work.
    """

    def __init__(self, *script: Any, life: Any = 5400) -> None:
        self.script = list(script)
        self.life = life
        self.forms: list[dict[str, str]] = []
        self.live: set[str] = set()
        self.revoked: list[str] = []
        self._numbers = itertools.count(1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode()))
        if request.url.path == "/oauth/revoke":
            self.revoked.append(form["token"])
            return httpx.Response(200, json={})
        self.forms.append(form)
        step = self.script.pop(0) if self.script else None
        if callable(step):
            step = step(form)
        if isinstance(step, Exception):
            raise step
        return step if step is not None else self.answer(form)

    def answer(self, form: dict[str, str]) -> httpx.Response:
        """As Procore does."""
        if form["grant_type"] == "client_credentials":
            return httpx.Response(200, json={"access_token": f"service-{next(self._numbers)}", "expires_in": self.life})
        given = form.get("refresh_token") or form.get("code", "")
        if given not in self.live:
            return httpx.Response(400, json={"error": "invalid_grant", "error_description": "It is revoked."})
        self.live.discard(given)
        return httpx.Response(200, json=self.pair())

    def pair(self) -> dict[str, Any]:
        number = next(self._numbers)
        self.live.add(f"refresh-{number:06}")
        return {"access_token": f"access-{number:06}", "refresh_token": f"refresh-{number:06}", "expires_in": self.life}

    def grants(self, redactor: Redactor | None = None) -> Grants:
        """What asks this endpoint."""
        app = App(LOGIN_URL, "client", Secret("a-client-secret"), "http://localhost:8910/callback")
        way = OverHttpx(httpx.MockTransport(self), LOGIN_URL)
        return Grants(TokenEndpoint(way, LOGIN_URL).post, app, redactor or Redactor())


def lost_after(endpoint: Endpoint) -> Callable[[dict[str, str]], Exception]:
    """A step that does its work and loses the answer."""

    def step(form: dict[str, str]) -> Exception:
        endpoint.answer(form)
        return httpx.ReadError("the answer was lost")

    return step


KEY = Fernet.generate_key().decode()


def vault(*keys: str) -> Vault:
    return Vault([Secret(key) for key in keys or (KEY,)], "vault.key", Redactor())
