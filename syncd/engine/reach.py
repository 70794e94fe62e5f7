"""How far a partition has been read after a listing that is believed: pure functions of its cursor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from syncd.engine.cursor import Cursor, begin
from syncd.engine.strategy import Spec


@dataclass(frozen=True, slots=True)
class Moment:
    """When a listing was read, and by whom.

    Attributes:
        started: When its first request was sent, server's clock.
        origin: The run that read it, by its origin.
        proved: Whether it proves what stands.
        today: The day, UTC.
        earliest: The first day that dated logs are kept for.
        days_since: When the first of the run's listings of this partition's days was begun, or None before.
    """

    started: datetime
    origin: str
    proved: bool
    today: str
    earliest: str
    days_since: datetime | None

    @property
    def by(self) -> str | None:
        """Who proved it, or None where nothing is proved."""
        return self.origin if self.proved else None


def reached(cursor: Cursor, spec: Spec, at: Moment) -> Cursor:
    """The cursor after a listing that is believed."""
    cursor = begin(cursor)
    match spec.kind:
        case "all":
            return replace(cursor.proved(at.by, at.started), watermark=at.started)
        case "changes" | "recent":
            until = at.started if spec.until is None else min(spec.until, at.started)
            return replace(cursor, watermark=until)
        case "days":
            return _reached_days(cursor, spec, at)
        case "deleted":
            return replace(cursor, deleted_at=at.started)


def _reached_days(cursor: Cursor, spec: Spec, at: Moment) -> Cursor:
    assert spec.days is not None
    first, last = spec.days
    if not spec.refresh:
        covering = cursor.covering(first, min(last, at.today))
        return covering if last < at.today else replace(covering, watermark=at.days_since or at.started)
    if last < at.today:
        return cursor.reached(last, at.origin, at.started)
    began = cursor.refreshed_at or at.started
    proved = cursor.proved(at.by, began).whole().covering(min(first, at.earliest), at.today)
    return replace(proved, watermark=began)
