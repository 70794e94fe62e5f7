"""One request: what is retried and what is not, what is believed, and what is sent at all."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from support.fake import FakeClock
from support.tokens import Known

from syncd import __version__
from syncd.api.circuit import Circuit
from syncd.api.client import Client, Limits
from syncd.api.over_httpx import OverHttpx
from syncd.api.pacer import MemoryQuota, Pacer
from syncd.api.ports import Observation
from syncd.api.requests import RequestLedger
from syncd.decode import parse
from syncd.errors import ApiError, BadAnswer, Refused, RequestRejected, Unavailable

PATH = "/rest/v1.0/things"


class Counts:
    """Request counts of one process."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def add(self, counts: Mapping[Observation, int]) -> None:
        for one, count in counts.items():
            self.statuses += [one.status] * count


class Bench:
    """A client whose clock obeys and whose server is a function."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response], limits: Limits | None = None) -> None:
        self.clock = FakeClock()
        self.seen: list[httpx.Request] = []

        def handle(request: httpx.Request) -> httpx.Response:
            self.seen.append(request)
            return answer(request)

        transport = OverHttpx(httpx.MockTransport(handle), "https://api.procore.com")
        pacer = Pacer(MemoryQuota(), self.clock)
        self.ledger = RequestLedger(Counts(), self.clock)
        circuit = Circuit(self.clock)
        self.client = Client(
            transport, "https://api.procore.com", Known(), pacer, self.ledger, circuit, self.clock, limits
        )

    def get(self) -> Any:
        return self.client.send("GET", PATH, (), 4266).data


def once(first: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Goes wrong the first time."""
    left = [first]

    def answer(request: httpx.Request) -> httpx.Response:
        if not left:
            return httpx.Response(200, json=[1])
        found = left.pop()
        if isinstance(found, Exception):
            raise found
        return found

    return answer


def test_every_request_says_who_asks_and_for_which_company() -> None:
    bench = Bench(lambda request: httpx.Response(200, json=[]))
    bench.get()
    headers = bench.seen[0].headers
    assert headers["procore-company-id"] == "4266"
    assert headers["user-agent"] == f"syncd/{__version__}"
    assert (headers["accept"], headers["accept-encoding"]) == ("application/json", "gzip")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(status: int) -> None:
    assert Bench(once(httpx.Response(status))).get() == [1]


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.ReadError("x")])
def test_a_network_that_fails_once_is_tried_again(error: Exception) -> None:
    assert Bench(once(error)).get() == [1]


@pytest.mark.parametrize("path", ["//elsewhere.example/x", "https://elsewhere.example/x", "/../@elsewhere.example"])
def test_the_token_goes_to_the_configured_host_whatever_the_path_says(path: str) -> None:
    bench = Bench(lambda request: httpx.Response(200, json=[]))
    bench.client.send("GET", path, (), 4266)
    assert [(one.url.host, one.headers["Authorization"]) for one in bench.seen] == [("api.procore.com", "Bearer known")]


def test_an_unreadable_body_is_tried_again_and_then_not_believed() -> None:
    assert Bench(once(httpx.Response(200, text="<html>"))).get() == [1]
    bench = Bench(lambda request: httpx.Response(200, text="<html>"))
    with pytest.raises(BadAnswer, match="unreadable"):
        bench.get()
    assert len(bench.seen) == 6


@pytest.mark.parametrize(("status", "error"), [(400, RequestRejected), (403, Refused), (404, Refused)])
def test_what_repetition_would_not_change_is_asked_once(status: int, error: type[ApiError]) -> None:
    bench = Bench(lambda request: httpx.Response(status, json={"errors": "no"}))
    with pytest.raises(error, match="no"):
        bench.get()
    assert len(bench.seen) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_an_absurd_wait_is_reported_and_not_obeyed(status: int) -> None:
    bench = Bench(once(httpx.Response(status, headers={"Retry-After": "86400"})))
    began = bench.clock.monotonic()
    with capture_logs() as logs:
        assert bench.get() == [1]
    assert bench.clock.monotonic() - began < 60
    assert any("absurd" in line["event"] for line in logs)


def test_endless_trouble_ends_within_attempts_and_time() -> None:
    bench = Bench(lambda request: httpx.Response(503))
    began = bench.clock.monotonic()
    with pytest.raises(Unavailable, match="503"):
        bench.get()
    assert len(bench.seen) == 6
    assert bench.clock.monotonic() - began < 300


def test_while_the_whole_api_is_down_one_asks_and_the_others_give_up_in_time() -> None:
    bench = Bench(lambda request: httpx.Response(503))
    for _ in range(50):
        with pytest.raises(Unavailable):
            bench.get()
    assert len(bench.seen) < 60


@pytest.mark.parametrize("body", [b'["\\ud800"]', b"[NaN]", b"[1180591620717411303424]"])
def test_json_that_strict_parsers_refuse_or_round_is_read(body: bytes) -> None:
    data, strict = parse(body)
    assert data in (["\ud800"], ["NaN"], [2**70])
    assert not strict


def test_a_redirect_is_not_followed() -> None:
    bench = Bench(lambda request: httpx.Response(302, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(BadAnswer, match="redirect"):
        bench.get()
    assert [request.url.host for request in bench.seen] == ["api.procore.com"]


def test_an_answer_beyond_all_bounds_is_not_read_to_its_end() -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 1_000_000

    bench = Bench(lambda _: httpx.Response(200, content=endless()))
    with pytest.raises(BadAnswer, match="larger than"):
        bench.get()
    assert len(bench.seen) == 1
    assert sent < 2_000


def packed(content: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=iter([content]))


def test_a_packed_answer_is_unpacked_and_never_beyond_all_bounds() -> None:
    assert Bench(lambda _: packed(gzip.compress(b"[1, 2]"))).get() == [1, 2]
    bomb = gzip.compress(b" " * 40_000_000)
    bench = Bench(lambda _: packed(bomb), Limits(body=2_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer, match="larger than"):
            bench.get()
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_an_answer_without_a_body_is_no_damaged_one_though_it_is_called_packed() -> None:
    bench = Bench(lambda _: httpx.Response(404, headers={"Content-Encoding": "gzip"}, content=iter([b""])))
    with pytest.raises(Refused):
        bench.get()
    assert len(bench.seen) == 1


@pytest.mark.parametrize("damaged", [b"not gzip at all", gzip.compress(b"[1, 2]")[:-6]], ids=["not packed", "cut"])
def test_a_damaged_packed_answer_is_asked_for_again(damaged: bytes) -> None:
    assert Bench(once(packed(damaged))).get() == [1]


def test_an_answer_nested_without_end_is_one_error_and_no_crash() -> None:
    bench = Bench(lambda _: httpx.Response(200, content=b"[" * 200_000))
    with pytest.raises(BadAnswer):
        bench.get()


def test_procores_id_of_a_request_stands_in_the_log() -> None:
    bench = Bench(lambda _: httpx.Response(200, json=[], headers={"X-Request-Id": "abc-123"}))
    with capture_logs() as lines:
        bench.get()
    assert [line["request_id"] for line in lines if line["event"] == "request"] == ["abc-123"]
