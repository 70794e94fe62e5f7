"""Whether schedules fit an allowance, and what would."""

import pytest

from syncd.engine.allowance import Allowance, Demand
from syncd.engine.costs import Costs

HOUR = 3600.0
SMALL = Allowance(hour=480, second=2)


@pytest.mark.parametrize(
    ("requests", "seconds"),
    [(0, 0), (100, 50), (480, 240), (481, HOUR + 0.5), (1200, 2 * HOUR + 120)],
)
def test_requests_beyond_an_hours_allowance_wait_for_the_next_hour(requests: float, seconds: float) -> None:
    assert SMALL.seconds(requests) == pytest.approx(seconds)


def test_a_slow_answer_limits_more_than_the_allowance() -> None:
    assert Allowance(hour=100_000, second=1).seconds(5000) == 5000


def test_complete_readings_take_the_place_of_usual_runs_once_a_period() -> None:
    demand = Demand(Costs(first=300, incremental=100, reconcile=268), every=HOUR, refresh=168 * HOUR)
    assert demand.per_hour == pytest.approx(101)


def test_every_run_reads_all_where_the_period_is_shorter_than_the_interval() -> None:
    demand = Demand(Costs(first=300, incremental=100, reconcile=300), every=24 * HOUR, refresh=HOUR)
    assert demand.per_run == 300


@pytest.mark.parametrize(
    ("incremental", "every", "fits", "fitting"),
    [
        (100, 900, True, 900),
        (200, 900, False, 1800),
        (480, 900, False, HOUR),
        (2000, HOUR, False, 6 * HOUR),
        (10**6, HOUR, False, None),
    ],
)
def test_the_shortest_usual_interval_that_fits_is_found(
    incremental: float, every: float, *, fits: bool, fitting: float | None
) -> None:
    demand = Demand(Costs(incremental=incremental, reconcile=incremental), every, 168 * HOUR)
    assert demand.fits(SMALL) is fits
    assert demand.fitting(SMALL) == fitting
