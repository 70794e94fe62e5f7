"""`syncd run`: the daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from syncd.cli.invocation import Invocation

if TYPE_CHECKING:
    from syncd.app import App
    from syncd.auth.secret import Redactor
    from syncd.clock import SystemClock
    from syncd.daemon.service import Opened, Server


def run(context: typer.Context) -> None:
    """Schedule every job until SIGTERM; SIGHUP reads the configuration again.

    A second SIGTERM ends it at once. Exit codes: 0 asked to stop, 1 failed, 2 configuration.
    """
    from syncd.auth.secret import Redactor
    from syncd.clock import SystemClock
    from syncd.daemon.sdnotify import Notifier
    from syncd.daemon.service import Service

    invocation = Invocation.of(context)
    clock = SystemClock(threading.Event())
    redactor = Redactor()

    def load(ready: Callable[[], tuple[bool, str]]) -> Opened:
        return _opened(invocation, clock, redactor, ready)

    code = Service(load, clock, Notifier(invocation.environ)).run()
    raise typer.Exit(code)


def _opened(
    invocation: Invocation, clock: SystemClock, redactor: Redactor, ready: Callable[[], tuple[bool, str]]
) -> Opened:
    from syncd.app import App, Kit, read_configuration
    from syncd.daemon.service import Opened
    from syncd.jobs.registry import Registry

    registry = Registry.installed()
    configuration, catalog = read_configuration(invocation.configuration_file(), invocation.environ, registry)
    invocation.start_logging(configuration.settings.log, redactor)
    app = App(configuration, catalog, Kit(clock, redactor, registry))
    listen = configuration.settings.http.listen
    return Opened(app, server=_server(app, ready), address=str(listen) if listen else "")


def _server(app: App, ready: Callable[[], tuple[bool, str]]) -> Server | None:
    listen = app.configuration.settings.http.listen
    if listen is None:
        return None
    from syncd.daemon.http import StatusServer

    return StatusServer(listen.host, listen.port, app, ready)
