"""The API as one principal sees it: what the engine and job types are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from syncd.api.client import Answer, Client
from syncd.api.pages import pages
from syncd.model import ListRequest, Page, Priority, Reader


class Api:
    """Listings and single requests of one run.

    Args:
        client: Sends, for the run's principal.
        waiting: Told of longer waits: seconds, and why.
    """

    def __init__(self, client: Client, waiting: Callable[[float, str], None] | None = None) -> None:
        self._client = client
        self._waiting = waiting

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, refused and repeated ones included."""
        return self._client.requests

    def pages(self, request: ListRequest, reader: Reader | None = None) -> Iterator[Page]:
        """The pages of a listing from `request.start` on; `reader` reads them where it can."""
        return pages(partial(self._send, reader), request, self._client.api_url)

    def get(
        self,
        company_id: int,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        priority: Priority = Priority.INCREMENT,
    ) -> Any:
        """One GET request's parsed JSON."""
        return self._client.send("GET", path, params, company_id, priority=priority, waiting=self._waiting).data

    def _send(self, reader: Reader | None, request: ListRequest, params: Sequence[tuple[str, str]]) -> Answer:
        return self._client.send(
            request.method,
            request.path,
            params,
            request.company_id,
            body=request.body,
            priority=request.priority,
            waiting=self._waiting,
            reader=reader,
        )
