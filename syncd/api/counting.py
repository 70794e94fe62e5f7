"""How many requests a listing takes, found by paging through numbers instead of records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from syncd.api.client import Answer
from syncd.api.pages import pages
from syncd.model import ListRequest

_EPOCH = datetime.fromtimestamp(0, UTC)


def requests_of(request: ListRequest, records: int) -> int:
    """How many requests a listing of so many records takes, as `syncd.api.pages` asks for them.

    Args:
        request: The listing; a server that caps its page size makes it more.
        records: How many there are.
    """
    if request.paging == "none" or records <= request.page_size:
        return 1
    if request.paging != "page":
        return -(-records // request.page_size)
    plain = replace(request, params=(), page_params=("page", "per_page"), envelope="array", group=None, start=None)

    def send(_: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        asked = dict(params)
        page, size = int(asked["page"]), int(asked["per_page"])
        numbers = list(range((page - 1) * size, min(page * size, records)))
        return Answer(numbers, {"total": str(records), "per-page": str(size)}, _EPOCH, 1, 0)

    return sum(1 for _ in pages(send, plain, ""))
