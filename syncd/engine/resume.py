"""Going on where an interrupted run stopped: together they count as one run, which reads everything once.

What changed since the first of them began is right after the next run, as with any run that takes long.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from syncd.engine.cursor import Cursor, later
from syncd.engine.options import Options
from syncd.model import Interrupted

LONGEST_SILENCE = timedelta(minutes=15)
"""A run that was interrupted longer ago is not gone on with: who runs its job now wants to see what changed since.
Restarts, upgrades and reboots take less."""
LONGEST_REST = timedelta(hours=24)
"""What was read longer ago is asked for changes all the same, so that a job that is interrupted again and again and
never comes to its end does not leave its tables as they were."""


def goes_on(found: Interrupted, now: datetime) -> bool:
    """Whether a run that begins now goes on with the one before it."""
    return now - found.alive_at <= LONGEST_SILENCE


def is_read(cursor: Cursor, origin: str, options: Options, now: datetime) -> bool:
    """Whether the runs that count as one with this one have read a partition to its end, and found nothing amiss.

    Args:
        cursor: The partition's.
        origin: The first of these runs.
        options: The job's, as they are now: it may want older days than it did.
        now: UTC.
    """
    if cursor.full_by != origin or cursor.full_at is None or now - cursor.full_at > LONGEST_REST:
        return False
    if cursor.listing is not None or cursor.doubt is not None or cursor.refreshed is not None:
        return False
    today = now.date().isoformat()
    return cursor.days is None or cursor.days[0] <= later(today, -options.logs_from.days)
