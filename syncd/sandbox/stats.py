"""What clients did, counted: for tests that prove how a client behaves."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stats:
    """Counters since the start or the last reset.

    Attributes:
        requests: API requests, all of them.
        by_status: API requests by status.
        by_resource: Served listings and details, by resource.
        by_project: API requests that name a project, by project id.
        token_requests: Requests to the token endpoint, by grant type and status (`refresh_token 200`).
        observations: Procore's seven: 403, 404, 429, 401, a missing company header, deprecated and private endpoints.
        unknown_params: Query parameters that the endpoint does not document, as `resource: parameter`.
        user_agents: User-Agent headers.
        peak: Most requests served at the same time.
        log: Method, path with query, and status of each API request, in order.
    """

    requests: int = 0
    by_status: Counter[int] = field(default_factory=Counter)
    by_resource: Counter[str] = field(default_factory=Counter)
    by_project: Counter[int] = field(default_factory=Counter)
    token_requests: Counter[str] = field(default_factory=Counter)
    observations: Counter[str] = field(default_factory=Counter)
    unknown_params: Counter[str] = field(default_factory=Counter)
    user_agents: Counter[str] = field(default_factory=Counter)
    peak: int = 0
    log: list[tuple[str, str, int]] = field(default_factory=list)
    active: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Begin anew."""
        with self.lock:
            self.requests = self.peak = 0
            self.log.clear()
            for counter in self._counters().values():
                counter.clear()

    def enter(self) -> None:
        """A request begins."""
        with self.lock:
            self.active += 1
            self.peak = max(self.peak, self.active)

    def leave(self) -> None:
        """A request has been answered."""
        with self.lock:
            self.active -= 1

    def served(self, method: str, target: str, status: int, user_agent: str) -> None:
        """An API request has its answer."""
        with self.lock:
            self.requests += 1
            self.by_status[status] += 1
            self.user_agents[user_agent] += 1
            self.log.append((method, target, status))
            if status in (401, 403, 404, 429):
                self.observations[str(status)] += 1

    def count(self, counter: Counter[Any], key: Any) -> None:
        """Add one to a counter of these."""
        with self.lock:
            counter[key] += 1

    def _counters(self) -> dict[str, Counter[Any]]:
        return {
            "by_status": self.by_status,
            "by_resource": self.by_resource,
            "by_project": self.by_project,
            "token_requests": self.token_requests,
            "observations": self.observations,
            "unknown_params": self.unknown_params,
            "user_agents": self.user_agents,
        }

    def document(self) -> dict[str, Any]:
        """As the control endpoint shows it; keys are text."""
        with self.lock:
            counted = {name: {str(k): n for k, n in counter.items()} for name, counter in self._counters().items()}
            return {"requests": self.requests, "peak": self.peak, **counted}
