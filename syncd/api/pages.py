"""The pages of a listing, as a generator: it asks, somebody else sends.

Pages overlap on purpose. A record that is deleted while a listing is paged pulls the records behind it forward, and the
one that crosses the seam between two pages is never seen. So each page is asked with a size that makes it begin on the
last record of the page before: page n of size s covers positions (n-1)*s+1 to n*s, and with c records covered, the
largest s that leaves no gap is (c-1)//(n-1). That costs a record per seam and no request. Whether the records at the
seam are the same is for the caller to see.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from syncd.api.client import Answer
from syncd.errors import BadAnswer
from syncd.model import Continuation, ListRequest, Page

_SMALLEST_OVERLAPPING = 8
"""Below this page size overlaps would cost more than they prove; further pages abut."""

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r"""rel\s*=\s*["']?next\b""", re.IGNORECASE)
_COUNT = re.compile(r"[0-9]{1,12}")
"""A believable count."""

Send = Callable[[ListRequest, Sequence[tuple[str, str]]], Answer]
"""Sends one request of a listing with these query parameters."""


def pages(send: Send, request: ListRequest, origin: str) -> Iterator[Page]:
    """Every page from `request.start` on.

    Args:
        send: Sends.
        request: The listing.
        origin: Scheme, host and port that a next link may name.

    Raises:
        BadAnswer: The answer is not the list that the endpoint promises, or its pages go round in circles.
    """
    if request.paging == "none":
        answer = send(request, request.params)
        records = unwrap(answer.data, request)
        yield _page(answer, records, 0, None, total=_total(answer))
        return
    if request.group is not None and request.paging == "page":
        yield from _by_group(send, request, origin)
        return
    follow = {"page": _numbered, "cursor": _by_token, "offset": _by_token}[request.paging]
    yield from follow(send, request, origin)


def _numbered(send: Send, request: ListRequest, origin: str) -> Iterator[Page]:
    here = request.start or Continuation(page=1, page_size=request.page_size)
    before: Sequence[Any] | None = None
    while True:
        answer = send(request, _parameters(request, here))
        records = unwrap(answer.data, request)
        link = _next_link(answer, request, origin)
        total = _total(answer)
        size = _real_size(answer, here, len(records), more=link is not None or len(records) < (total or 0))
        offset = (here.page - 1) * size
        overlap = min(max(here.covered - offset, 0), len(records)) if here.page > 1 else 0
        # A page after which another follows stands for all its positions, also where it is short.
        covered = max(here.covered, offset + (size if link is not None and records else len(records)))
        if _repeats(before, records, answer, request, here):
            return
        more = _more(link, answer, covered, len(records), size)
        following = _following(request, here, size, covered) if more else None
        yield _page(answer, records, overlap, following, total=total)
        if following is None:
            return
        before, here = records, following


def _by_group(send: Send, request: ListRequest, origin: str) -> Iterator[Page]:
    """Pages of groups, which abut: whether `Total` counts groups or the records in them shows at the end only."""
    here = request.start or Continuation(page=1, page_size=request.page_size)
    inner = 0
    before: Sequence[Any] | None = None
    while True:
        answer = send(request, _parameters(request, here))
        groups = _listed(answer.data, request)
        if _repeats(before, groups, answer, request, here):
            return
        records = unwrap(answer.data, request)
        link = _next_link(answer, request, origin)
        size = _real_size(answer, here, len(groups), more=link is not None)
        covered, inner = here.covered + len(groups), inner + len(records)
        told = max(covered, inner) if answer.headers.get("link") else min(covered, inner)
        following = None
        if _more(link, answer, told, len(groups), size):
            following = Continuation(page=here.page + 1, page_size=size, covered=covered, params=here.params)
        total = _total(answer)
        unsaid = following is not None or request.start is not None or total == covered != inner
        yield _page(answer, records, 0, following, total=None if unsaid else total)
        if following is None:
            return
        before, here = groups, following


def _repeats(
    before: Sequence[Any] | None, items: Sequence[Any], answer: Answer, request: ListRequest, here: Continuation
) -> bool:
    """Whether an endpoint that does not page, and says nothing, has listed everything again.

    Raises:
        BadAnswer: It says that it pages, and repeats a page all the same.
    """
    if before is None or not items or items != before:
        return False
    if answer.headers.get("link") or _total(answer) is not None:
        raise BadAnswer(f"The pages of {request.path} go round in circles: page {here.page} repeats the one before.")
    return True


def _parameters(request: ListRequest, here: Continuation) -> list[tuple[str, str]]:
    page, size = request.page_params
    own = {name for name, _ in request.params} | {page, size}
    extra = [(name, value) for name, value in here.params if name not in own]
    return [*request.params, *extra, (page, str(here.page)), (size, str(here.page_size))]


def _real_size(answer: Answer, here: Continuation, count: int, *, more: bool) -> int:
    """The page size that the server really used: it may cap it, say so or not, and it may ignore it."""
    said = _count(answer.headers.get("per-page", ""))
    size = min(said, here.page_size) if said else here.page_size
    capped = more and here.page == 1 and 0 < count < size
    return count if capped else max(size, count)


def _more(link: str | None, answer: Answer, covered: int, count: int, size: int) -> bool:
    """Whether another page follows: the link says so; without one the total, or else a full page, does."""
    if count == 0:
        return False
    if link is not None:
        return True
    total = _total(answer)
    if total is not None:
        return covered < total
    return not answer.headers.get("link") and count >= size


