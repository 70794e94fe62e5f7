"""What an operator sees of jobs, tables, tokens and quota, put together from what the database tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, inspect, select, table

from syncd.app.parts import Parts
from syncd.config.settings import Job
from syncd.daemon.due import upcoming
from syncd.jobs.resources_options import ResourcesOptions
from syncd.model import Principal
from syncd.overview import HISTORY, History, JobView, Overview, QuotaView, TokenView, Totals
from syncd.storage.reports import Reports, RequestHour, RunRow
from syncd.storage.timetable import Timetable


class Views:
    """Looks at what there is; asks Procore nothing.

    Args:
        parts: Of the program.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def overview(self) -> Overview:
        """What an operator sees at a glance."""
        now = self._parts.clock.now()
        reports = Reports(self._parts.database)
        last = reports.last_runs(self._parts.configuration.jobs)
        jobs = [
            JobView(
                name=job.name,
                type=job.type,
                principal=str(Principal(job.as_user)),
                schedule="" if job.schedule is None else job.schedule.words,
                last=last.get(job.name),
                next=self._next_run(job, last.get(job.name), now),
            )
            for job in self._parts.configuration.jobs.values()
        ]
        quota = [
            QuotaView(
                window.name,
                window.limit,
                window.remaining,
                max(0, window.available(self._parts.configuration.settings.procore.quota_share)),
                datetime.fromtimestamp(window.reset, UTC),
            )
            for window in self._parts.procore.pacer.windows()
        ]
        return Overview(
            now=now,
            jobs=jobs,
            tables=reports.freshness(self._parts.configuration.jobs),
            tokens=self._token_views(),
            quota=quota,
            quota_share=self._parts.configuration.settings.procore.quota_share,
            refusals=reports.refusals(),
            rejects=reports.rejects(),
            observations=_observations(reports.requests_since(self._parts.procore.client_digest, now - HISTORY)),
            stale_after=self.stale_after(),
        )

    def _token_views(self) -> list[TokenView]:
        """Tokens of every job's principal, and of every user who has signed in."""
        failing = {one.principal: one for one in self._parts.access.failures.all()}
        users = {str(Principal(one.label)): one for one in self._parts.access.tokens.all()}
        principals = {
            str(one): one for one in (Principal(job.as_user) for job in self._parts.configuration.jobs.values())
        }
        principals |= {name: Principal(one.label) for name, one in users.items()}
        held = {str(principal): manager.ends_in for principal, manager in self._parts.access.managers().items()}
        views = []
        for name, principal in principals.items():
            state, detail = "ok", ""
            if name in users:
                state, detail = self._parts.access.state_of(users[name])
            elif principal.user is not None:
                state = "consent needed"
                detail = f"Nothing is stored. Let the user sign in: syncd auth login {principal.user}"
            if state == "ok" and name in failing:
                state, detail = "failing", f"{failing[name].error} since {failing[name].since:%Y-%m-%d %H:%M} UTC"
            views.append(TokenView(name, state, detail, held.get(name)))
        return views

    def history(self) -> History:
        """What happened in the last days."""
        jobs, reports = self._parts.configuration.jobs, Reports(self._parts.database)
        since = (self._parts.clock.now() - HISTORY + timedelta(days=1)).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return History(
            since=since,
            days=reports.run_days(jobs, since),
            errors=reports.recent_errors(jobs, since, limit=200),
            requests=reports.requests_since(self._parts.procore.client_digest, since),
        )

    def totals(self, since: datetime) -> Totals:
        """Sums of what the ledgers hold of the time since then."""
        reports = Reports(self._parts.database)
        runs, rows = reports.run_totals(self._parts.configuration.jobs, since)
        requests: dict[tuple[str, ...], float] = {}
        for one in reports.requests_since(self._parts.procore.client_digest, since):
            requests[str(one.status),] = requests.get((str(one.status),), 0.0) + one.count
        return Totals(runs, rows, requests)

    def stale_after(self) -> dict[tuple[str, str], timedelta]:
        """By resource and principal, the least age at which a job calls a table stale."""
        limits: dict[tuple[str, str], timedelta] = {}
        for job in self._parts.configuration.jobs.values():
            if job.freshness is None or not isinstance(job.options, ResourcesOptions):
                continue
            for resource in self._parts.catalog.select(job.options.resources):
                key = (resource, str(Principal(job.as_user)))
                limits[key] = min(job.freshness, limits.get(key, job.freshness))
        return limits

    def _next_run(self, job: Job, last: RunRow | None, now: datetime) -> datetime | None:
        """When a job is due, or None where it runs only when asked."""
        if job.schedule is None:
            return None
        past = Timetable(self._parts.database, self._parts.clock.now).pasts([job.name]).get(job.name)
        running = last is not None and last.status == "running"
        if running and past is not None and past.status == "running":
            past = replace(past, status="ok")
        wanted = upcoming(job.schedule, job.name, past, now, now)
        return None if wanted is None else max(wanted.start, now)

    def table_counts(self) -> dict[str, int]:
        """Rows of every synced table, child tables included."""
        with self._parts.database.read() as connection:
            names = [name for name in inspect(connection).get_table_names() if not name.startswith("syncd_")]
            return {
                name: int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())
                for name in names
            }


def _observations(requests: Sequence[RequestHour]) -> dict[str, int]:
    """Procore's seven observations of an app, counted."""
    named = {"403": 403, "404": 404, "429": 429, "401": 401}
    counts = {name: sum(one.count for one in requests if one.status == status) for name, status in named.items()}
    kinds = {"missing company": "missing_company", "deprecated": "deprecated", "private": "private"}
    return counts | {
        name: sum(one.count for one in requests if one.observation == kind) for name, kind in kinds.items()
    }
