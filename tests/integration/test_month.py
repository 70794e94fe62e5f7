"""A simulated month of the daemon: a clock that jumps, a sandbox with bad luck, restarts, sleep, summer time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.equality import differences
from support.simulation import START, Simulation

from syncd.daemon.due import Cron

END = START + timedelta(days=30)
ASLEEP = (datetime(2026, 3, 3, 6, tzinfo=UTC), datetime(2026, 3, 5, 7, tzinfo=UTC))
RESOURCES = ("projects", "rfis", "vendors", "submittals")
NIGHTLY = ("5 2 * * *", "America/Los_Angeles")


@pytest.mark.long
def test_a_month_passes_with_every_due_run_happening_once_or_recorded_as_skipped(tmp_path: Path) -> None:
    line, zone = NIGHTLY
    jobs = {
        "often": {"resources": ["projects", "vendors"], "schedule": {"every": "6h"}},
        "nightly": {"resources": ["rfis", "submittals"], "schedule": {"cron": line, "timezone": zone}},
    }
    month = Simulation(tmp_path, jobs)
    box = month.box

    def day(number: float) -> datetime:
        return START + timedelta(days=number)

    events: list[tuple[datetime, Callable[[], object]]] = [
        *((day(number + 0.3), lambda: box.stir(5)) for number in range(29)),
        *((day(number + 0.71), month.restart) for number in (1, 9, 15, 16, 25)),
        (ASLEEP[0], lambda: month.sleep_until(ASLEEP[1])),
        (day(3), lambda: box.fault("status", status=503, probability=0.05, count=60)),
        (day(6), lambda: box.fail_tokens(1800.0)),
        (day(18), lambda: box.quota.configure([(600, 3600.0), (20, 10.0)])),
        (day(20), lambda: box.quota.configure([(3600, 3600.0), (100, 10.0)])),
        (day(21), lambda: box.fault("truncate", probability=0.05, count=30)),
    ]
    month.live(END, events)
    box.faults.clear()
    month.live(END + timedelta(days=2))

    runs = month.rows(
        "select job, status, trigger, due_at, started_at, error from syncd_runs order by started_at, due_at"
    )
    _check_nightly([run for run in runs if run.job == "nightly"])
    often = [run for run in runs if run.job == "often"]
    assert 100 < len(often) < 150
    assert not [run for run in runs if run.status == "running"]
    assert max(_repetitions([run for run in often if run.status in {"ok", "partial"}]).values()) == 1
    statuses = {
        row.status: row.count for row in month.rows("select status, sum(count) as count from syncd_requests group by 1")
    }
    assert not {401, 429} & statuses.keys(), statuses
    assert statuses[200] > 300
    asleep = [run for run in often if run.status == "skipped" and "missed" in run.error]
    assert any(run.error.startswith(("7 runs", "8 runs")) for run in asleep), [run.error for run in asleep]
    for job in ("often", "nightly"):
        month.app.run_job(job, _plain(), trigger="manual")
    projects = [project.id for project in box.projects]
    assert differences(month.app, box, RESOURCES, projects) == []
    month.agenda.close()


def _plain() -> Any:
    from syncd.jobs.protocol import Request  # noqa: PLC0415 - beside its use

    return Request(full=True)


def _repetitions(runs: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for run in runs:
        found[run.due_at] = found.get(run.due_at, 0) + 1
    return found


def _check_nightly(runs: list[Any]) -> None:
    """Every night of the month: done exactly once, or skipped with a reason."""
    cron = Cron(*NIGHTLY)
    moment, done = cron.after(START), _repetitions([run for run in runs if run.status in {"ok", "partial"}])
    skipped = {run.due_at: run.error for run in runs if run.status == "skipped"}
    while moment is not None and moment < END:
        key = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
        assert done.get(key, 0) + (key in skipped) == 1, (key, done.get(key), skipped.get(key))
        assert skipped.get(key, "a reason")
        moment = cron.after(moment)
    assert set(done.values()) == {1}
