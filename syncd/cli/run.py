"""`syncd run`: the daemon."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from syncd.cli.invocation import Invocation

if TYPE_CHECKING:
    from syncd.app import App
    from syncd.auth.secret import Redactor
    from syncd.clock import SystemClock
    from syncd.daemon.alerts import Target
    from syncd.daemon.service import Duty, Health, Opened, Server


def run(context: typer.Context) -> None:
    """Schedule every job until SIGTERM; SIGHUP reads the configuration again.

    A second SIGTERM ends it at once. Exit codes: 0 asked to stop, 1 failed, 2 configuration.
    """
    from syncd.auth.secret import Redactor
    from syncd.clock import SystemClock
    from syncd.daemon.sdnotify import Notifier
    from syncd.daemon.service import Service
    from syncd.memory import share_heaps

    share_heaps()
    invocation = Invocation.of(context)
    clock = SystemClock(threading.Event())
    redactor = Redactor()
    given_up: set[str] = set()

    def load(health: Health) -> Opened:
        return _opened(invocation, clock, redactor, given_up, health)

    code = Service(load, clock, Notifier(invocation.environ)).run()
    raise typer.Exit(code)


def _opened(
    invocation: Invocation,
    clock: SystemClock,
    redactor: Redactor,
    given_up: set[str],
    health: Health,
) -> Opened:
    from syncd.app import App, Kit, read_configuration
    from syncd.daemon.service import Opened
    from syncd.jobs.registry import Registry

    registry = Registry.installed()
    configuration, catalog = read_configuration(invocation.configuration_file(), invocation.environ, registry)
    invocation.start_logging(configuration.settings.log, redactor)
    app = App(configuration, catalog, Kit(clock, redactor, registry, given_up))
    listen = configuration.settings.http.listen
    duties = _duties(app, invocation, health)
    return Opened(app, duties, server=_server(app, health), address=str(listen) if listen else "")


def _server(app: App, health: Health) -> Server | None:
    listen = app.configuration.settings.http.listen
    if listen is None:
        return None
    from syncd.daemon.http import StatusServer

    return StatusServer(listen.host, listen.port, app.views, health.ready)


def _duties(app: App, invocation: Invocation, health: Health) -> Sequence[Duty]:
    from syncd.daemon.alerts import Alerts
    from syncd.daemon.upkeep import Upkeep
    from syncd.storage.incidents import Incidents
    from syncd.storage.state import JobState

    retention = app.configuration.settings.retention
    upkeep = Upkeep(app.database, JobState(app.database, "syncd upkeep"), retention)
    targets = list(_targets(app, invocation))
    if not targets:
        return [upkeep]
    jobs, watched = app.configuration.jobs, {resource for resource, _ in app.views.stale_after()}
    alerts = Alerts(Incidents(app.database), targets, lambda: _overdue(app), jobs, watched, health.outage)
    return [alerts, upkeep]


def _targets(app: App, invocation: Invocation) -> Iterator[Target]:
    from syncd.daemon.alerts import Apprise, Command

    for alert in app.configuration.settings.alerts:
        if alert.command is not None:
            yield Command(alert.command, alert.on, alert.timeout.total_seconds(), invocation.environ)
        elif alert.apprise is not None:
            yield Apprise(alert.apprise.get_secret_value(), alert.on)


def _overdue(app: App) -> Sequence[tuple[str, str, str]]:
    """Tables that are older than their jobs allow."""
    from syncd.jobs.durations import format_duration

    if not app.views.stale_after():
        return []
    seen = app.views.overview()
    limits = seen.stale_after
    return [
        (
            table.resource,
            f"Table {table.resource} is older than the {format_duration(limits[table.resource, table.principal])} that its job allows.",
            "See how the runs of its job ended: syncd status.",
        )
        for table in seen.tables
        if seen.is_stale(table)
    ]
