"""The composition root: the only place that constructs things."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

import structlog

from syncd.app.access import Access
from syncd.app.kit import Kit, Silent
from syncd.app.parts import Parts
from syncd.app.procore import Procore
from syncd.auth.renewer import Renewer
from syncd.catalog.load import Catalog
from syncd.config.load import Configuration
from syncd.engine.ports import Lease, Progress
from syncd.engine.record import recorded
from syncd.errors import ConfigError
from syncd.helpers.pool import Helpers, useful
from syncd.jobs.protocol import JobContext, Request
from syncd.model import Principal, RunRecord, RunReport
from syncd.storage import migrate
from syncd.storage.database import Database
from syncd.storage.ledger import Ledger
from syncd.storage.state import JobState
from syncd.storage.store import SqlStore

if TYPE_CHECKING:
    from httpx import BaseTransport

    from syncd.app.preview import Preview
    from syncd.app.views import Views
    from syncd.daemon.due import Schedule
    from syncd.storage.timetable import Past

_log = structlog.get_logger(__name__)


class App:
    """The program, put together for one configuration: runs its jobs.

    Args:
        configuration: Valid.
        catalog: The catalog that it names.
        kit: What does not change with the configuration.
        transport: The way to Procore; None: the network.

    Attributes:
        clock: Time.
        database: Where everything is kept.
        store: The engine's.
        procore: The way to Procore.
        access: Procore as each principal sees it.
    """

    def __init__(
        self, configuration: Configuration, catalog: Catalog, kit: Kit, transport: BaseTransport | None = None
    ) -> None:
        settings = configuration.settings
        self.configuration = configuration
        self.catalog = catalog
        self.kit = kit
        self.clock = kit.clock
        self.database = Database(settings.database.url.get_secret_value(), settings.database.schema_name)
        kit.redactor.learn(self.database.url.password)
        self.store = SqlStore(self.database, kit.clock.now, kit.given_up)
        self.procore = Procore(settings.procore, self.database, kit, transport)
        self.access = Access(configuration, self.procore, self.database, self.store, kit)
        self._parts = Parts(configuration, catalog, self.database, self.procore, self.access, self.clock)
        self._helpers = Helpers(useful())

    @cached_property
    def preview(self) -> Preview:
        """What jobs may see and will cost; imported where it is asked for, so that a run starts quickly."""
        from syncd.app.preview import Preview

        return Preview(self._parts)

    @cached_property
    def views(self) -> Views:
        """What an operator sees; imported where it is asked for, so that a run starts quickly."""
        from syncd.app.views import Views

        return Views(self._parts)

    def prepare(self) -> None:
        """Make sure that the database is there and at the program's revision; an empty one is set up.

        Raises:
            SchemaMismatch: It is behind or ahead.
            StoreError: It cannot be reached or written.
        """
        migrate.verify(self.database)

    def rest(self) -> None:
        """Give back what runs make anew when they need it: tables, statements, and the database's connections."""
        self.store.rest()
        self.database.rest()

    def close(self) -> None:
        """Hand on what is counted, and close connections."""
        try:
            self.procore.close()
        finally:
            self.database.close()

    def check_request(self, jobs: Sequence[str], request: Request) -> None:
        """Make sure that a run can be asked for.

        Raises:
            ConfigError: A job or resource that does not exist, or that the job does not have.
        """
        for name in jobs:
            job = self.configuration.job(name)
            wishes = getattr(job.options, "resources", None)
            if request.only and wishes is None:
                raise ConfigError(f"Job {name} is of type {job.type}, which has no resources.", "Leave --resource out.")
            for resource in request.only:
                known = self.catalog[resource].name
                if known not in self.catalog.select(wishes or ()):
                    raise ConfigError(f"Job {name} does not sync {resource}.", f"Add it to resources in {job.path}.")

    def run_job(
        self,
        name: str,
        request: Request,
        *,
        trigger: str,
        due_at: datetime | None = None,
        progress: Progress | None = None,
    ) -> RunReport:
        """Execute a job once; how it ended is in the report.

        Raises:
            JobBusy: Another process runs it.
            StoreError: The run could not be recorded.
        """
        job, watched = self.configuration.job(name), progress or Silent()
        principal, now = Principal(job.as_user), self.clock.now()
        record = RunRecord(_run_id(now), name, job.type, str(principal), trigger, due_at, now)
        source = self.access.source(principal, watched)
        waited = self.procore.pacer.waited

        def work(lease: Lease, opened: RunRecord) -> RunReport:
            context = JobContext(
                options=job.options,
                company=job.company,
                source=source,
                store=self.store,
                state=JobState(self.database, name),
                catalog=self.catalog,
                resource_names=frozenset(self.catalog.names()),
                record=opened,
                lease=lease,
                request=request,
                clock=self.clock,
                progress=watched,
                log=_log.bind(run_id=record.id, job=name),
                pseudonym_key=self.access.keyring.pseudonym_key,
                assistance=self._helpers,
            )
            report = self.kit.registry.make(job.type).run(context)
            return replace(report, quota_wait=round(self.procore.pacer.waited - waited, 1))

        renewer = Renewer(lambda: self.access.managers().values())
        renewer.start()
        try:
            return recorded(self.store, record, self.clock, work, may_resume=request.is_plain)
        finally:
            renewer.stop()
            self.procore.flush()

    @property
    def workers(self) -> int:
        """How many jobs run side by side."""
        return self.configuration.settings.workers

    def schedules(self) -> Mapping[str, Schedule]:
        """Of the jobs that have one."""
        return {job.name: job.schedule for job in self.configuration.jobs.values() if job.schedule is not None}

    def pasts(self, jobs: Sequence[str]) -> Mapping[str, Past]:
        """What the ledger says of these jobs; those that have not been due yet are absent."""
        from syncd.storage.timetable import Timetable

        return Timetable(self.database, self.clock.now).pasts(jobs)

    def skip_run(self, name: str, due_at: datetime, reason: str) -> None:
        """Record that a due run did not take place, and why."""
        job, now = self.configuration.job(name), self.clock.now()
        principal = str(Principal(job.as_user))
        Ledger(self.database, self.clock.now).skip_run(
            RunRecord(_run_id(now), name, job.type, principal, "schedule", due_at, now), reason
        )


def _run_id(now: datetime) -> str:
    """Sortable by time, unique."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
