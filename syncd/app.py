"""The composition root: the only place that constructs things."""

from __future__ import annotations

import difflib
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import func, inspect, select, table

from syncd.api import httpx
from syncd.api.circuit import Circuit
from syncd.api.client import Client
from syncd.api.counting import requests_of
from syncd.api.pacer import Pacer
from syncd.api.proxy import proxy_for
from syncd.api.quota import quota_of
from syncd.api.requests import RequestLedger
from syncd.api.source import Api
from syncd.auth import grants as oauth
from syncd.auth.accounts import Accounts
from syncd.auth.bearer import Bearer
from syncd.auth.grants import Grants, TokenEndpointUnavailable
from syncd.auth.keyring import Keyring
from syncd.auth.manager import Supply, TokenManager
from syncd.auth.ports import StoredToken
from syncd.auth.renewer import Renewer
from syncd.auth.secret import Redactor, Secret
from syncd.auth.service import ServiceSupply
from syncd.auth.users import UserSupply
from syncd.catalog.load import Catalog
from syncd.config.fields import needed_fields, unknown_fields
from syncd.config.load import Configuration, load_configuration, unknown_resources
from syncd.config.settings import Job
from syncd.engine.ports import Clock, Progress
from syncd.engine.record import recorded
from syncd.errors import ConfigError, SyncdError, VaultError
from syncd.helpers.pool import Helpers, useful
from syncd.jobs.durations import format_duration
from syncd.jobs.protocol import JobContext, Request
from syncd.jobs.registry import Registry
from syncd.jobs.resources import engine_options
from syncd.jobs.resources_options import ResourcesOptions
from syncd.model import Counts, Partition, Principal, RunRecord, RunReport
from syncd.storage import migrate
from syncd.storage.database import Database
from syncd.storage.layouts import check_tables
from syncd.storage.ledger import Ledger
from syncd.storage.quota import SqlQuota, SqlRequests
from syncd.storage.schema import tables_of
from syncd.storage.state import JobState, TokenFailures
from syncd.storage.store import SqlStore
from syncd.storage.tokens import SqlTokens

if TYPE_CHECKING:
    from syncd.daemon.due import Schedule
    from syncd.engine.probe import Finding
    from syncd.overview import History, Overview, TokenView, Totals
    from syncd.planning import JobPlan, Plan, PlannedTable
    from syncd.storage.reports import RequestHour, RunRow
    from syncd.storage.timetable import Past

_log = structlog.get_logger(__name__)

_CHECK_PATIENCE = 5.0
"""Seconds that `check` waits for a token endpoint in trouble."""
_CONNECTIONS = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=60.0)


class Silent:
    """Progress that nobody watches."""

    def planned(self, resource: str, partitions: int) -> None:
        """So many partitions of a resource are to be read."""

    def page(self, partition: Partition, records: int) -> None:
        """A page arrived."""

    def done(self, partition: Partition, counts: Counts) -> None:
        """A partition was finished."""

    def waiting(self, seconds: float, why: str) -> None:
        """The run waits."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What does not change when the configuration is read again.

    Attributes:
        clock: Time.
        redactor: Knows the secrets.
        registry: Job types.
        given_up: Leases that were given up while the database was away, by their owners.
    """

    clock: Clock
    redactor: Redactor
    registry: Registry
    given_up: set[str] = field(default_factory=set)


def read_configuration(path: Path, environ: Mapping[str, str], registry: Registry) -> tuple[Configuration, Catalog]:
    """The configuration, valid as a whole, and the catalog that it names.

    Raises:
        ConfigError: Everything that is wrong with any of the files.
    """
    broken = {one.name: f"{one.origin} cannot be loaded: {one.reason}" for one in registry.broken}
    catalogs: list[Catalog] = []

    def unknown(read: Configuration) -> list[str]:
        try:
            catalogs.append(Catalog(read.settings.resources_dir))
        except ConfigError as error:
            return [str(error)]
        return unknown_resources(read, catalogs[0].select) or needed_fields(read, catalogs[0])

    configuration = load_configuration(path, environ, registry.option_models(), broken, unknown)
    return configuration, catalogs[0]


