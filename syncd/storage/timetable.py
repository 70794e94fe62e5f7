"""What `syncd_runs` says of jobs' schedules: which instant was served last, and how it went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from syncd.storage import tables as own
from syncd.storage.database import Database, Now
from syncd.storage.ledger import was_stopped

_RECENT = 32
"""Runs that are looked at; of failures in a row, more than these make no difference."""
_AHEAD = timedelta(days=1)
"""Runs that began later than that from now were recorded by a clock that was wrong."""

_r = own.runs
_RUNS = (
    select(_r.c.status, _r.c.due_at, _r.c.started_at, _r.c.finished_at, _r.c.error, _r.c.exit_code)
    .where(_r.c.job == bindparam("job"), _r.c.started_at <= bindparam("until"))
    .order_by(_r.c.started_at.desc(), _r.c.due_at.desc())
)
"""A job's, the latest first. Made once: an idle daemon asks for little else."""
_RECENT_RUNS = _RUNS.limit(_RECENT)
_LAST_DUE = _RUNS.where(_r.c.due_at.is_not(None)).limit(1)


@dataclass(frozen=True, slots=True)
class Past:
    """What `syncd_runs` says of a job's schedule: the latest run that served an instant, or skipped one.

    Attributes:
        due_at: The instant.
        started_at: When it began.
        finished_at: When it ended, or None.
        status: `running`, `ok`, `partial`, `failed` or `skipped`.
        stopped: Whether it ended because the program was asked to.
        failures: How many runs in a row have failed up to now.
        failed_at: When the last of them ended, or None.
        exit_code: What the last run that ended said.
    """

    due_at: datetime
    started_at: datetime
    finished_at: datetime | None
    status: str
    stopped: bool = False
    failures: int = 0
    failed_at: datetime | None = None
    exit_code: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether its work was broken off: by a stop, or because the process ended."""
        return self.stopped or self.status == "running"


class Timetable:
    """Reads jobs' pasts.

    Args:
        database: Where.
        now: The wall clock, UTC.
    """

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    def pasts(self, jobs: Collection[str]) -> Mapping[str, Past]:
        """Of each job; those that have not been due yet are absent."""
        found: dict[str, Past] = {}
        until = self._now() + _AHEAD
        with self._database.read() as connection:
            for job in jobs:
                asked = {"job": job, "until": until}
                recent = connection.execute(_RECENT_RUNS, asked).all()
                served = next((run for run in recent if run.due_at is not None), None)
                if served is None:
                    served = connection.execute(_LAST_DUE, asked).first()
                if served is not None:
                    found[job] = _past(served, recent)
        return found


def _past(served: Any, recent: Sequence[Any]) -> Past:
    ended = [run for run in recent if run.status not in {"running", "skipped"} and not was_stopped(run)]
    failures = next((count for count, run in enumerate(ended) if run.status != "failed"), len(ended))
    done = next((run for run in recent if run.status != "skipped" and run.due_at is not None), served)
    return Past(
        due_at=served.due_at,
        started_at=served.started_at,
        finished_at=served.finished_at,
        status=served.status,
        stopped=was_stopped(done),
        failures=failures,
        failed_at=ended[0].finished_at if failures else None,
        exit_code=(ended[0].exit_code or 0) if ended else 0,
    )
