"""Which listings a partition needs now: a pure function of the catalog's data, the cursor, the options and the time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from urllib.parse import quote

from syncd.catalog.resource import Resource
from syncd.engine.cursor import Cursor, later
from syncd.engine.options import Options
from syncd.model import ListRequest, Mode, Partition, Priority, Window

Kind = Literal["all", "changes", "recent", "days", "deleted"]

_LONGEST_WINDOW = 368
"""Days asked for at once: a year, today and tomorrow. Most projects' logs of a year are one page, and requests are
what syncd runs on."""
_MONTH = 31
"""Days asked for at once after the server has found a longer range too much."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Spec:
    """One listing to be read.

    Attributes:
        kind: What it brings: all records, changes since the cursor, latest change first until the cursor is reached,
            the records of a range of days, or deleted records.
        request: The request, paging aside.
        days: First and last day, where it is of days.
        window: Where rows hold their day, where it is of days and they do.
        until: Upper end of a range of change times, local clock.
        since: Lower end, for `recent`.
        with_deleted: Whether deleted records come among the changes.
        refresh: Whether its days are read because all days are; else they are the latest, or earlier than those read.
    """

    kind: Kind
    request: ListRequest
    days: tuple[str, str] | None = None
    window: Window | None = None
    until: datetime | None = None
    since: datetime | None = None
    with_deleted: bool = False
    refresh: bool = False

    @property
    def complete(self) -> bool:
        """Whether a record that it does not bring is gone (from its days)."""
        return self.kind == "all" or self.window is not None


def refresh_due(partition: Partition, cursor: Cursor, options: Options, now: datetime) -> bool:
    """Whether all of a partition is to be read again.

    Each partition has its own phase within `full_refresh`, so that refreshes spread over the period instead of
    falling due together.
    """
    if options.full or cursor.watermark is None or cursor.full_at is None or cursor.doubt is not None:
        return True
    period = options.full_refresh
    if period <= timedelta(0):
        return True
    text = f"{partition.resource}/{partition.company_id}/{partition.project_id}/{partition.parent_text}"
    fraction = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 2**32
    phase = _EPOCH + period * fraction
    return (now - phase) // period > (cursor.full_at - phase) // period


def listings(
    resource: Resource, partition: Partition, cursor: Cursor, options: Options, now: datetime, *, month: bool = False
) -> Iterator[Spec]:
    """The listings that bring a partition up to date, in order.

    Args:
        resource: The catalog's entry.
        partition: Its scope.
        cursor: How far it has been read.
        options: The job's.
        now: UTC.
        month: Ask for days by month, because the server found longer ranges too much.
    """
    full = refresh_due(partition, cursor, options, now)
    request = _request(resource, partition, _priority(cursor, options, full=full))
    if resource.window is not None:
        yield from _by_days(resource, request, cursor, options, now, full=full, month=month)
    elif full or not (resource.incremental or _recent(resource)):
        yield Spec("all", _with(request, resource.sort.stable))
        return
    elif resource.incremental:
        yield _changes(resource, request, cursor, options, now)
    else:
        assert cursor.watermark is not None
        params = resource.sort.recent
        yield Spec("recent", _with(request, params), since=cursor.watermark - options.lookback)
    if not full and _deleted_due(cursor, options, now):
        yield from _deleted(resource, partition, request, _span(resource, options, now))


def catch_up(resource: Resource, partition: Partition, cursor: Cursor, options: Options, now: datetime) -> Spec:
    """The listing of what changed since a complete listing began that took longer than a run."""
    request = _request(resource, partition, _priority(cursor, options, full=False))
    return _changes(resource, request, cursor, options, now)


def mode_of(resource: Resource, partition: Partition, cursor: Cursor, options: Options, now: datetime) -> Mode:
    """Whether a partition is read whole or for its changes."""
    listed = resource.incremental or _recent(resource) or resource.window is not None
    return Mode.FULL if not listed or refresh_due(partition, cursor, options, now) else Mode.INCREMENTAL


def _priority(cursor: Cursor, options: Options, *, full: bool) -> Priority:
    if options.interactive:
        return Priority.INTERACTIVE
    if cursor.watermark is None:
        return Priority.FIRST_LOAD
    return Priority.RECONCILE if full else Priority.INCREMENT


def _recent(resource: Resource) -> bool:
    return bool(resource.sort.recent) and "updated_at" in resource.fields


def _with(request: ListRequest, params: Sequence[tuple[str, str]]) -> ListRequest:
    return replace(request, params=(*request.params, *params))


def _request(resource: Resource, partition: Partition, priority: Priority) -> ListRequest:
    path, params = fill(resource.path, resource, partition)
    return ListRequest(
        company_id=partition.company_id,
        path=path,
        params=(*params, *resource.params.items()),
        method=resource.method,
        body=resource.body,
        paging=resource.paging,
        page_size=resource.page_size,
        page_params=resource.page_params,
        envelope=resource.envelope,
        group=resource.group,
        priority=priority,
    )


