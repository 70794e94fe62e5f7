"""The two quota windows: all of the permitted share is used, none of it exceeded, and no header is believed blindly."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.api.quota import Quota, Report, Told, oddity, quota_of
from syncd.model import Priority
from syncd.sandbox.quota import Quota as Server

NOW = 1_790_000_000.0
PROCORE = ((600, 3600.0), (25, 10.0))
"""Procore's own example of an app's allowance."""


@dataclass
class World:
    """A simulation: a server with windows, clients that share a ledger, time in events.

    Args:
        windows: The server's limits.
        share: Part of them that the clients may use.
        latency: Seconds from a request to its answer, drawn anew for each.
    """

    windows: tuple[tuple[int, float], ...] = PROCORE
    share: float = 0.8
    latency: Callable[[], float] = lambda: 0.2
    now: float = NOW + 0.3
    quota: Quota = field(default_factory=Quota)
    answers: list[tuple[float, bool]] = field(default_factory=list)
    sent: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = Server(lambda: self.now, self.windows)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._told = Told()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), act))

    def worker(self, priority: int = 0, latency: float | None = None) -> None:
        """Take a slot, send, and begin again when the answer has come."""
        self.quota = self.quota.hearing(self._told, self.now)
        self._told = Told()
        self.quota, granted, wait = self.quota.take(1, self.share, self.now, priority=priority)

        def again() -> None:
            self.worker(priority, latency)

        if not granted:
            self.after(min(max(wait, 0.01), 1.0), again)
            return
        self.sent.append((self.now, priority))
        half = (latency or self.latency()) / 2
        self.after(half, lambda: self._serve(half, again))

    def _serve(self, half: float, again: Callable[[], None]) -> None:
        verdict = self.server.take()
        self.answers.append((self.now, verdict.allowed))
        headers = verdict.headers
        report = Report(
            int(headers["X-Rate-Limit-Limit"]),
            int(headers["X-Rate-Limit-Remaining"]),
            float(headers["X-Rate-Limit-Reset"]),
            None if verdict.allowed else self.now + float(headers["Retry-After"]),
        )
        self.after(half, lambda: self._answer(report, again))

    def _answer(self, report: Report, again: Callable[[], None]) -> None:
        self._told = Told((*self._told.reports, report), self._told.answered + 1)
        again()

    def run(self, seconds: float, workers: int = 8, priority: int = 0) -> None:
        end = self.now + seconds
        for _ in range(workers):
            self.after(0.0, lambda: self.worker(priority))
        while self._events and self._events[0][0] <= end:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self._events.clear()

    @property
    def refused(self) -> int:
        return sum(not allowed for _, allowed in self.answers)


def test_a_spike_allowance_of_25_is_used_to_the_permitted_share_and_never_exceeded() -> None:
    world = World(windows=((100_000, 3600.0), (25, 10.0)))
    world.run(600)
    assert world.refused == 0
    assert set(world.server.windows[1].ended) == {20}


def test_an_hour_of_600_is_used_to_the_permitted_share_and_never_exceeded() -> None:
    world = World()
    world.run(3 * 3600)
    assert world.refused == 0
    hours = Counter(int((moment - NOW) // 3600) for moment, _ in world.answers)
    assert all(hours[hour] >= 0.9 * 480 for hour in range(3))


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_any_share_is_used_and_kept_to(share: float) -> None:
    world = World(windows=((100_000, 3600.0), (25, 10.0)), share=share)
    world.run(600)
    assert world.refused == 0
    windows = Counter(int((moment - int(NOW)) // 10) for moment, _ in world.answers)
    assert len(world.answers) >= 0.9 * int(25 * share) * 60 * (10 / 11 if share == 1 else 1)
    assert max(windows.values()) <= 25


def sent_per_window(world: World, priority: int, since: float) -> float:
    """Requests of a priority per spike window, from some time on."""
    moments = [moment for moment, who in world.sent if who == priority and moment >= since]
    return len(moments) / ((world.now - since) / 10)


def test_who_matters_more_gets_the_allowance_and_who_matters_less_the_rest() -> None:
    world = World(windows=((100_000, 3600.0), (25, 10.0)))
    for _ in range(8):
        world.after(100.0, lambda: world.worker(Priority.INTERACTIVE))
    world.run(300, priority=Priority.FIRST_LOAD)
    alone = [moment for moment, who in world.sent if moment < NOW + 100]
    assert len(alone) >= 0.9 * 20 * 10
    assert sent_per_window(world, Priority.INTERACTIVE, NOW + 120) >= 0.9 * 20
    assert world.refused == 0


def test_what_who_matters_more_does_not_need_is_used_by_others() -> None:
    world = World(windows=((100_000, 3600.0), (25, 10.0)))
    world.after(0.0, lambda: world.worker(Priority.INTERACTIVE, latency=2.0))
    world.run(300, priority=Priority.RECONCILE)
    slow = sent_per_window(world, Priority.INTERACTIVE, NOW + 20)
    assert slow >= 0.9 * 5
    assert slow + sent_per_window(world, Priority.RECONCILE, NOW + 20) >= 0.9 * 20


def test_where_the_hour_is_short_the_order_is_kept_too() -> None:
    world = World(windows=((600, 3600.0), (250, 10.0)))
    for _ in range(2):
        world.after(0.0, lambda: world.worker(Priority.INCREMENT, latency=4.0))
    world.run(2 * 3600, priority=Priority.FIRST_LOAD)
    second = [who for moment, who in world.sent if moment >= NOW + 3600]
    assert second.count(Priority.INCREMENT) >= 0.9 * 480
    assert world.refused == 0


@settings(max_examples=15, deadline=None)
@given(
    limit=st.integers(5, 60),
    seconds=st.integers(2, 10),
    factor=st.integers(2, 30),
    length=st.integers(13, 90),
    latency=st.lists(st.floats(0.01, 1.5), min_size=1, max_size=10),
    workers=st.integers(1, 8),
)
def test_windows_of_any_size_are_learned_and_never_exceeded(
    limit: int, seconds: int, factor: int, length: int, latency: list[float], workers: int
) -> None:
    drawn = itertools.cycle(latency)
    world = World(((limit * factor, float(length)), (limit, float(seconds))), latency=lambda: next(drawn))
    world.run(300, workers)
    assert world.refused == 0
    rate = min(limit * factor / length, limit / seconds, workers / (sum(latency) / len(latency)))
    assert len(world.answers) > 0.2 * rate * 300


def test_what_other_users_of_the_app_take_is_left_to_them() -> None:
    world = World(windows=((100_000, 3600.0), (25, 10.0)))

    def other() -> None:
        world.server.take()
        world.after(2.5, other)

    world.after(0.0, other)
    world.run(300)
    assert world.refused == 0
    assert len(world.answers) >= 0.9 * 16 * 30


def told(limit: int | None, remaining: int | None, reset: float | None, blocked: float | None = None) -> Told:
    return Told((Report(limit, remaining, reset, blocked),), answered=1)


def test_the_windows_are_told_apart_by_limit_and_reset() -> None:
    quota = Quota().hearing(told(25, 20, NOW + 8), NOW).hearing(told(600, 100, NOW + 3000), NOW)
    assert quota.spike is not None
    assert quota.hour is not None
    assert (quota.spike.limit, quota.spike.reset) == (25, NOW + 8)
    assert (quota.hour.limit, quota.hour.remaining, quota.hour.reset) == (600, 100, NOW + 3000)
    near_its_end = quota.hearing(told(600, 90, NOW + 3000), NOW + 2995)
    assert near_its_end.hour is not None
    assert near_its_end.hour.remaining == 90


def test_an_hour_first_met_near_its_end_is_not_taken_for_the_spike() -> None:
    quota = Quota().hearing(told(600, 200, NOW + 9), NOW).hearing(told(25, 24, NOW + 4), NOW)
    assert [(window.name, window.limit) for window in quota.windows()] == [("hour", 600), ("spike", 25)]


def test_a_limit_that_changes_is_believed() -> None:
    quota = Quota().hearing(told(25, 20, NOW + 8), NOW).hearing(told(600, 500, NOW + 3000), NOW)
    changed = quota.hearing(told(50, 40, NOW + 8), NOW + 1).hearing(told(1200, 900, NOW + 3000), NOW + 1)
    assert [window.limit for window in changed.windows()] == [1200, 50]


def test_without_any_header_a_careful_default_holds() -> None:
    quota, sent, now = Quota(), 0, NOW
    for _ in range(3000):
        quota, granted, _ = quota.take(1, 0.8, now)
        sent += granted
        quota = quota.hearing(told(None, None, None) if granted else Told(), now)
        now += 0.1
    assert 0.8 * 20 * 30 <= sent <= 25 * 30


def test_a_refusal_holds_everybody_until_its_end_and_then_lets_one_ask() -> None:
    quota = Quota().hearing(told(25, 0, NOW + 9, blocked=NOW + 9), NOW)
    assert quota.take(8, 0.8, NOW + 8.5)[1:] == (0, 0.5)
    quota, granted, _ = quota.take(8, 0.8, NOW + 9.5)
    assert granted == 1
    assert quota.take(8, 0.8, NOW + 9.6)[1] == 0


def test_a_wait_is_never_too_short_for_a_clock_to_tell() -> None:
    quota = Quota().hearing(told(25, 0, NOW + 9, blocked=NOW + 9), NOW)
    _, granted, wait = quota.take(1, 0.8, NOW + 9 - 3e-7)
    assert granted == 0
    assert wait >= 0.01


def test_slots_of_a_process_that_died_come_back() -> None:
    quota = Quota().hearing(told(25, 25, NOW + 10), NOW)
    for _ in range(40):
        quota, _, _ = quota.take(16, 0.8, NOW)
    assert quota.reserved >= 19
    sent = 0
    for step in range(300):
        now = NOW + 0.2 * step
        quota, granted, _ = quota.take(1, 0.8, now)
        sent += granted
        quota = quota.hearing(told(25, 24 - sent % 20, 10.0 * (now // 10) + 10) if granted else Told(), now)
    assert sent >= 0.9 * 20 * 4


def test_answers_of_one_process_that_count_requests_of_another_cost_no_slot() -> None:
    quota, first, _ = Quota().hearing(told(25, 24, NOW + 10), NOW).take(4, 0.8, NOW)
    quota, second, _ = quota.take(3, 0.8, NOW)
    used = 1 + first + second
    quota = quota.hearing(Told((Report(25, 25 - used, NOW + 10, answers=first),), answered=first), NOW + 1)
    quota = quota.hearing(Told((Report(25, 26 - used, NOW + 10, answers=second),), answered=second), NOW + 1)
    left = [quota := quota.take(1, 0.8, NOW + 1)[0] for _ in range(20 - used)]
    assert all(one.spike is not None and one.spike.remaining >= 5 for one in left)
    assert quota.take(1, 0.8, NOW + 1)[1] == 0


def test_a_request_that_straddles_two_windows_counts_in_one() -> None:
    quota, late, _ = Quota().hearing(told(25, 24, NOW + 10), NOW).take(4, 0.8, NOW + 9)
    quota, probe, _ = quota.take(4, 0.8, NOW + 10)
    assert (late, probe) == (4, 1)
    quota = quota.hearing(told(25, 24, NOW + 20), NOW + 10.1)
    assert quota.spike is not None
    assert quota.spike.remaining == 20, "the four may count in the new window"
    quota = quota.hearing(Told((Report(25, 20, NOW + 10, answers=4),), answered=4), NOW + 10.2)
    assert quota.spike is not None
    assert quota.spike.remaining == 24, "they did not"


def test_a_late_answer_of_the_window_before_is_not_taken_for_one_of_a_window_not_yet_told_of() -> None:
    quota = Quota().hearing(told(600, 500, NOW + 3000), NOW).hearing(told(25, 5, NOW + 10), NOW)
    quota = quota.take(1, 0.8, NOW + 10)[0].hearing(told(600, 499, NOW + 3000), NOW + 10.1)
    for _ in range(5):
        quota, _, _ = quota.take(2, 0.8, NOW + 10.2)
    late = quota.hearing(told(25, 5, NOW + 10), NOW + 10.3)
    assert quota.spike is not None
    assert late.spike is not None
    assert late.spike.reset == quota.spike.reset > NOW + 19
    assert late.spike.granted >= 10


def test_slots_in_advance_are_given_where_there_are_plenty() -> None:
    assert Quota().hearing(told(25, 25, NOW + 10), NOW).take(2, 0.8, NOW, spare=16)[1] == 2
    assert Quota().hearing(told(5000, 5000, NOW + 10), NOW).take(2, 0.8, NOW, spare=16)[1] == 18


def test_slots_that_were_not_needed_are_free_again() -> None:
    quota, granted, _ = Quota().hearing(told(25, 25, NOW + 10), NOW).take(4, 0.8, NOW)
    assert quota.take(5, 0.8, NOW + 1)[1] < granted
    assert quota.hearing(Told(unused=granted), NOW + 1).take(5, 0.8, NOW + 1)[1] == granted


def test_one_asker_does_not_take_all_that_is_left() -> None:
    quota = Quota().hearing(told(25, 25, NOW + 10), NOW)
    assert quota.take(16, 0.8, NOW)[1] <= 5


@pytest.mark.parametrize("by", [-600.0, 600.0])
def test_a_clock_that_turns_by_ten_minutes_costs_seconds_and_not_minutes(by: float) -> None:
    quota = Quota().hearing(told(25, 0, NOW + 9), NOW)
    now, granted, waited = NOW + by, 0, 0.0
    while not granted:
        quota, granted, wait = quota.take(1, 0.8, now)
        now, waited = now + wait, waited + wait
    assert waited <= 11


numbers = st.none() | st.integers(-(10**9), 10**12)
times = st.none() | st.floats(-(10**9), 10**12) | st.floats(-5000, 5000).map(lambda offset: NOW + offset)


@settings(deadline=None)
@given(reports=st.lists(st.tuples(numbers, numbers, times, times, st.floats(0, 20)), max_size=30))
def test_no_header_values_bring_a_hang_or_a_storm(
    reports: list[tuple[int | None, int | None, float | None, float | None, float]],
) -> None:
    quota, now = Quota(), NOW
    for limit, remaining, reset, blocked, pause in reports:
        quota, granted, wait = quota.take(4, 0.8, now)
        assert 0 <= granted <= 4
        assert granted or 0 < wait <= 60
        now += pause
        quota = quota.hearing(told(limit, remaining, reset, blocked), now)
        assert quota == quota_of(orjson.loads(orjson.dumps(asdict(quota))))
    waited = 0.0
    while not (result := quota.take(1, 0.8, now))[1]:
        quota, _, wait = result
        now, waited = now + wait, waited + wait
        assert waited <= 3700


def test_what_cannot_be_true_is_put_in_words() -> None:
    assert "-1" in oddity(Report(25, -1, NOW + 5), NOW)
    assert "87600 hours ahead" in oddity(Report(25, 5, NOW + 87600 * 3600), NOW)
    assert "limit of 0" in oddity(Report(0, 5, NOW), NOW)
    assert oddity(Report(25, 5, NOW + 5), NOW) == ""
    assert oddity(Report(), NOW) == ""
