from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from support.tokens import Endpoint, MemoryFailures, Time

from syncd.auth.bearer import Bearer
from syncd.auth.grants import Grant, TokenEndpointUnavailable
from syncd.auth.manager import TokenManager
from syncd.auth.secret import Secret
from syncd.auth.service import ServiceSupply
from syncd.errors import ConsentNeeded, CredentialsRefused, Stopped, SyncdError

DOWN = httpx.Response(503)
REFUSED = httpx.Response(401, json={"error": "invalid_client"})


@dataclass
class Bench:
    script: tuple[Any, ...] = ()
    life: float = 5400
    time: Time = field(default_factory=Time)
    failures: MemoryFailures = field(default_factory=MemoryFailures)

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(*self.script, life=self.life)
        supply = ServiceSupply(self.endpoint.grants())
        self.manager = TokenManager("service", supply, self.time, self.failures, seed=1)

    @property
    def asked(self) -> int:
        return len(self.endpoint.forms)


def test_a_token_is_fetched_once_and_used_until_it_is_time_to_renew() -> None:
    bench = Bench()
    first = bench.manager.token()
    bench.time.advance(5400 * 0.74)
    assert bench.manager.token() == first
    assert bench.asked == 1


def test_however_many_ask_at_once_one_request_is_sent() -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(form: dict[str, str]) -> None:
        entered.set()
        leave.wait(10)

    bench = Bench((slow,))
    got: list[Secret] = []
    threads = [threading.Thread(target=lambda: got.append(bench.manager.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    leave.set()
    for thread in threads:
        thread.join(10)
    assert (len(got), len(set(got)), bench.asked) == (8, 1, 1)


def test_the_background_renews_ahead_and_no_request_waits() -> None:
    bench = Bench()
    first = bench.manager.token()
    wait = bench.manager.renew_ahead()
    assert 5400 * 0.74 < wait <= 5400 * 0.8
    bench.time.advance(wait)
    assert bench.manager.token() == first
    assert bench.asked == 1
    bench.manager.renew_ahead()
    assert bench.manager.token() != first
    assert bench.asked == 2


def test_without_a_background_a_request_renews_before_the_end() -> None:
    bench = Bench()
    first = bench.manager.token()
    bench.time.advance(5400 * 0.95)
    assert bench.manager.token() != first


def test_a_token_that_ends_is_not_handed_out() -> None:
    bench = Bench((None, *[DOWN] * 3))
    first = bench.manager.token()
    bench.time.advance(5400 - 29)
    assert bench.manager.token() != first
    assert bench.asked == 5


def test_a_token_that_works_is_used_on_while_the_endpoint_is_down_and_it_is_asked_at_a_calm_pace() -> None:
    bench = Bench((None, *[DOWN] * 1000))
    first = bench.manager.token()
    bench.time.advance(5400 * 0.92)
    for _ in range(50):
        assert bench.manager.token() == first
        bench.time.advance(1)
    assert bench.asked <= 1 + 3


def test_an_endpoint_that_asks_for_a_pause_gets_it() -> None:
    bench = Bench((httpx.Response(429, headers={"Retry-After": "20"}),))
    bench.manager.token()
    assert bench.time.slept == [20]


def test_a_token_endpoint_that_is_down_for_half_a_minute_is_waited_for() -> None:
    bench = Bench()
    ends = bench.time.seconds + 30
    bench.endpoint.script = [lambda _: DOWN if bench.time.seconds < ends else None] * 100
    bench.manager.token()
    assert bench.time.seconds - ends < 30
    assert not bench.failures.errors


def test_patience_ends_and_the_failure_is_on_record() -> None:
    bench = Bench((DOWN,) * 1000)
    with pytest.raises(TokenEndpointUnavailable):
        bench.manager.token()
    assert 119 <= sum(bench.time.slept) < 131
    assert bench.asked < 60
    assert "503" in bench.failures.errors["service"]


def test_credentials_that_are_refused_are_tried_once_and_then_rarely() -> None:
    bench = Bench((REFUSED,) * 1000)
    for _ in range(100):
        with pytest.raises(CredentialsRefused):
            bench.manager.token()
    assert bench.asked == 1
    for hours in range(24):
        del hours
        for _ in range(60):
            bench.time.advance(60)
            with pytest.raises(CredentialsRefused):
                bench.manager.token()
    assert bench.asked < 34
    bench.endpoint.script.clear()
    bench.time.advance(3600)
    bench.manager.token()
    assert not bench.failures.errors


def test_credentials_refused_while_a_token_still_works_stop_nothing_yet() -> None:
    bench = Bench((None, *[REFUSED] * 100))
    first = bench.manager.token()
    bench.time.advance(5400 * 0.92)
    assert bench.manager.token() == first
    assert "accept" in bench.failures.errors["service"]
    bench.time.advance(5400 * 0.08)
    with pytest.raises(CredentialsRefused):
        bench.manager.token()


def test_a_401_that_many_report_is_answered_by_one_new_token() -> None:
    bench = Bench()
    first = bench.manager.token()
    assert len({bench.manager.refused(first) for _ in range(8)}) == 1
    assert bench.asked == 2


def test_a_second_401_asks_for_no_third_token() -> None:
    bench = Bench()
    second = bench.manager.refused(bench.manager.token())
    assert second is not None
    for _ in range(1000):
        assert bench.manager.refused(second) is None
    assert bench.asked == 2
    bench.time.advance(61)
    assert bench.manager.refused(second) is not None


def test_a_token_that_was_accepted_once_is_replaced_again_when_it_is_revoked() -> None:
    bench = Bench()
    token = bench.manager.token()
    for _ in range(5):
        replaced = bench.manager.refused(token)
        assert replaced is not None
        bench.manager.accepted(replaced)
        token = replaced
    assert bench.asked == 6


def test_those_who_waited_for_a_failure_share_it() -> None:
    bench = Bench()
    waiting, go = threading.Barrier(5), threading.Event()
    errors: list[SyncdError] = []

    def refuse(form: dict[str, str]) -> httpx.Response:
        go.wait(10)
        bench.time.stopped = False
        bench.time.advance(1000)
        return DOWN

    bench.endpoint.script = [refuse] * 100

    def work() -> None:
        waiting.wait(10)
        try:
            bench.manager.token()
        except SyncdError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    waiting.wait(10)
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(errors) == 4
    assert bench.asked <= 4


def test_a_stop_ends_the_wait_and_asks_no_more() -> None:
    bench = Bench((DOWN,) * 100)

    def stop(form: dict[str, str]) -> httpx.Response:
        bench.time.stopped = True
        return DOWN

    bench.endpoint.script[2] = stop
    for _ in range(3):
        with pytest.raises(Stopped):
            bench.manager.token()
    assert bench.asked == 3


@pytest.mark.parametrize("seconds", [86_400, -86_400])
def test_a_wall_clock_that_jumps_costs_one_token_at_most(seconds: float) -> None:
    bench = Bench()
    bench.manager.token()
    bench.time.jump(seconds)
    for _ in range(100):
        bench.manager.token()
        bench.time.advance(1)
    assert bench.asked <= 2


def test_a_machine_that_was_suspended_does_not_trust_its_old_token() -> None:
    bench = Bench()
    first = bench.manager.token()
    bench.time.jump(2 * 86_400)
    assert bench.manager.token() != first


@dataclass
class Missing:
    asked: int = 0

    def fetch(self, refused: Secret | None) -> Grant:
        self.asked += 1
        if self.asked < 3:
            raise ConsentNeeded("Nobody has signed in.")
        return Grant(Secret("a-token"), None, 60.0)


def test_a_user_who_signs_in_is_noticed_soon() -> None:
    time, supply = Time(), Missing()
    manager = TokenManager("user:alice", supply, time, MemoryFailures())
    for _ in range(2):
        with pytest.raises(ConsentNeeded):
            manager.token()
        with pytest.raises(ConsentNeeded):
            manager.token()
        time.advance(6)
    assert manager.token() == Secret("a-token")


def sent(manager: TokenManager, *statuses: int) -> list[str]:
    """The Authorization headers of one exchange whose requests are answered so."""
    flow, headers = Bearer(manager).flow(), []
    headers.append(next(flow))
    for status in statuses:
        try:
            headers.append(flow.send(status))
        except StopIteration:
            break
    return headers


def test_a_refused_token_is_replaced_and_the_request_sent_again() -> None:
    assert sent(Bench().manager, 401, 200) == ["Bearer service-1", "Bearer service-2"]


def test_partitions_that_stay_refused_fail_without_a_storm_of_token_requests() -> None:
    bench = Bench()
    requests = [sent(bench.manager, 401, 401) for _ in range(100)]
    assert (bench.asked, sum(map(len, requests))) == (2, 101)
