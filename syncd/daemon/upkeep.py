"""Once a day: ledgers are pruned, the database is kept in shape."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from syncd.daemon.agenda import Ended
from syncd.storage.database import Database
from syncd.storage.upkeep import optimise, prune

_log = structlog.get_logger(__name__)

DAY = timedelta(days=1)
_AGAIN = timedelta(hours=1)
"""After a failure."""


class Retention(Protocol):
    """How long ledgers are kept."""

    @property
    def runs(self) -> timedelta:
        """Runs and their counts."""

    @property
    def requests(self) -> timedelta:
        """Requests by hour and status."""

    @property
    def rejects(self) -> timedelta:
        """Records that could not be stored."""


class Memory(Protocol):
    """One JSON object in the database."""

    def load(self) -> Mapping[str, Any]:
        """What was saved last; empty before the first time."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace it, at once."""


class Upkeep:
    """A duty of the daemon.

    Args:
        database: Which.
        memory: Remembers when it was done last.
        retention: How long ledgers are kept.
    """

    def __init__(self, database: Database, memory: Memory, retention: Retention) -> None:
        self._database = database
        self._memory = memory
        self._retention = retention
        self._next: datetime | None = None

    def ended(self, ended: Ended) -> None:
        """Runs do not matter to it."""

    def turn(self, now: datetime) -> None:
        """Do it where a day has passed."""
        if self._next is not None and self._next > now:
            return
        last = self._memory.load().get("at")
        if last is not None and now - DAY < datetime.fromisoformat(last) <= now:
            self._next = datetime.fromisoformat(last) + DAY
            return
        self._next = now + _AGAIN
        kept = self._retention
        pruned = prune(self._database, now - kept.runs, now - kept.requests, now - kept.rejects)
        optimise(self._database)
        self._memory.save({"at": now.isoformat()})
        self._next = now + DAY
        _log.info("upkeep done", runs=pruned.runs, requests=pruned.requests, rejects=pruned.rejects)
