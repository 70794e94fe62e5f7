"""While the whole API is down one request at a time asks, and when it answers again all go on at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from structlog.testing import capture_logs
from support.fake import FakeClock
from support.hurried import HurriedClock
from support.tokens import Known

from syncd.api.circuit import Circuit
from syncd.api.client import Client, Limits
from syncd.api.over_httpx import OverHttpx
from syncd.api.pacer import MemoryQuota, Pacer
from syncd.api.requests import RequestLedger
from syncd.errors import Stopped, Unavailable

WORKERS = 8
MEETING = 10.0
"""Seconds within which threads that run must have met."""


class Uncounted:
    """Request counts that nobody reads."""

    def add(self, counts: object) -> None: ...


class Server:
    """Fails so many times, then works; it sees how many ask at once.

    Args:
        failures: How many requests fail.
    """

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked = 0
        self.crowds: list[int] = []
        self.together = threading.Barrier(WORKERS)
        self._here = 0
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.asked += 1
            self._here += 1
            failing = self.asked <= self.failures
            self.crowds.append(self._here)
        try:
            if request.url.path == "/rest/v1.0/together":
                self.together.wait(MEETING)
            return httpx.Response(503 if failing else 200, json=[1], headers=RATE)
        finally:
            with self._lock:
                self._here -= 1


RATE = {"X-Rate-Limit-Limit": "5000", "X-Rate-Limit-Remaining": "4900"}


def client_of(server: Server, clock: HurriedClock) -> Client:
    return Client(
        OverHttpx(httpx.MockTransport(server), "https://api.procore.com"),
        "https://api.procore.com",
        Known(),
        Pacer(MemoryQuota(), clock),
        RequestLedger(Uncounted(), clock),
        Circuit(clock),
        clock,
        Limits(attempts=40),
    )


def asked_by_all(client: Client, path: str) -> Iterator[object]:
    """What each of so many threads gets."""

    def ask(_: int) -> object:
        try:
            return client.send("GET", path, (), 4266).data
        except Unavailable as error:
            return error

    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(ask, range(WORKERS))


def test_an_api_that_is_down_is_asked_by_one_at_a_time_and_then_by_all_again() -> None:
    server = Server(failures=18)
    client = client_of(server, HurriedClock())
    with capture_logs() as lines:
        assert list(asked_by_all(client, "/rest/v1.0/things")) == [[1]] * WORKERS
    # The circuit opens at the eighth failure; those under way then end beside the first probe.
    assert set(server.crowds[8 + WORKERS : server.failures + 1]) == {1}
    assert server.asked == server.failures + WORKERS
    said = [line["event"] for line in lines if "nswer" in line["event"]]
    assert said == [
        "Procore does not answer at all; asking with one request at a time",
        "Procore answers again",
    ]
    assert list(asked_by_all(client, "/rest/v1.0/together")) == [[1]] * WORKERS


def test_an_api_that_stays_down_meets_no_storm_and_nobody_waits_for_ever() -> None:
    server, clock = Server(failures=10**6), HurriedClock()
    began = clock.monotonic()
    found = list(asked_by_all(client_of(server, clock), "/rest/v1.0/things"))
    assert all(isinstance(one, Unavailable) for one in found)
    assert clock.monotonic() - began < 1800
    assert server.asked <= 60


def test_one_answer_closes_the_circuit_and_one_failure_does_not_open_it_again() -> None:
    clock = FakeClock()
    circuit = Circuit(clock)
    for _ in range(8):
        circuit.failed()
    clock.advance(seconds=60)
    with circuit.passing(clock.monotonic() + 300):
        circuit.worked()
    circuit.failed()
    before = clock.monotonic()
    with circuit.passing(clock.monotonic() + 300), circuit.passing(clock.monotonic() + 300):
        assert clock.monotonic() == before


def test_waiting_for_the_api_ends_at_once_when_the_program_is_asked_to_stop() -> None:
    clock = FakeClock()
    circuit = Circuit(clock)
    for _ in range(8):
        circuit.failed()
    clock.stopped = True
    with pytest.raises(Stopped), circuit.passing(clock.monotonic() + 300):
        pytest.fail("it was let through")
