"""Once a day: ledgers are pruned, the database is kept in shape."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import structlog

from syncd.daemon.agenda import Ended
from syncd.engine.ports import State
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


class Upkeep:
    """A duty of the daemon.

    Args:
        database: Which.
        state: Remembers when it was done last.
        retention: How long ledgers are kept.
    """

    def __init__(self, database: Database, state: State, retention: Retention) -> None:
        self._database = database
        self._state = state
        self._retention = retention
        self._next: datetime | None = None

    def ended(self, ended: Ended) -> None:
        """Runs do not matter to it."""

    def turn(self, now: datetime) -> None:
        """Do it where a day has passed."""
        if self._next is not None and self._next > now:
            return
        last = self._state.load().get("at")
        if last is not None and now - DAY < datetime.fromisoformat(last) <= now:
            self._next = datetime.fromisoformat(last) + DAY
            return
        self._next = now + _AGAIN
        kept = self._retention
        pruned = prune(self._database, now - kept.runs, now - kept.requests, now - kept.rejects)
        optimise(self._database)
        self._state.save({"at": now.isoformat()})
        self._next = now + DAY
        _log.info("upkeep done", runs=pruned.runs, requests=pruned.requests, rejects=pruned.rejects)
