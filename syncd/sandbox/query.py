"""Which records of a partition a request asks for, and in which order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from syncd.sandbox.catalog import Entry
from syncd.sandbox.partition import Partition
from syncd.sandbox.store import dig

Args = MultiDict[str, str]

PAGING = frozenset(("page", "per_page"))
_SORTS = frozenset(("sort", "sort[attribute]", "sort[direction]", "sort_by", "sort_order", "order_by", "direction"))
_DELETED = re.compile(r"include_deleted|is_deleted|deleted_at|deleted_only|recycle_bin|filters\[deleted\]")


class BadQuery(ValueError):
    """A parameter that cannot be understood.

    Attributes:
        param: Its name.
        status: 400, 406 for an unknown field, 408 for too much at once.
    """

    def __init__(self, param: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


def select(
    partition: Partition,
    args: Args,
    now: float,
    *,
    bin_only: bool = False,
    visible: Callable[[int], bool] | None = None,
    longest_window: int | None = None,
) -> list[int]:
    """Indices of the records that a request asks for, in order.

    Args:
        partition: The records.
        args: Query parameters.
        now: Unix seconds; dated lists show today's records where no day is given.
        bin_only: Only deleted records: a recycle-bin list.
        visible: Whether the principal sees a record; None: all.
        longest_window: Most days that may be asked for at once; None: any number.

    Raises:
        BadQuery: A parameter cannot be understood.
    """
    entry = partition.entry
    found: Iterable[int] = partition.indices()
    wanted = "only" if bin_only else _deleted(entry, args)
    if wanted != "with":
        found = [i for i in found if (partition.deleted(i) is not None) == (wanted == "only")]
    if visible is not None:
        found = [i for i in found if visible(i)]
    if entry.window and not bin_only:
        first, last = _days(entry, args, now)
        if longest_window is not None and date.fromisoformat(last) - date.fromisoformat(first) >= timedelta(
            days=longest_window
        ):
            raise BadQuery(entry.window["first"] or "", "The requested range is too large.", 408)
        found = [i for i in found if first <= partition.day(i) <= last]
    if entry.updated_at and entry.updated_at in args:
        low, high = _stamps(entry.updated_at, args[entry.updated_at])
        found = [i for i in found if low <= partition.updated(i) <= high]
    ids = {
        value
        for name in ("filters[id]", "filters[id][]")
        for text in args.getlist(name)
        for value in re.split(r"[,\[\]\s]+", text)
    }
    if ids:
        found = [i for i in found if str(partition.record(i).get("id")) in ids]
    if entry.name == "projects":
        found = _by_status(partition, found, args)
    return _sorted(partition, list(found), args)


def unknown_params(entry: Entry, args: Args) -> list[str]:
    """Query parameters that the endpoint does not document."""
    known = {
        *PAGING,
        *entry.page_params,
        *_SORTS,
        *entry.scope_params.values(),
        *entry.parents,
        *entry.enumerate,
        *entry.params,
        entry.updated_at,
    }
    known |= {"company_id", "project_id", "filters[id]", "filters[id][]", "view"}
    if entry.window:
        known |= {*entry.window.values(), "log_date"}
    for name in ("stable", "recent"):
        known |= {param for param, _ in pairs(entry.sort.get(name))}
    if entry.deletions:
        known.add(entry.deletions.get("param"))
    return [name for name in args if name not in known]


def pairs(value: Any) -> list[tuple[str, str]]:
    """Query parameters, given as a mapping or as a list of pairs."""
    items = value.items() if isinstance(value, dict) else value or []
    return [(str(name), str(text)) for name, text in items]


def _deleted(entry: Entry, args: Args) -> str:
    for name, value in args.items():
        if _DELETED.search(name) or (entry.deletions and name == entry.deletions.get("param")):
            if value.lower() == "with":
                return "with"
            return "" if value.lower() in ("", "false", "0") else "only"
    return ""


def _days(entry: Entry, args: Args, now: float) -> tuple[str, str]:
    assert entry.window is not None
    today = datetime.fromtimestamp(now, UTC).date()
    first_name, last_name = entry.window["first"] or "", entry.window.get("last")
    if "log_date" in args:
        return (_day("log_date", args["log_date"]),) * 2
    if last_name is None and first_name in args:
        low, _, high = args[first_name].strip('"').partition("...")
        return _day(first_name, low), _day(first_name, high or low)
    if last_name and (first_name in args or last_name in args):
        low = args.get(first_name) or args.get(last_name) or ""
        return _day(first_name, low), _day(last_name, args.get(last_name) or today.isoformat())
    if "timecard" in entry.name:
        monday = today - timedelta(days=today.weekday())
        return monday.isoformat(), (monday + timedelta(days=6)).isoformat()
    return today.isoformat(), today.isoformat()


def _day(name: str, text: str) -> str:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise BadQuery(name, "must be a date (YYYY-MM-DD)") from None


def _stamps(name: str, text: str) -> tuple[float, float]:
    """A closed range of Unix seconds: `from...to` with or without quotes, or what is not before one instant."""
    low, _, high = text.strip().strip('"').partition("...")
    return (_instant(name, low) if low else float("-inf")), (_instant(name, high) if high else float("inf"))


def _instant(name: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip().strip('"'))
    except ValueError:
        raise BadQuery(name, "must be a range of ISO 8601 timestamps") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _by_status(partition: Partition, found: Iterable[int], args: Args) -> list[int]:
    status = args.get("filters[by_status]", "Active").lower()
    if status == "all":
        return list(found)
    return [i for i in found if bool(partition.record(i).get("active", True)) == (status == "active")]


def _sorted(partition: Partition, found: list[int], args: Args) -> list[int]:
    for name, descending in reversed(_orders(args)):
        key = _key(partition, name)
        found.sort(key=key, reverse=descending)
    return found


def _orders(args: Args) -> Sequence[tuple[str, bool]]:
    if "sort[attribute]" in args:
        return [(args["sort[attribute]"], args.get("sort[direction]", "asc").lower() == "desc")]
    named = args.get("sort") or args.get("sort_by") or args.get("order_by") or ""
    direction = (args.get("sort_order") or args.get("direction") or "asc").lower()
    return [(name.lstrip("-"), name.startswith("-") or direction == "desc") for name in named.split(",") if name]


def _key(partition: Partition, name: str) -> Callable[[int], Any]:
    if name in ("id", "created_at"):
        return lambda index: index
    if name == "updated_at":
        return lambda index: (partition.updated(index), index)
    if partition.entry.window and name == partition.entry.window["column"]:
        return partition.day

    def value(index: int) -> tuple[bool, str]:
        found = dig(partition.record(index), name)
        return found is None, str(found)

    return value