@dataclass(frozen=True, slots=True)
class JobCheck:
    """What `check` found of one job.

    Attributes:
        job: Its name.
        principal: Whom it acts for.
        findings: One per resource.
        error: Why it could not be asked at all, or None.
        exit_code: What it makes the command end with.
        doubts: What may be wrong with its file, a sentence each.
    """

    job: str
    principal: str
    findings: tuple[Finding, ...]
    error: str | None
    exit_code: int
    doubts: tuple[str, ...] = ()


class App:
    """The program, put together for one configuration.

    Args:
        configuration: Valid.
        catalog: The catalog that it names.
        kit: What does not change with the configuration.
        transport: The way to Procore; None: the network.
    """

    def __init__(
        self, configuration: Configuration, catalog: Catalog, kit: Kit, transport: httpx.BaseTransport | None = None
    ) -> None:
        settings = configuration.settings
        procore = settings.procore
        self.configuration = configuration
        self.catalog = catalog
        self.kit = kit
        self.clock = kit.clock
        url = settings.database.url.get_secret_value()
        self.database = Database(url, settings.database.schema_name)
        kit.redactor.learn(self.database.url.password)
        self.store = SqlStore(self.database, kit.clock.now, kit.given_up)
        authorities = httpx.create_ssl_context()
        self._transport = transport or httpx.HTTPTransport(
            verify=authorities, limits=_CONNECTIONS, proxy=proxy_for(procore.api_url, os.environ)
        )
        self._http = httpx.Client(verify=authorities, transport=transport, follow_redirects=False)
        secret = Secret(procore.client_secret.get_secret_value())
        app = oauth.App(procore.login_url, procore.client_id, secret, procore.redirect_uri)
        self.grants = Grants(self._http, app, kit.redactor)
        key = settings.vault.key
        given = None if key is None else Secret(key.get_secret_value())
        self.keyring = Keyring(given, settings.vault.key_file, kit.redactor)
        self.tokens = SqlTokens(self.database, procore.login_url, procore.client_id, procore.redirect_uri, StoredToken)
        self.failures = TokenFailures(self.database, kit.clock.now)
        self.client_digest = hashlib.sha256(f"{procore.login_url} {procore.client_id}".encode()).hexdigest()
        quota = SqlQuota(self.database, self.client_digest, quota_of, kit.clock.now)
        self.pacer = Pacer(quota, kit.clock, procore.quota_share)
        self.ledger = RequestLedger(SqlRequests(self.database, self.client_digest), kit.clock)
        self._circuit = Circuit(kit.clock)
        self._helpers = Helpers(useful())
        self._lock = threading.Lock()
        self._managers: dict[Principal, TokenManager] = {}

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
            self.ledger.flush()
            self.pacer.flush()
        finally:
            self._http.close()
            self._transport.close()
            self.database.close()

    def job(self, name: str) -> Job:
        """The job of this name.

        Raises:
            ConfigError: There is none; the nearest is suggested.
        """
        jobs = self.configuration.jobs
        if name not in jobs:
            near = difflib.get_close_matches(name, jobs, n=1)
            known = f"Known: {', '.join(jobs)}." if jobs else f"{self.configuration.path} names no job files."
            raise ConfigError(f"There is no job {name}.", f"Did you mean {near[0]}?" if near else known)
        return jobs[name]

    def manager(self, principal: Principal) -> TokenManager:
        """The token manager of a principal, shared by all its jobs."""
        with self._lock:
            if principal not in self._managers:
                supply = self._supply(principal)
                self._managers[principal] = TokenManager(str(principal), supply, self.clock, self.failures)
            return self._managers[principal]

    def _supply(self, principal: Principal) -> Supply:
        if principal.user is None:
            return ServiceSupply(self.grants)
        return UserSupply(principal.user, self.grants, self.tokens, self.keyring.vault, self.store, self.clock)

    def accounts(self) -> Accounts:
        """The users who have signed in."""
        return Accounts(self.grants, self.tokens, self.keyring.vault, self.store, self.failures, self.clock)

    def identify(self, label: str, company: int | None = None) -> tuple[str | None, str | None]:
        """Ask Procore who a user is, and remember it.

        Args:
            label: The user's.
            company: Named in the request; None: that of a job for this user, or of any job.

        Returns:
            The user's login, and why it could not be asked: one of them is None.
        """
        jobs = sorted(self.configuration.jobs.values(), key=lambda job: job.as_user != label)
        company = company or next((job.company for job in jobs), None)
        if company is None:
            return None, "No job names a company; give one with --company."
        try:
            answer = self.source(Principal(label), Silent()).get(company, "/rest/v1.0/me")
        except SyncdError as error:
            return None, error.message
        finally:
            self.ledger.flush()
        login = answer.get("login") if isinstance(answer, dict) else None
        if not isinstance(login, str):
            return None, "Procore's answer does not say."
        number = answer.get("id")
        self.tokens.identify(label, login[:200], number if isinstance(number, int) else None, company)
        return login[:200], None

    def state_of(self, user: StoredToken) -> tuple[str, str]:
        """What state a stored user is in, and what to do about it."""
        again = f"Let the user sign in: syncd auth login {user.label}"
        if user.state != "ok":
            return user.state, f"{user.reason}. {again}"
        try:
            self.keyring.vault().open(user.sealed)
        except VaultError as error:
            return "sealed", str(error)
        return "ok", ""

    def managers(self) -> Mapping[Principal, TokenManager]:
        """Those made so far."""
        with self._lock:
            return dict(self._managers)

    def source(self, principal: Principal, progress: Progress) -> Api:
        """The API as a principal sees it, for one run: it counts its own requests."""
        api_url = self.configuration.settings.procore.api_url
        manager = self.manager(principal)
        auth = Bearer(manager, api_url)
        client = Client(
            self._transport, api_url, auth, self.pacer, self.ledger, self._circuit, self.clock, ready=manager.token
        )
        return Api(client, progress.waiting)

    def check_request(self, jobs: Sequence[str], request: Request) -> None:
        """Make sure that a run can be asked for.

        Raises:
            ConfigError: A job or resource that does not exist, or that the job does not have.
        """
        for name in jobs:
            job = self.job(name)
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
        job = self.job(name)
        principal = Principal(job.as_user)
        now = self.clock.now()
        run_id = _run_id(now)
        record = RunRecord(run_id, name, job.type, str(principal), trigger, due_at, now)
        watched = progress or Silent()
        source = self.source(principal, watched)
        waited = self.pacer.waited
        renewer = Renewer(lambda: self.managers().values())
        renewer.start()
        try:
            report = recorded(
                self.store,
                record,
                self.clock,
                lambda lease, opened: self._waiting_told(
                    waited,
                    self.kit.registry.make(job.type).run,
                    JobContext(
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
                        log=_log.bind(run_id=run_id, job=name),
                        pseudonym_key=self.keyring.pseudonym_key,
                        assistance=self._helpers,
                    ),
                ),
                may_resume=request.is_plain,
            )
        finally:
            renewer.stop()
            self.ledger.flush()
            self.pacer.flush()
        return report

    def _waiting_told(self, waited: float, work: Callable[[JobContext], RunReport], context: JobContext) -> RunReport:
        """Do the work of a job; its report says how long it waited for quota."""
        return replace(work(context), quota_wait=round(self.pacer.waited - waited, 1))

    def check_job(self, name: str) -> JobCheck:
        """Find out what a job may see, with one small request per resource; writes no rows."""
        from syncd.engine.probe import Probe

        job = self.job(name)
        principal = Principal(job.as_user)
        findings: list[Finding] = []
        doubts: list[str] = []
        error: SyncdError | None = None
        if isinstance(job.options, ResourcesOptions):
            doubts = unknown_fields(job.options, self.catalog)
        try:
            self.manager(principal).token(_CHECK_PATIENCE)
            if isinstance(job.options, ResourcesOptions):
                source = self.source(principal, Silent())
                options = engine_options(job.options, job.company, self.catalog, Request(interactive=True), b"")
                with self.database.read() as connection:
                    check_tables(connection, options.resources)
                probe = Probe(source, self.catalog, options, str(principal))
                findings.extend(probe.findings(self.clock.now))
        except TokenEndpointUnavailable as caught:
            error = SyncdError(caught.message, "Check the network, and procore.environment.")
        except SyncdError as caught:
            error = caught
        finally:
            self.ledger.flush()
        refused = any(finding.permitted is False for finding in findings)
        code = error.exit_code if error else 3 if refused else 0
        return JobCheck(name, str(principal), tuple(findings), str(error) if error else None, code, tuple(doubts))

    def plan(self, names: Sequence[str]) -> Plan:
        """What jobs will cost: Procore is asked how much there is, and nothing is written.

        Raises:
            ConfigError: A job does not exist, or is of a type whose costs nobody knows.
            SyncdError: Procore cannot be asked.
        """
        from syncd.planning import plan_of

        watch = self.clock.monotonic()
        try:
            jobs = [self._planned(name) for name in names]
        finally:
            self.ledger.flush()
        speed = sum(job.asked for job in jobs) / max(self.clock.monotonic() - watch, 0.001)
        limits = {window.name: window.limit for window in self.pacer.windows()}
        return plan_of(jobs, limits, self.configuration.settings.procore.quota_share, speed)

    def _planned(self, name: str) -> JobPlan:
        from syncd.engine.allowance import Demand
        from syncd.engine.forecast import forecast
        from syncd.engine.survey import Survey
        from syncd.planning import JobPlan

        job = self.job(name)
        if not isinstance(job.options, ResourcesOptions):
            raise ConfigError(
                f"Job {name} is of type {job.type}, whose costs syncd does not know.", "Name jobs of type resources."
            )
        principal = Principal(job.as_user)
        options = engine_options(job.options, job.company, self.catalog, Request(interactive=True), b"")
        source = self.source(principal, Silent())
        survey = Survey(source, self.catalog, options, str(principal), requests_of, self.clock.now())
        found = forecast(survey, self.catalog, options, lambda: source.requests, self.clock.stopping)
        every = None if job.schedule is None else job.schedule.typical_interval(self.clock.now())
        refresh, find_deleted = options.full_refresh.total_seconds(), options.find_deleted.total_seconds()
        return JobPlan(
            job=name,
            principal=str(principal),
            schedule=_schedule_words(job),
            forecast=found,
            demand=Demand(found.costs, every.total_seconds(), refresh, find_deleted) if every else None,
            tables=tuple(self._planned_tables([one.resource for one in found.resources])),
            asked=source.requests,
        )

    def _planned_tables(self, resources: Sequence[str]) -> Iterator[PlannedTable]:
        from syncd.planning import PlannedTable

        with self.database.read() as connection:
            inspector = inspect(connection)
            have = set(inspector.get_table_names())
            for resource in resources:
                planned = tables_of(self.catalog.layout(resource))
                for made in (planned.root, *planned.children.values()):
                    columns = tuple(column.name for column in made.columns)
                    old = {one["name"] for one in inspector.get_columns(made.name)} if made.name in have else set()
                    new = tuple(column for column in columns if column not in old)
                    yield PlannedTable(made.name, resource, columns, new)

    def overview(self) -> Overview:
        """What an operator sees at a glance."""
        from syncd.overview import HISTORY, JobView, Overview, QuotaView
        from syncd.storage.reports import Reports

        now = self.clock.now()
        reports = Reports(self.database)
        last = reports.last_runs(self.configuration.jobs)
        jobs = [
            JobView(
                name=job.name,
                type=job.type,
                principal=str(Principal(job.as_user)),
                schedule=_schedule_words(job),
                last=last.get(job.name),
                next=self.next_run(job, last.get(job.name), now),
            )
            for job in self.configuration.jobs.values()
        ]
        quota = [
            QuotaView(
                window.name,
                window.limit,
                window.remaining,
                max(0, window.available(self.configuration.settings.procore.quota_share)),
                datetime.fromtimestamp(window.reset, UTC),
            )
            for window in self.pacer.windows()
        ]
        return Overview(
            now=now,
            jobs=jobs,
            tables=reports.freshness(self.configuration.jobs),
            tokens=self._token_views(),
            quota=quota,
            quota_share=self.configuration.settings.procore.quota_share,
            refusals=reports.refusals(),
            rejects=reports.rejects(),
            observations=_observations(reports.requests_since(self.client_digest, now - HISTORY)),
            stale_after=self.stale_after(),
        )

    def _token_views(self) -> list[TokenView]:
        """Tokens of every job's principal, and of every user who has signed in."""
        from syncd.overview import TokenView

        failing = {one.principal: one for one in self.failures.all()}
        users = {str(Principal(one.label)): one for one in self.tokens.all()}
        principals = {str(one): one for one in (Principal(job.as_user) for job in self.configuration.jobs.values())}
        principals |= {name: Principal(one.label) for name, one in users.items()}
        held = {str(principal): manager.ends_in for principal, manager in self.managers().items()}
        views = []
        for name, principal in principals.items():
            state, detail = "ok", ""
            if name in users:
                state, detail = self.state_of(users[name])
            elif principal.user is not None:
                state = "consent needed"
                detail = f"Nothing is stored. Let the user sign in: syncd auth login {principal.user}"
            if state == "ok" and name in failing:
                state, detail = "failing", f"{failing[name].error} since {failing[name].since:%Y-%m-%d %H:%M} UTC"
            views.append(TokenView(name, state, detail, held.get(name)))
        return views

    def history(self) -> History:
        """What happened in the last days."""
        from syncd.overview import HISTORY, History
        from syncd.storage.reports import Reports

        jobs, reports = self.configuration.jobs, Reports(self.database)
        since = (self.clock.now() - HISTORY + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return History(
            since=since,
            days=reports.run_days(jobs, since),
            errors=reports.recent_errors(jobs, since, limit=200),
            requests=reports.requests_since(self.client_digest, since),
        )

    def totals(self, since: datetime) -> Totals:
        """Sums of what the ledgers hold of the time since then."""
        from syncd.overview import Totals
        from syncd.storage.reports import Reports

        reports = Reports(self.database)
        runs, rows = reports.run_totals(self.configuration.jobs, since)
        requests: dict[tuple[str, ...], float] = {}
        for one in reports.requests_since(self.client_digest, since):
            requests[str(one.status),] = requests.get((str(one.status),), 0.0) + one.count
        return Totals(runs, rows, requests)

    def stale_after(self) -> dict[tuple[str, str], timedelta]:
        """By resource and principal, the least age at which a job calls a table stale."""
        limits: dict[tuple[str, str], timedelta] = {}
        for job in self.configuration.jobs.values():
            if job.freshness is None or not isinstance(job.options, ResourcesOptions):
                continue
            for resource in self.catalog.select(job.options.resources):
                key = (resource, str(Principal(job.as_user)))
                limits[key] = min(job.freshness, limits.get(key, job.freshness))
        return limits

    def next_run(self, job: Job, last: RunRow | None, now: datetime) -> datetime | None:
        """When a job is due, or None where it runs only when asked."""
        from syncd.daemon.due import upcoming
        from syncd.storage.timetable import Timetable

        if job.schedule is None:
            return None
        past = Timetable(self.database, self.clock.now).pasts([job.name]).get(job.name)
        running = last is not None and last.status == "running"
        if running and past is not None and past.status == "running":
            past = replace(past, status="ok")
        wanted = upcoming(job.schedule, job.name, past, now, now)
        return None if wanted is None else max(wanted.start, now)

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
        job, now = self.job(name), self.clock.now()
        principal = str(Principal(job.as_user))
        Ledger(self.database, self.clock.now).skip_run(
            RunRecord(_run_id(now), name, job.type, principal, "schedule", due_at, now), reason
        )

    def table_counts(self) -> dict[str, int]:
        """Rows of every synced table, child tables included."""
        with self.database.read() as connection:
            names = [name for name in inspect(connection).get_table_names() if not name.startswith("syncd_")]
            return {
                name: int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())
                for name in names
            }


def _run_id(now: datetime) -> str:
    """Sortable by time, unique."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def _schedule_words(job: Job) -> str:
    schedule = job.schedule
    if schedule is None:
        return ""
    if schedule.every is not None:
        return f"every {format_duration(schedule.every)}"
    return f"{schedule.cron} {schedule.timezone}"


def _observations(requests: Sequence[RequestHour]) -> dict[str, int]:
    """Procore's seven observations of an app, counted."""
    named = {"403": 403, "404": 404, "429": 429, "401": 401}
    counts = {name: sum(one.count for one in requests if one.status == status) for name, status in named.items()}
    kinds = {"missing company": "missing_company", "deprecated": "deprecated", "private": "private"}
    return counts | {
        name: sum(one.count for one in requests if one.observation == kind) for name, kind in kinds.items()
    }
