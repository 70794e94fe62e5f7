"""Pages of a listing: which slice, and the headers that lead to the others (RFC 8288)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from syncd.sandbox.catalog import Entry
from syncd.sandbox.query import Args, BadQuery

_DEFAULT = {False: 100, True: 10}
"""Page size where none is asked for, by whether the endpoint is of v2."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One page.

    Attributes:
        indices: Its records.
        headers: Total, Per-Page and Link, where the endpoint pages.
    """

    indices: Sequence[int]
    headers: dict[str, str] = field(default_factory=dict)


def page(entry: Entry, found: Sequence[int], args: Args, url: str, id_of: Callable[[int], int | str]) -> Slice:
    """The page that a request asks for.

    Args:
        entry: The endpoint; its page size is the cap.
        found: All records that the request selects, in order.
        args: Query parameters.
        url: Address of the listing, without query.
        id_of: Identifier of a record, for cursors.

    Raises:
        BadQuery: A paging parameter is no positive number.
    """
    if entry.paging == "none":
        return Slice(found)
    if entry.paging == "cursor":
        return _after(entry, found, args, id_of)
    if entry.paging == "offset":
        return _offset(entry, found, args)
    names = entry.page_params or ("page", "per_page")
    number = _positive(args, names[0], 1)
    size = min(_positive(args, names[1], min(_DEFAULT[entry.v2], entry.page_size)), entry.page_size)
    headers = {"Total": str(len(found)), "Per-Page": str(size)}
    links = _links(args, url, names, number, size, max(1, -(-len(found) // size)))
    headers["Link"] = ", ".join(f'<{address}>; rel="{rel}"' for rel, address in links.items())
    return Slice(found[(number - 1) * size : number * size], headers)


def _links(args: Args, url: str, names: Sequence[str], number: int, size: int, last: int) -> dict[str, str]:
    def address(target: int) -> str:
        rest = [(name, value) for name, value in args.items(multi=True) if name not in names]
        return f"{url}?{urlencode([*rest, (names[0], target), (names[1], size)])}"

    links = {"first": address(1), "last": address(last)}
    if number > 1:
        links["prev"] = address(min(number - 1, last))
    if number < last:
        links["next"] = address(number + 1)
    return links


def _after(entry: Entry, found: Sequence[int], args: Args, id_of: Callable[[int], int | str]) -> Slice:
    token, limit = entry.page_params or ("starting_after", "limit")
    size = min(_positive(args, limit, _DEFAULT[True]), entry.page_size)
    mark = args.get(token)
    start = 0
    if mark:
        places = [place for place, index in enumerate(found) if str(id_of(index)) == mark]
        if not places:
            raise BadQuery(token, "is not a record of this list")
        start = places[0] + 1
    return Slice(found[start : start + size])


def _offset(entry: Entry, found: Sequence[int], args: Args) -> Slice:
    offset, limit = entry.page_params or ("offset", "limit")
    size = min(_positive(args, limit, _DEFAULT[True]), entry.page_size)
    start = _positive(args, offset, 0, least=0)
    return Slice(found[start : start + size])


def _positive(args: Args, name: str, default: int, least: int = 1) -> int:
    text = args.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < least:
        raise BadQuery(name, f"must be a whole number from {least} up")
    return int(text)
