"""What a job may see and what it will cost, found out before it runs: Procore is asked, and no row is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syncd.api.counting import requests_of
from syncd.app.kit import Silent
from syncd.app.parts import Parts
from syncd.auth.grants import TokenEndpointUnavailable
from syncd.config.fields import unknown_fields
from syncd.engine.allowance import Demand
from syncd.engine.forecast import forecast
from syncd.engine.probe import Finding, Probe
from syncd.engine.survey import Survey
from syncd.errors import ConfigError, SyncdError
from syncd.jobs.protocol import Request
from syncd.jobs.resources import engine_options
from syncd.jobs.resources_options import ResourcesOptions
from syncd.model import Principal
from syncd.planning import JobPlan, Plan, PlannedTable, plan_of
from syncd.storage.existing import existing_columns
from syncd.storage.layouts import check_tables
from syncd.storage.schema import tables_of

_CHECK_PATIENCE = 5.0
"""Seconds that `check` waits for a token endpoint in trouble."""


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


class Preview:
    """Asks Procore before a job runs.

    Args:
        parts: Of the program.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def check(self, name: str) -> JobCheck:
        """Find out what a job may see, with one small request per resource; writes no rows."""
        job = self._parts.configuration.job(name)
        principal = Principal(job.as_user)
        findings: list[Finding] = []
        doubts: list[str] = []
        error: SyncdError | None = None
        if isinstance(job.options, ResourcesOptions):
            doubts = unknown_fields(job.options, self._parts.catalog)
        try:
            self._parts.access.manager(principal).token(_CHECK_PATIENCE)
            if isinstance(job.options, ResourcesOptions):
                source = self._parts.access.source(principal, Silent())
                options = engine_options(job.options, job.company, self._parts.catalog, Request(interactive=True), b"")
                with self._parts.database.read() as connection:
                    check_tables(connection, options.resources)
                probe = Probe(source, self._parts.catalog, options, str(principal))
                findings.extend(probe.findings(self._parts.clock.now))
        except TokenEndpointUnavailable as caught:
            error = SyncdError(caught.message, "Check the network, and procore.environment.")
        except SyncdError as caught:
            error = caught
        finally:
            self._parts.procore.ledger.flush()
        refused = any(finding.permitted is False for finding in findings)
        code = error.exit_code if error else 3 if refused else 0
        return JobCheck(name, str(principal), tuple(findings), str(error) if error else None, code, tuple(doubts))

    def plan(self, names: Sequence[str]) -> Plan:
        """What jobs will cost: Procore is asked how much there is, and nothing is written.

        Raises:
            ConfigError: A job does not exist, or is of a type whose costs nobody knows.
            SyncdError: Procore cannot be asked.
        """
        watch = self._parts.clock.monotonic()
        try:
            jobs = [self._planned(name) for name in names]
        finally:
            self._parts.procore.ledger.flush()
        speed = sum(job.asked for job in jobs) / max(self._parts.clock.monotonic() - watch, 0.001)
        limits = {window.name: window.limit for window in self._parts.procore.pacer.windows()}
        return plan_of(jobs, limits, self._parts.configuration.settings.procore.quota_share, speed)

    def _planned(self, name: str) -> JobPlan:
        job = self._parts.configuration.job(name)
        if not isinstance(job.options, ResourcesOptions):
            raise ConfigError(
                f"Job {name} is of type {job.type}, whose costs syncd does not know.", "Name jobs of type resources."
            )
        principal = Principal(job.as_user)
        options = engine_options(job.options, job.company, self._parts.catalog, Request(interactive=True), b"")
        source = self._parts.access.source(principal, Silent())
        survey = Survey(source, self._parts.catalog, options, str(principal), requests_of, self._parts.clock.now())
        found = forecast(survey, self._parts.catalog, options, lambda: source.requests, self._parts.clock.stopping)
        every = None if job.schedule is None else job.schedule.typical_interval(self._parts.clock.now())
        refresh, find_deleted = options.full_refresh.total_seconds(), options.find_deleted.total_seconds()
        return JobPlan(
            job=name,
            principal=str(principal),
            schedule="" if job.schedule is None else job.schedule.words,
            forecast=found,
            demand=Demand(found.costs, every.total_seconds(), refresh, find_deleted) if every else None,
            tables=tuple(self._planned_tables([one.resource for one in found.resources])),
            asked=source.requests,
        )

    def _planned_tables(self, resources: Sequence[str]) -> Iterator[PlannedTable]:
        with self._parts.database.read() as connection:
            for resource in resources:
                planned = tables_of(self._parts.catalog.layout(resource))
                made_of = (planned.root, *planned.children.values())
                have = existing_columns(connection, [made.name for made in made_of])
                for made in made_of:
                    columns = tuple(column.name for column in made.columns)
                    new = tuple(column for column in columns if column not in have.get(made.name, ()))
                    yield PlannedTable(made.name, resource, columns, new)
