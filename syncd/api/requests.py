"""The request ledger: what Procore watches an app for, counted by ourselves."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC

import httpx

from syncd.api.ports import Clock, Observation, RequestStore

_FLUSH_SECONDS = 15.0


class RequestLedger:
    """Counts requests by hour, status and observation, and hands the counts on now and then.

    Args:
        store: Where they are kept.
        clock: Time.
    """

    def __init__(self, store: RequestStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[Observation] = Counter()
        self._flushed = clock.monotonic()

    def count(self, status: int, request: httpx.Request, response: httpx.Response | None = None) -> None:
        """Count a request that was answered (or, with status 0, was not)."""
        hour = self._clock.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        with self._lock:
            self._counts[Observation(hour, status, _kind(request, response))] += 1
            if self._clock.monotonic() - self._flushed < _FLUSH_SECONDS:
                return
        self.flush()

    def flush(self) -> None:
        """Hand the counts on."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
            self._flushed = self._clock.monotonic()
        if counts:
            self._store.add(counts)


def _kind(request: httpx.Request, response: httpx.Response | None) -> str:
    if "procore-company-id" not in request.headers:
        return "missing_company"
    if response is not None and ("deprecation" in response.headers or "sunset" in response.headers):
        return "deprecated"
    return "" if request.url.path.startswith("/rest/") else "private"
