"""When jobs are due, as a function of schedule, past and time."""

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.daemon.due import Cron, Upcoming, missed_during, offset_of, pause_after, upcoming
from syncd.storage.timetable import Past

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOS_ANGELES = zoneinfo.ZoneInfo("America/Los_Angeles")


@dataclass(frozen=True)
class Plan:
    every: timedelta | None = None
    cron: str | None = None
    timezone: str = "UTC"
    jitter: timedelta = timedelta(0)


QUARTERLY = Plan(every=timedelta(minutes=15))
NIGHTLY = Plan(cron="5 2 * * *", timezone="America/Los_Angeles")


def ok(at: datetime) -> Past:
    return Past(due_at=at, started_at=at, finished_at=at + timedelta(seconds=10), status="ok")


def failed(at: datetime, times: int, exit_code: int = 1) -> Past:
    return Past(at, at, at, "failed", failures=times, failed_at=at, exit_code=exit_code)


def wanted(plan: Plan, past: Past | None, now: datetime, since: datetime = START) -> Upcoming:
    found = upcoming(plan, "job", past, now, since)
    assert found is not None
    return found


def instants(plan: Plan, start: datetime, end: datetime) -> list[datetime]:
    assert plan.cron is not None
    cron, found = Cron(plan.cron, plan.timezone), []
    moment = cron.after(start)
    while moment is not None and moment <= end:
        found.append(moment)
        moment = cron.after(moment)
    return found


def test_a_job_with_an_interval_begins_at_once_and_then_counts_from_its_start() -> None:
    assert wanted(QUARTERLY, None, START).start == START
    late = Past(START, START + timedelta(seconds=40), START + timedelta(minutes=3), "ok")
    assert wanted(QUARTERLY, late, START).start == START + timedelta(minutes=15, seconds=40)


def test_a_cron_job_waits_for_its_first_instant() -> None:
    assert wanted(NIGHTLY, None, START).start == datetime(2026, 3, 2, 10, 5, tzinfo=UTC)


def test_a_late_timer_still_fires_and_is_no_catch_up() -> None:
    found = wanted(QUARTERLY, ok(START), START + timedelta(minutes=15, seconds=30))
    assert (found.start, found.trigger, found.missed) == (START + timedelta(minutes=15), "schedule", 0)


def test_two_days_asleep_are_made_up_for_by_one_run() -> None:
    now = START + timedelta(days=2, minutes=1)
    found = wanted(QUARTERLY, ok(START), now)
    assert found.start <= now
    assert (found.due_at, found.trigger, found.missed) == (START + timedelta(days=2), "catch-up", 191)
    assert found.first_missed == START + timedelta(minutes=15)
    assert found.last_missed == START + timedelta(days=2, minutes=-15)
    assert wanted(QUARTERLY, ok(now), now).start > now


def test_a_run_that_the_process_or_a_stop_broke_off_is_taken_up_at_once() -> None:
    now = START + timedelta(minutes=2)
    for past in (Past(START, START, None, "running"), Past(START, START, START, "partial", stopped=True)):
        found = wanted(NIGHTLY, past, now)
        assert (found.start, found.due_at, found.trigger) == (now, START, "catch-up")


def test_failures_double_the_pause_up_to_six_hours() -> None:
    pauses = [wanted(NIGHTLY, failed(START, times), START).start - START for times in (1, 2, 3, 4, 30)]
    assert pauses == [timedelta(minutes=m) for m in (1, 2, 4, 8, 360)]


def test_consent_is_looked_for_every_quarter_of_an_hour_at_the_least() -> None:
    assert pause_after(1, 4) == timedelta(minutes=1)
    assert pause_after(50, 4) == timedelta(minutes=15)


def test_a_failing_job_passes_over_the_instants_of_its_pause() -> None:
    past = failed(START, 7)
    now = START + timedelta(minutes=64)
    found = wanted(QUARTERLY, past, now)
    assert found.start == now
    assert (found.due_at, found.missed) == (START + timedelta(minutes=60), 3)
    assert wanted(QUARTERLY, past, now - timedelta(seconds=1)).start > now - timedelta(seconds=1)


def test_a_configuration_read_again_ends_the_pause_of_jobs_that_failed_before() -> None:
    past, now = failed(START, 9), START + timedelta(minutes=5)
    corrected = START + timedelta(minutes=4)
    found = upcoming(QUARTERLY, "job", past, now, START, corrected)
    assert found is not None
    assert (found.start, found.due_at, found.trigger) == (corrected, START, "catch-up")
    failed_since = upcoming(QUARTERLY, "job", failed(now, 9), now, START, corrected)
    assert failed_since is not None
    assert failed_since.start == now + timedelta(minutes=256)


