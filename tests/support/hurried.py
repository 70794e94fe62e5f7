"""The program in this process, under a clock that does not wait: pauses pass at once, for the sandbox too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from support.program import Site
from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.jobs.registry import Registry


class HurriedClock:
    """Real time, and on top of it all that somebody slept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._from = time.time() - time.monotonic()
        self.slept = 0.0

    def unix(self) -> float:
        """Seconds, for a sandbox that lives in the same time."""
        return self._from + self.monotonic()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.unix(), UTC)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._ahead += seconds
            self.slept += seconds
        time.sleep(0)

    def stopping(self) -> bool:
        return False


@contextmanager
def hurried(site: Site, clock: HurriedClock) -> Iterator[App]:
    """The program of a site, its tables made."""
    registry = Registry.installed()
    configuration, catalog = read_configuration(site.folder / "syncd.yaml", {}, registry)
    app = App(configuration, catalog, Kit(clock, Redactor(), registry))
    try:
        app.prepare()
        yield app
    finally:
        app.close()
