"""The request ledger: what Procore watches an app for, counted by ourselves."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC

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

    def count(self, status: int, target: str, headers: Mapping[str, str], *, company: bool) -> None:
        """Count a request.

        Args:
            status: Of its answer; 0: none came.
            target: Where it went.
            headers: Of its answer.
            company: Whether it named one.
        """
        hour = self._clock.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        with self._lock:
            self._counts[Observation(hour, status, _kind(target, headers, company=company))] += 1
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


def _kind(target: str, headers: Mapping[str, str], *, company: bool) -> str:
    if not company:
        return "missing_company"
    if "deprecation" in headers or "sunset" in headers:
        return "deprecated"
    return "" if target.startswith("/rest/") else "private"