def test_instants_that_come_during_a_run_are_skipped_together() -> None:
    assert missed_during(QUARTERLY, ok(START), START + timedelta(minutes=14)) is None
    found = missed_during(QUARTERLY, ok(START), START + timedelta(minutes=50))
    assert found is not None
    assert (found.first_missed, found.due_at, found.missed) == (
        START + timedelta(minutes=15),
        START + timedelta(minutes=45),
        2,
    )
    skipped = Past(found.due_at, START + timedelta(minutes=50), START + timedelta(minutes=50), "skipped")
    assert wanted(QUARTERLY, skipped, START + timedelta(minutes=50)).start == START + timedelta(minutes=60)


def test_jitter_is_the_same_every_time_and_spreads_jobs() -> None:
    hour = timedelta(hours=1)
    offsets = {offset_of(f"job-{number}", hour) for number in range(50)}
    assert len(offsets) > 40
    assert all(timedelta(0) <= offset < hour for offset in offsets)
    plan = Plan(cron="0 * * * *", jitter=hour / 2)
    now = START + timedelta(minutes=1)
    found = wanted(plan, ok(START), now)
    assert found.start - found.due_at == offset_of("job", hour / 2)
    again = wanted(plan, ok(found.due_at), found.start)
    assert again.due_at == found.due_at + hour


@pytest.mark.parametrize(
    ("line", "day", "walls"),
    [
        ("30 2 * * *", datetime(2026, 3, 8, tzinfo=LOS_ANGELES), ["03:30"]),
        ("30 1 * * *", datetime(2026, 11, 1, tzinfo=LOS_ANGELES), ["01:30"]),
        ("30 0-3 * * *", datetime(2026, 3, 8, tzinfo=LOS_ANGELES), ["00:30", "01:30", "03:30"]),
        ("30 * * * *", datetime(2026, 11, 1, tzinfo=LOS_ANGELES), ["00:30", "01:30", "01:30", "02:30", "03:30"]),
        ("0 */2 * * *", datetime(2026, 3, 8, tzinfo=LOS_ANGELES), ["00:00", "03:00"]),
    ],
)
def test_changes_of_the_clock_neither_lose_a_run_nor_double_one(line: str, day: datetime, walls: list[str]) -> None:
    plan = Plan(cron=line, timezone=LOS_ANGELES.key)
    found = instants(plan, day.astimezone(UTC) - timedelta(seconds=1), end_of(day))
    assert [f"{moment.astimezone(LOS_ANGELES):%H:%M}" for moment in found] == walls


def end_of(start: datetime) -> datetime:
    """Shortly before four o'clock, local time."""
    return start.replace(hour=3, minute=59).astimezone(UTC)


PLANS = st.sampled_from(
    [
        Plan(cron=line, timezone=zone, jitter=jitter)
        for line in ("5 2 * * *", "30 1 * * *", "*/20 * * * *", "0 6 * * mon", "15 */6 * * *", "30 2 1 * *")
        for zone in ("UTC", "America/Los_Angeles", "Australia/Lord_Howe")
        for jitter in (timedelta(0), timedelta(minutes=10))
    ]
)
NAPS = st.lists(
    st.one_of(
        st.timedeltas(timedelta(seconds=1), timedelta(minutes=30)),
        st.timedeltas(timedelta(hours=1), timedelta(days=9)),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=60, deadline=None)
@given(PLANS, st.sampled_from([datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 10, 30, tzinfo=UTC)]), NAPS)
def test_every_instant_is_served_or_made_up_for_exactly_once_whenever_the_daemon_looks(
    plan: Plan, start: datetime, naps: list[timedelta]
) -> None:
    now, past = start, ok(start)
    served: list[datetime] = []
    for nap in naps:
        now += nap
        found = wanted(plan, past, now)
        if found.start > now:
            continue
        if found.first_missed is not None:
            assert found.last_missed is not None
            missed = instants(plan, found.first_missed - timedelta(microseconds=1), found.last_missed)
            assert len(missed) == found.missed or found.missed == 1000
            served += missed
        served.append(found.due_at)
        past = Past(found.due_at, now, now, "ok")
        again = wanted(plan, past, now)
        assert again.start > now
    assert served == instants(plan, start, now - offset_of("job", plan.jitter))
