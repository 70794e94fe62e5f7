"""The daemon's numbers for Prometheus: read from the database when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from syncd import __version__
from syncd.errors import SyncdError
from syncd.overview import Overview, Totals, View

_log = structlog.get_logger(__name__)

Labels = tuple[str, ...]

_LONGEST_RUN = timedelta(days=2)
"""A run that was under way when counting began is counted when it ends, if it began no longer ago than that."""


class Growing:
    """A sum out of the ledgers, made into a counter: what was there at first is 0, and pruning does not take from it."""

    def __init__(self) -> None:
        self._seen: dict[Labels, float] = {}
        self._counted: dict[Labels, float] = {}

    def first(self, sums: Mapping[Labels, float]) -> None:
        """What is there before anything is counted."""
        self._seen = dict(sums)
        self._counted = dict.fromkeys(sums, 0.0)

    def counted(self, sums: Mapping[Labels, float]) -> Mapping[Labels, float]:
        """What has been added since the first time."""
        for labels, total in sums.items():
            added = max(0.0, total - self._seen.get(labels, 0.0))
            self._counted[labels] = self._counted.get(labels, 0.0) + added
        self._seen = dict(sums)
        return self._counted


class Metrics(Collector):
    """All of the daemon's metrics, in a registry of their own.

    Args:
        view: What is measured.
    """

    kind = CONTENT_TYPE_LATEST

    def __init__(self, view: View) -> None:
        self._view = view
        self._runs, self._rows, self._requests = Growing(), Growing(), Growing()
        self._since: datetime | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

    def begin(self) -> None:
        """Count from here. Where the database is away, from the first time that it answers."""
        try:
            self._totals(self._view.overview().now)
        except SyncdError as error:
            _log.debug("nothing to count from yet", why=str(error))

    def _totals(self, now: datetime) -> Totals:
        if self._since is not None:
            return self._view.totals(self._since)
        since = now - _LONGEST_RUN
        totals = self._view.totals(since)
        self._since = since
        self._runs.first(totals.runs)
        self._rows.first(totals.rows)
        self._requests.first(totals.requests)
        return totals

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are known when they are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric; `syncd_up` alone where the database does not answer."""
        yield _gauge("syncd_build_info", "The program.", {(__version__,): 1.0}, ["version"])
        try:
            overview = self._view.overview()
            totals = self._totals(overview.now)
        except SyncdError as error:
            _log.warning("the database could not be read for metrics", why=str(error))
            yield _gauge("syncd_up", "Whether the database could be read.", {(): 0.0})
            return
        yield _gauge("syncd_up", "Whether the database could be read.", {(): 1.0})
        yield from self._counters(totals)
        yield from _jobs(overview)
        yield from _tables(overview)
        yield from _api(overview)

    def _counters(self, totals: Totals) -> Iterator[Metric]:
        yield _counter(
            "syncd_runs", "Runs that ended, by any process.", self._runs.counted(totals.runs), ["job", "status"]
        )
        yield _counter("syncd_rows", "Records of runs that ended.", self._rows.counted(totals.rows), ["job", "outcome"])
        yield _counter(
            "syncd_requests",
            "Requests to Procore; status 0: no answer came.",
            self._requests.counted(totals.requests),
            ["status"],
        )


def _jobs(overview: Overview) -> Iterator[Metric]:
    now = overview.now
    last = {(job.name,): job.last for job in overview.jobs if job.last is not None}
    yield _gauge(
        "syncd_job_last_run_timestamp_seconds",
        "When the job's last run began.",
        {name: run.started_at.timestamp() for name, run in last.items()},
        ["job"],
    )
    yield _gauge(
        "syncd_job_last_run_ok",
        "Whether the job's last run that ended went well.",
        {name: float(run.status == "ok") for name, run in last.items() if run.status != "running"},
        ["job"],
    )
    yield _gauge(
        "syncd_job_next_run_timestamp_seconds",
        "When the job is due.",
        {(job.name,): job.next.timestamp() for job in overview.jobs if job.next is not None},
        ["job"],
    )
    running = sum(job.running for job in overview.jobs)
    due = sum(job.next is not None and job.next <= now and not job.running for job in overview.jobs)
    yield _gauge(
        "syncd_jobs", "Jobs that run now, and that are due but wait.", {("running",): running, ("due",): due}, ["state"]
    )


def _tables(overview: Overview) -> Iterator[Metric]:
    now = overview.now
    tables = {(table.resource, table.principal): table for table in overview.tables}
    names = ["resource", "principal"]
    yield _gauge(
        "syncd_table_age_seconds",
        "Since the part of the table that was read longest ago was proved complete; absent while one never was.",
        {key: (now - table.oldest).total_seconds() for key, table in tables.items() if table.oldest is not None},
        names,
    )
    yield _gauge(
        "syncd_table_complete",
        "Whether all parts of the table have been read.",
        {key: float(table.oldest is not None) for key, table in tables.items()},
        names,
    )
    yield _gauge(
        "syncd_table_stale_after_seconds",
        "The job's freshness.",
        {key: limit.total_seconds() for key, limit in overview.stale_after.items()},
        names,
    )
    yield _gauge("syncd_table_rows", "Records of the table.", {key: table.rows for key, table in tables.items()}, names)
    yield _gauge(
        "syncd_table_doubtful_partitions",
        "Parts whose last listing was not complete or not believed.",
        {key: table.doubtful for key, table in tables.items()},
        names,
    )


def _api(overview: Overview) -> Iterator[Metric]:
    windows = {(window.name,): window for window in overview.quota}
    yield _gauge(
        "syncd_quota_limit",
        "Requests that Procore allows in a window.",
        {name: window.limit for name, window in windows.items()},
        ["window"],
    )
    yield _gauge(
        "syncd_quota_remaining",
        "Requests that are left in a window.",
        {
            name: window.limit if window.resets_at <= overview.now else window.remaining
            for name, window in windows.items()
        },
        ["window"],
    )
    yield _gauge("syncd_quota_share", "Part of the allowance that syncd may use.", {(): overview.quota_share})
    yield _gauge(
        "syncd_token_expires_in_seconds",
        "How long the access token in hand lives; absent where there is none.",
        {(token.principal,): token.expires_in for token in overview.tokens if token.expires_in is not None},
        ["principal"],
    )
    yield _gauge(
        "syncd_token_ok",
        "Whether a token can be had.",
        {(token.principal,): float(token.state == "ok") for token in overview.tokens},
        ["principal"],
    )
    yield _gauge("syncd_refusals", "Refusals that are remembered.", {(): len(overview.refusals)})
    yield _gauge("syncd_rejects", "Records that could not be stored, kept in syncd_rejects.", {(): overview.rejects})


def _gauge(name: str, meaning: str, values: Mapping[Any, float], labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=list(labels))
    for key, value in values.items():
        family.add_metric(list(key), float(value))
    return family


def _counter(name: str, meaning: str, values: Mapping[Labels, float], labels: Iterable[str]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=list(labels))
    for key, value in values.items():
        family.add_metric(list(key), value)
    return family
