"""Waiting for quota: who matters more goes first, everybody is told, and a stop ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from support.fake import FakeClock

from syncd.api.pacer import MemoryQuota, Pacer
from syncd.api.quota import Report
from syncd.clock import SystemClock
from syncd.errors import Stopped
from syncd.model import Priority

PATIENCE = 10.0
"""Seconds within which threads that run must have come so far."""


class GateClock(FakeClock):
    """A clock whose sleepers a test holds and lets go; it counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers = threading.Semaphore(0)
        self.gate = threading.Event()

    def sleep(self, seconds: float) -> None:
        if not seconds:
            return
        self.sleepers.release()
        assert self.gate.wait(PATIENCE)
        super().sleep(seconds)


def used_up(pacer: Pacer, now: float) -> None:
    """The spike window is used up, and ends in nine seconds."""
    pacer.acquire(Priority.INTERACTIVE)
    pacer.answered(Report(25, 0, now + 9), now)


def started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_who_matters_more_overtakes_those_who_wait_already() -> None:
    clock = GateClock()
    pacer = Pacer(MemoryQuota(), clock)
    used_up(pacer, clock.monotonic())
    order: list[Priority] = []

    def ask(priority: Priority) -> None:
        pacer.acquire(priority)
        order.append(priority)
        pacer.answered(Report(25, 25 - len(order), clock.monotonic() + 10), clock.monotonic())

    threads = []
    for priority in (Priority.RECONCILE, Priority.FIRST_LOAD, Priority.INCREMENT, Priority.INTERACTIVE):
        threads.append(started(lambda priority=priority: ask(priority)))  # type: ignore[misc]
        assert clock.sleepers.acquire(timeout=PATIENCE)
    clock.advance(seconds=10)
    clock.gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert order == sorted(Priority)


def test_a_wait_is_told_of_and_costs_no_request() -> None:
    clock = FakeClock()
    pacer = Pacer(MemoryQuota(), clock)
    used_up(pacer, clock.monotonic())
    told: list[tuple[float, str]] = []
    pacer.acquire(Priority.INCREMENT, lambda seconds, why: told.append((round(seconds), why)))
    assert told[0] == (9, "quota")
    assert pacer.waited == pytest.approx(9, abs=1)


def test_a_stop_ends_the_wait_of_all_at_once() -> None:
    clock = SystemClock()
    pacer = Pacer(MemoryQuota(), clock)
    pacer.acquire(Priority.INTERACTIVE)
    now = clock.now().timestamp()
    pacer.answered(Report(25, 0, now + 9, blocked_until=now + 3000), now)
    waiting, stopped = threading.Barrier(9), []

    def ask() -> None:
        waiting.wait(PATIENCE)
        with pytest.raises(Stopped):
            pacer.acquire(Priority.FIRST_LOAD)
        stopped.append(1)

    threads = [started(ask) for _ in range(8)]
    waiting.wait(PATIENCE)
    clock.stop()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(stopped) == 8