def _following(request: ListRequest, here: Continuation, size: int, covered: int) -> Continuation:
    number = here.page + 1
    smaller = (covered - 1) // (number - 1)
    if request.overlap and smaller >= _SMALLEST_OVERLAPPING and number <= smaller:
        return Continuation(page=number, page_size=min(smaller, size), covered=covered, params=here.params)
    if covered == here.page * size:
        return Continuation(page=number, page_size=size, covered=covered, params=here.params)
    # Overlaps have left the page grid: go on with a size whose grid has a seam at or before what is covered.
    return Continuation(page=covered // size + 1, page_size=size, covered=covered, params=here.params)


def _next_link(answer: Answer, request: ListRequest, origin: str) -> str | None:
    """The address of the next page as the Link header gives it (RFC 8288), or None where it gives none.

    Raises:
        BadAnswer: It is not an address of this endpoint.
    """
    for target, attributes in _LINK.findall(answer.headers.get("link", "")):
        if not _NEXT.search(attributes):
            continue
        try:
            url, base = urlsplit(target), urlsplit(origin)
            foreign = bool(url.netloc) and _origin(url, base.scheme) != _origin(base, base.scheme)
        except ValueError:
            foreign, url = True, urlsplit("")
        if foreign or (url.path and url.path != request.path):
            where = f" ({url.netloc or url.path})" if url.netloc or url.path else ""
            raise BadAnswer(
                f"The next page of {request.path} is said to be elsewhere{where}; it was not asked for.",
                "Check procore.api_url, and who answers there.",
            )
        return str(target)
    return None


def _origin(url: SplitResult, scheme: str) -> tuple[str, str | None, int | None, str | None]:
    scheme = url.scheme or scheme
    return scheme, url.hostname, url.port or {"https": 443, "http": 80}.get(scheme), url.username


def _by_token(send: Send, request: ListRequest, origin: str) -> Iterator[Page]:
    """Cursor paging: the next page is asked for by a token that the answer gives, or by the last record's id."""
    name, size_name = request.page_params
    token = request.start.token if request.start else None
    covered = request.start.covered if request.start else 0
    seen: set[str] = set() if token is None else {token}
    while True:
        params = [*request.params, (size_name, str(request.page_size))]
        if token is not None:
            params.append((name, token))
        answer = send(request, params)
        records = unwrap(answer.data, request)
        covered += len(records)
        token = _token(answer, records, request, origin, covered)
        if token is not None and token in seen:
            raise BadAnswer(f"The pages of {request.path} go round in circles: {name} repeats.")
        following = None if token is None else Continuation(token=token, covered=covered, page_size=request.page_size)
        yield _page(answer, records, 0, following, total=_total(answer))
        if token is None:
            return
        seen.add(token)


def _token(answer: Answer, records: Sequence[Any], request: ListRequest, origin: str, covered: int) -> str | None:
    name = request.page_params[0]
    link = _next_link(answer, request, origin)
    if link is not None:
        return dict(parse_qsl(urlsplit(link).query)).get(name)
    total = _total(answer)
    if request.paging == "offset":
        more = len(records) >= request.page_size if total is None else covered < total
        return str(covered) if records and more else None
    if isinstance(answer.data, Mapping):
        for key in ("next_cursor", "next", "cursor"):
            value = answer.data.get(key)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return str(value)
    full = not answer.headers.get("link") and len(records) >= request.page_size
    if full and isinstance(records[-1], Mapping):
        last = records[-1].get("id")
        return None if last is None else str(last)
    return None


def unwrap(data: Any, request: ListRequest) -> Sequence[Any]:
    """The items of an answer, out of envelope and group.

    Raises:
        BadAnswer: There is no list where the endpoint promises one.
    """
    items = _listed(data, request)
    return items if request.group is None else list(_ungrouped(items, request.group))


def _listed(data: Any, request: ListRequest) -> Sequence[Any]:
    envelope = request.envelope
    items: Sequence[Any]
    if envelope == "object":
        items = data if isinstance(data, list) else [data]
    elif isinstance(data, Sequence) and not isinstance(data, str):
        items = data
    else:
        for key in _envelope_keys(envelope):
            data = data.get(key) if isinstance(data, Mapping) else None
        if data is None and envelope != "array":
            items = []
        elif isinstance(data, list):
            items = data
        elif isinstance(data, Mapping) and envelope != "array":
            items = [data]
        else:
            raise BadAnswer(f"{request.path} did not answer a list, as it should.")
    return items


def _envelope_keys(envelope: str) -> list[str]:
    if envelope == "array":
        return []
    return ["data"] if envelope == "data" else envelope.removeprefix("object:").split(".")


def _ungrouped(items: Sequence[Any], group: str) -> Iterator[Any]:
    """Records out of their groups, each with what its group says of itself."""
    for item in items:
        inner = item.get(group) if isinstance(item, Mapping) else None
        if not isinstance(inner, list):
            yield item
            continue
        about = {name: value for name, value in item.items() if name != group}
        yield from ({**about, **record} if isinstance(record, Mapping) else record for record in inner)


def _total(answer: Answer) -> int | None:
    return _count(answer.headers.get("total", ""))


def _count(text: str) -> int | None:
    return int(text) if _COUNT.fullmatch(text) else None


def _page(
    answer: Answer, records: Sequence[Any], overlap: int, following: Continuation | None, *, total: int | None
) -> Page:
    return Page(
        records=records,
        overlap=overlap,
        total=total,
        next=following,
        server_time=answer.sent_at,
        requests=answer.requests,
        size=answer.size,
        plain=answer.plain,
    )
