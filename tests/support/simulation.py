"""The daemon without its process, on a clock that jumps from one due run to the next, with a sandbox beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.daemon.agenda import Agenda
from syncd.errors import Stopped
from syncd.jobs.registry import Registry
from syncd.sandbox.server import Sandbox

START = datetime(2026, 2, 20, 12, tzinfo=UTC)


class Time:
    """The clock of daemon and sandbox; it moves when somebody sleeps, whoever it is."""

    def __init__(self) -> None:
        self.time = START
        self._lock = threading.Lock()
        self.stopped = False

    def now(self) -> datetime:
        return self.time

    def unix(self) -> float:
        return self.time.timestamp()

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        if self.stopped:
            raise Stopped("The run was asked to stop.")
        with self._lock:
            self.time += timedelta(seconds=max(seconds, 0.001))

    def stopping(self) -> bool:
        return self.stopped


class Wire(httpx.WSGITransport):
    """The way to the sandbox without a socket, which breaks as a socket does."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super().handle_request(request)
            assert isinstance(response.stream, httpx.SyncByteStream)
            body = httpx.ByteStream(b"".join(response.stream))
            return httpx.Response(response.status_code, headers=response.headers, stream=body)
        except ConnectionError as error:
            raise httpx.ReadError(str(error)) from error


class Simulation:
    """A daemon that lives through simulated time.

    Args:
        folder: For its configuration and database.
        jobs: Keys of each job by name, besides company and projects.
    """

    def __init__(self, folder: Path, jobs: dict[str, dict[str, Any]]) -> None:
        self.clock = Time()
        self.box = Sandbox(
            seed=7,
            projects=3,
            scale=0.05,
            clock=self.clock.unix,
            token_lifetime=5400,
            quota=((3600, 3600.0), (100, 10.0)),
        )
        procore = {
            "environment": "custom",
            "login_url": "http://127.0.0.1:8900",
            "api_url": "http://127.0.0.1:8900",
            "client_id": "demo",
            "client_secret": "demo",
        }
        self.folder = folder
        (folder / "jobs").mkdir()
        self._write("syncd.yaml", procore=procore, database={"url": "sqlite:///syncd.db"})
        for name, keys in jobs.items():
            common = {"name": name, "company": self.box.company_id, "projects": "all"}
            self._write(f"jobs/{name}.yaml", **common, **keys)
        self.agenda = self._agenda()

    def _write(self, file: str, **document: Any) -> None:
        (self.folder / file).write_text(json.dumps(document))

    def _agenda(self) -> Agenda:
        """Runs begin one after the other, in this thread."""
        return Agenda(
            self._program(), self.clock, wake=lambda: None, spawn=lambda _, work: work(), monotonic=self.clock.monotonic
        )

    def _program(self) -> App:
        registry = Registry.installed()
        configuration, catalog = read_configuration(self.folder / "syncd.yaml", {}, registry)
        kit = Kit(self.clock, Redactor(), registry)
        self.app = App(configuration, catalog, kit, Wire(app=self.box.wsgi))
        self.app.prepare()
        return self.app

    def restart(self) -> None:
        """As a service manager does."""
        self.agenda.close()
        self.agenda = self._agenda()

    def reload(self) -> None:
        """As SIGHUP does."""
        self.agenda.replace(self._program())

    def live(self, until: datetime, events: list[tuple[datetime, Callable[[], object]]] | None = None) -> None:
        """Let the daemon work, and events happen when they come."""
        coming = sorted(events or [], key=lambda event: event[0])
        while self.clock.time < until:
            wake = self._next()
            if coming and coming[0][0] <= wake:
                self.clock.time = max(self.clock.time, coming[0][0])
                coming.pop(0)[1]()
            else:
                self.clock.time = max(self.clock.time, wake)

    def _next(self) -> datetime:
        """What is due begins; the moment at which something is due next. The looks between are the same, idle."""
        self.agenda.tick()
        now = self.clock.time
        starts = [start for start, _ in self.agenda.upcoming(now).values()]
        return max(min(starts), now + timedelta(seconds=1))

    def sleep_until(self, moment: datetime) -> None:
        """The machine sleeps; the world does not."""
        self.clock.time = moment
        self.box.stir(40)

    def rows(self, sql: str) -> list[Any]:
        with self.app.database.read() as connection:
            return list(connection.execute(text(sql)).all())
