"""The sandbox as one object: in a test, behind a socket, or as a WSGI application."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer

from syncd.sandbox import control
from syncd.sandbox.app import Cutting, Middle, root, unhandled
from syncd.sandbox.catalog import Catalog, shipped
from syncd.sandbox.faults import Fault, Faults
from syncd.sandbox.live import Editors
from syncd.sandbox.login import Login
from syncd.sandbox.oauth import Client, Grants
from syncd.sandbox.partition import Place
from syncd.sandbox.permissions import Permissions, Refusal
from syncd.sandbox.quota import Quota
from syncd.sandbox.requests import Router
from syncd.sandbox.rest import Behaviour, Rest
from syncd.sandbox.serving import listen
from syncd.sandbox.shapes import custom_shapes
from syncd.sandbox.stats import Stats
from syncd.sandbox.store import Parent, RecordId, Store
from syncd.sandbox.world import COMPANY_ID, Project, World

DEFAULT_QUOTA = ((72_000, 3600.0), (1_000, 10.0))
"""Requests per hour and per 10 seconds. Procore grants less; a first load of a demo should not take an hour."""


class Sandbox:
    """A Procore look-alike with a company's data.

    Args:
        seed: Same seed and day, same data.
        projects: How many projects; three in four are active.
        scale: Factor on the number of records of the most used resources (1: about 25,000 over 12 projects).
        clock: Gives Unix seconds: Date headers, tokens, quota windows and change times go by it.
        today: The day that records' dates are counted back from; None: the clock's.
        quota: Limit and length in whole seconds (1 or more) of each window; empty: no limits, no headers.
        token_lifetime: Seconds that an access token lives.
        catalog: Folders of resource definitions over the shipped ones.
        shipped_catalog: Whether the shipped definitions are served at all.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        projects: int = 12,
        scale: float = 1.0,
        clock: Callable[[], float] = time.time,
        today: date | None = None,
        quota: Sequence[tuple[int, float]] = DEFAULT_QUOTA,
        token_lifetime: float = 5400,
        catalog: Sequence[Path] = (),
        shipped_catalog: bool = True,
    ) -> None:
        self.offset = 0.0
        self._clock = clock
        day = today or datetime.fromtimestamp(clock(), UTC).date()
        self.catalog = Catalog([*([shipped()] if shipped_catalog else []), *catalog])
        self.world = World(seed, projects, day, scale, self._custom_fields)
        self.store = Store(self.world, self.catalog, self.now)
        self.grants = Grants(self.now, {"demo": Client("demo", "demo")}, token_lifetime)
        self.permissions = Permissions()
        self.stats = Stats()
        self.quota = Quota(self.now, quota)
        self.faults = Faults(seed)
        self.behaviour = Behaviour()
        self._login = Login(self.grants, self.stats)
        self._editors = Editors(self.store, seed)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.wsgi = Cutting(self._application())

    def _custom_fields(self) -> list[tuple[str, str]]:
        # Most entries have none; parsing their type trees to find that out would take most of its start.
        having = (entry for entry in self.catalog if "custom_field_{" in entry.text)
        return [(entry.name, shape) for entry in having for shape in custom_shapes(entry.fields)]

    def _application(self) -> Flask:
        app = Flask("syncd.sandbox", static_folder=None)
        Middle(self.store, self.quota, self.faults, self.stats, self.now).install(app)
        router = Router(self.catalog)
        rest = Rest(self.store, self.grants, self.permissions, self.stats, self.behaviour, self.now, router)
        app.register_blueprint(rest.blueprint())
        app.register_blueprint(self._login.blueprint())
        app.register_blueprint(control.blueprint(self))
        app.add_url_rule("/", view_func=root)
        app.register_error_handler(HTTPException, unhandled)
        return app

    def now(self) -> float:
        """The sandbox's time, Unix seconds."""
        return self._clock() + self.offset

    def start(self, port: int = 0, *, live_every: float | None = None) -> str:
        """Serve on 127.0.0.1 in the background and return the address.

        Args:
            port: 0 takes any free one.
            live_every: Seconds between changes that happen by themselves; None: none happen.

        Raises:
            OSError: The port is taken.
        """
        self._server = server = listen("127.0.0.1", port, self.wsgi)
        # A short poll makes `stop` quick.
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        if live_every is not None:
            self._editors.start(live_every)
        return self.url

    @property
    def url(self) -> str:
        """Address while it serves."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.port}"

    def stop(self) -> None:
        """End serving."""
        self._editors.stop()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None

    @property
    def company_id(self) -> int:
        """The company that the app is connected to."""
        return COMPANY_ID

    @property
    def projects(self) -> list[Project]:
        """All projects, as first made."""
        return self.world.projects

    @property
    def active_projects(self) -> list[int]:
        """Ids of the projects that are active at the start."""
        return [project.id for project in self.world.projects if project.active]

    def create(
        self, resource: str, project_id: int | None = None, parent: Parent | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Add a record and return it; the given fields over made-up ones."""
        return self.store.create(resource, project_id, parent, fields)

    def edit(
        self,
        resource: str,
        record_id: RecordId,
        project_id: int | None = None,
        parent: Parent | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Change a record and return it; without fields, some text of it."""
        return self.store.edit(resource, record_id, project_id, parent, fields)

    def delete(
        self, resource: str, record_id: RecordId, project_id: int | None = None, parent: Parent | None = None
    ) -> None:
        """Delete a record; where the resource has a recycle bin, into it."""
        self.store.delete(resource, record_id, project_id, parent)

    def restore(
        self, resource: str, record_id: RecordId, project_id: int | None = None, parent: Parent | None = None
    ) -> None:
        """Bring a deleted record back."""
        self.store.restore(resource, record_id, project_id, parent)

    def records(
        self, resource: str, project_id: int | None = None, parent: Parent | None = None, *, deleted: bool = False
    ) -> list[dict[str, Any]]:
        """All live (or all deleted) records of a resource as its list shows them, unpaged: the truth."""
        return self.store.truth(resource, project_id, parent, deleted=deleted)

    def walk(
        self, resource: str, project_id: int | None = None, parent: Parent | None = None
    ) -> list[tuple[Place, dict[str, Any], bool]]:
        """All records of a resource, each with its place and whether it is deleted."""
        with self.store.lock:
            return list(self.store.walk(resource, project_id, parent))

    def stir(self, changes: int = 1) -> int:
        """Make so many changes at random; returns how many could be made."""
        return self._editors.stir(changes)

    def fault(self, kind: str, **details: Any) -> Fault:
        """Switch a fault on; see `Fault` for the details. Its counters tell what it did."""
        return self.faults.add(Fault.parse({"kind": kind, **details}))

    def refuse(self, resource: str | None = None, project: int | None = None, **details: Any) -> Refusal:
        """Take a permission away: `status`, `message` and `principal` as in `Refusal`."""
        refusal = Refusal(resource, project, **details)
        self.permissions.refuse(refusal)
        return refusal

    def grant(self, refusal: Refusal | None = None) -> None:
        """Give back one thing that was taken away, or all."""
        self.permissions.grant(refusal)

    def fail_tokens(self, seconds: float, status: int = 503) -> None:
        """Let the token endpoint fail for some time."""
        self._login.trouble = (status, self.now() + seconds)

    def settings(self) -> Mapping[str, Any]:
        """The `procore:` section of a configuration that points here."""
        return {
            "environment": "custom",
            "login_url": self.url,
            "api_url": self.url,
            "client_id": "demo",
            "client_secret": "demo",
        }