def fill(template: str, resource: Resource, partition: Partition) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A path with its placeholders filled, and what has no place in the path as query parameters."""
    scope = {"company_id": str(partition.company_id)}
    if partition.project_id is not None:
        scope["project_id"] = str(partition.project_id)
    values = scope | {name: str(value) for name, value in partition.parent}
    path, params = template, []
    for name, value in values.items():
        place = f"{{{name}}}"
        if place in path:
            path = path.replace(place, quote(value, safe=""))
        elif name not in scope:
            params.append((name, value))
        elif name in resource.scope_params:
            params.append((resource.scope_params[name], value))
    return path, tuple(params)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _changes(resource: Resource, request: ListRequest, cursor: Cursor, options: Options, now: datetime) -> Spec:
    assert cursor.watermark is not None
    assert resource.updated_at is not None
    since = cursor.watermark - options.lookback
    until = now.replace(microsecond=0)
    value = f"{_stamp(since)}...{_stamp(until)}" if resource.updated_at_form == "range" else _stamp(since)
    params = [*resource.sort.stable, (resource.updated_at, value)]
    deletions = resource.deletions
    merged = deletions is not None and deletions.param is not None and deletions.value == "with"
    if deletions is not None and deletions.param is not None and merged:
        params.append((deletions.param, "with"))
    bounded = until if resource.updated_at_form == "range" else None
    return Spec("changes", _with(request, params), until=bounded, with_deleted=merged)


def _by_days(
    resource: Resource,
    request: ListRequest,
    cursor: Cursor,
    options: Options,
    now: datetime,
    *,
    full: bool,
    month: bool,
) -> Iterator[Spec]:
    window = resource.window
    assert window is not None
    today = now.astimezone(UTC).date().isoformat()
    earliest = _day_before(now, options.logs_from)
    # A project west or east of UTC is a day behind or ahead.
    horizon = later(today, 1)
    longest = _MONTH if month else _LONGEST_WINDOW

    def days(ranges: Iterable[tuple[str, str]], *, refresh: bool = False) -> Iterator[Spec]:
        for first, last in ranges:
            listing = _with(request, (*resource.sort.stable, *_days_params(resource, first, last)))
            rows = Window(window.column, first, last) if window.column else None
            yield Spec("days", listing, days=(first, last), window=rows, refresh=refresh)

    if full or cursor.days is None:
        first = later(cursor.refreshed, 1) if cursor.refreshed else earliest
        yield from days(chunks(first, horizon, longest), refresh=True)
        return
    if resource.incremental:
        changes = _changes(resource, request, cursor, options, now)
        yield replace(changes, request=_with(changes.request, _days_params(resource, earliest, horizon)))
    # Backwards, so that what has been read is one span of days all the time.
    yield from days(reversed([*chunks(earliest, later(cursor.days[0], -1), longest)]))
    if not resource.incremental:
        trailing = min(_day_before(now, options.logs_lookback), cursor.days[1])
        yield from days(chunks(max(trailing, earliest), horizon, longest))


def chunks(first: str, last: str, longest: int) -> Iterator[tuple[str, str]]:
    """A range of ISO days in pieces of at most so many days, oldest first; none where it is empty."""
    while first <= last:
        end = min(later(first, longest - 1), last)
        yield first, end
        first = later(end, 1)


def _day_before(now: datetime, span: timedelta) -> str:
    return date.fromordinal(now.astimezone(UTC).date().toordinal() - span.days).isoformat()


def _days_params(resource: Resource, first: str, last: str) -> tuple[tuple[str, str], ...]:
    window = resource.window
    assert window is not None
    if window.last is None:
        return ((window.first, f"{first}...{last}"),)
    return ((window.first, first), (window.last, last))


def _span(resource: Resource, options: Options, now: datetime) -> tuple[tuple[str, str], ...]:
    """The query parameters for all days that a first load reads; none where the list is not of days."""
    if resource.window is None:
        return ()
    today = now.astimezone(UTC).date().isoformat()
    return _days_params(resource, _day_before(now, options.logs_from), later(today, 1))


def _deleted_due(cursor: Cursor, options: Options, now: datetime) -> bool:
    """Whether to ask what was deleted: it costs a request as every increment does, and matters less."""
    looked = [moment for moment in (cursor.full_at, cursor.deleted_at) if moment is not None]
    return not looked or now - max(looked) >= options.find_deleted


def _deleted(
    resource: Resource,
    partition: Partition,
    request: ListRequest,
    days: tuple[tuple[str, str], ...],
) -> Iterator[Spec]:
    deletions = resource.deletions
    if deletions is None:
        return
    if deletions.path is not None:
        path, params = fill(deletions.path, resource, partition)
        yield Spec("deleted", replace(request, path=path, params=params))
    elif deletions.param is not None and deletions.value not in (None, "with"):
        yield Spec("deleted", _with(request, (*days, (deletions.param, str(deletions.value)))))
