"""The program, put together for a command and taken apart after it."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from syncd.cli.invocation import Invocation

if TYPE_CHECKING:
    import typer

    from syncd.app import App


@contextmanager
def opened(context: typer.Context, *, prepare: bool = True) -> Iterator[App]:
    """The program for the configuration that the command line means.

    SIGTERM and ctrl-C ask it to stop: what is under way is committed, and waits end at once.

    Args:
        context: The command's.
        prepare: Make sure that the database is at the program's revision.

    Raises:
        ConfigError: Everything that is wrong with the configuration.
        SchemaMismatch: The database is behind or ahead.
        StoreError: The database cannot be reached or written.
    """
    from syncd.memory import share_heaps

    share_heaps()
    invocation = Invocation.of(context)
    stop = threading.Event()
    with _lasting():
        app = _put_together(invocation, stop)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if prepare:
            app.prepare()
        yield app
    finally:
        _restore(before)
        app.close()


def _put_together(invocation: Invocation, stop: threading.Event) -> App:
    from syncd.app import App, Kit, read_configuration
    from syncd.auth.secret import Redactor
    from syncd.clock import SystemClock
    from syncd.jobs.registry import Registry

    registry, redactor = Registry.installed(), Redactor()
    path = invocation.configuration_file()
    configuration, catalog = read_configuration(path, invocation.environ, registry)
    invocation.start_logging(configuration.settings.log, redactor)
    return App(configuration, catalog, Kit(SystemClock(stop), redactor, registry))


@contextmanager
def _lasting() -> Iterator[None]:
    """What is made here stays: the search for garbage was 6 to 10 % of a run's CPU, half of it among such objects."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
