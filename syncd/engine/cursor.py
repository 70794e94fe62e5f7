"""How far a partition has been read, and the listing under way: frozen values, and their JSON for the store."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

import orjson

from syncd.model import Continuation, CursorState, Mode


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing under way, so that it can go on after an interruption.

    Attributes:
        kind: Which of the partition's listings it is: `all`, `changes`, `recent`, `days`, `deleted`.
        started_at: When its first request was sent, server's clock.
        next: Where it goes on.
        seam: Identity of the last record covered, to compare the next page with.
        seen: Records seen so far.
        rejected: Of these, rejected.
        sighted: Whether the keys seen are remembered in the store, for the sweep.
        by: The run that began it, by its origin.
        first: First day, where it is of days.
        last: Last day.
    """

    kind: str
    started_at: datetime
    next: Continuation
    seam: str
    seen: int
    rejected: int
    sighted: bool
    by: str = ""
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What the engine remembers of a partition.

    Attributes:
        watermark: What changed before it is stored; server's clock.
        full_at: Start of the last complete listing.
        full_by: The run that read it to its end and found nothing amiss, by its origin.
        listing: Set while one is under way.
        days: First and last day of dated logs that have been read since a first load ended, or None before.
        refreshed: Last day that a refresh of dated logs has reached, while one is under way.
        refreshed_at: When that refresh began, server's clock.
        refreshed_by: The run that reads it, by its origin.
        doubt: How many rows the last listing missed, where it was not believed.
        doubt_by: The run that read that listing, by its origin.
        deleted_at: When Procore's own list of deleted records was read last.
        stored: Whether the store remembers the partition at all: where not, none of its rows stand.
    """

    watermark: datetime | None = None
    full_at: datetime | None = None
    full_by: str | None = None
    listing: Listing | None = None
    days: tuple[str, str] | None = None
    refreshed: str | None = None
    refreshed_at: datetime | None = None
    refreshed_by: str | None = None
    doubt: int | None = None
    doubt_by: str | None = None
    deleted_at: datetime | None = None
    stored: bool = False

    @property
    def mode(self) -> Mode:
        """How a run that finds this cursor reads, unless a full refresh is due."""
        return Mode.FULL if self.watermark is None else Mode.INCREMENTAL

    def settled(self) -> Cursor:
        """The same cursor without the doubt that a listing left."""
        return replace(self, doubt=None, doubt_by=None)

    def kept(self) -> Cursor:
        """The same cursor of a partition that the store remembers."""
        return self if self.stored else replace(self, stored=True)

    def reached(self, day: str, by: str, at: datetime) -> Cursor:
        """The cursor after days that a run read for a refresh, up to this one."""
        return replace(self, refreshed=day, refreshed_at=self.refreshed_at or at, refreshed_by=by)

    def covering(self, first: str, last: str) -> Cursor:
        """The cursor after these days were read: one span with those read before where they touch, else instead."""
        days = (first, last)
        if self.days is not None and first <= later(self.days[1], 1) and last >= later(self.days[0], -1):
            days = (min(first, self.days[0]), max(last, self.days[1]))
        return replace(self, days=days)

    def whole(self) -> Cursor:
        """The same cursor with no refresh of dated logs under way."""
        if self.refreshed is None and self.refreshed_at is None and self.refreshed_by is None:
            return self
        return replace(self, refreshed=None, refreshed_at=None, refreshed_by=None)

    def proved(self, by: str | None, at: datetime) -> Cursor:
        """The cursor after a complete listing that began at a moment and was read by a run."""
        return replace(self.settled(), full_at=at, full_by=by)


def load(state: CursorState | None) -> Cursor:
    """The cursor that the store remembers; a partition never read has an empty one."""
    if state is None:
        return Cursor()
    data: dict[str, Any] = orjson.loads(state.state)
    listing = data.get("listing")
    days = data.get("days")
    return Cursor(
        watermark=state.watermark,
        full_at=state.full_at,
        full_by=state.full_by,
        listing=_listing(listing) if listing else None,
        days=(days[0], days[1]) if days else None,
        refreshed=data.get("refreshed"),
        refreshed_at=datetime.fromisoformat(data["refreshed_at"]) if "refreshed_at" in data else None,
        refreshed_by=data.get("refreshed_by"),
        doubt=data.get("doubt"),
        doubt_by=data.get("doubt_by"),
        deleted_at=datetime.fromisoformat(data["deleted_at"]) if "deleted_at" in data else None,
        stored=True,
    )


def dump(cursor: Cursor) -> CursorState:
    """As the store keeps it."""
    data: dict[str, Any] = {}
    if cursor.listing is not None:
        data["listing"] = asdict(cursor.listing)
    for name in ("days", "refreshed", "refreshed_at", "refreshed_by", "doubt", "doubt_by", "deleted_at"):
        value = getattr(cursor, name)
        if value is not None:
            data[name] = value
    return CursorState(cursor.watermark, cursor.full_at, cursor.full_by, orjson.dumps(data).decode())


def _listing(data: dict[str, Any]) -> Listing:
    start = data.pop("next")
    params = tuple((name, value) for name, value in start.pop("params"))
    started = datetime.fromisoformat(data.pop("started_at"))
    return Listing(started_at=started, next=Continuation(params=params, **start), **data)


def begin(cursor: Cursor) -> Cursor:
    """The same cursor with no listing under way."""
    return cursor if cursor.listing is None else replace(cursor, listing=None)


def later(day: str, days: int) -> str:
    """The day so many days after (or before) an ISO day."""
    return date.fromordinal(date.fromisoformat(day).toordinal() + days).isoformat()
