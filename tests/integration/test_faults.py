"""Whatever goes wrong on the way: a run says so and ends, and the next healthy one makes the tables true."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.equality import differences
from support.hurried import HurriedClock, hurried
from support.program import QUOTA, Site
from support.sandbox import SMALL

from syncd.jobs.protocol import Request
from syncd.model import RunReport
from syncd.sandbox.server import Sandbox

RESOURCES = ["projects", "rfis", "vendors", "submittals"]
LISTS = r"/rest/v1\.\d/projects/\d+/(rfis|submittals)|/rest/v1\.\d/vendors"
MOST_REQUESTS = 400
LONGEST = 3 * 3600.0

ONE_BY_ONE: Mapping[str, Mapping[str, Any]] = {
    **{
        f"{status} once": {"kind": "status", "status": status, "path": LISTS, "count": 1}
        for status in (400, 401, 403, 408, 429, 503)
    },
    **{f"{status} always": {"kind": "status", "status": status, "path": LISTS} for status in (302, 404, 422, 503)},
    "a page of HTML": {"kind": "status", "status": 502, "body": "<html>Bad gateway</html>", "count": 2},
    "slow answers": {"kind": "delay", "seconds": 0.05, "count": 3},
    "resets": {"kind": "reset", "path": LISTS, "every": 2},
    "resets always": {"kind": "reset", "path": LISTS},
    "bodies cut short": {"kind": "truncate", "path": LISTS, "every": 2},
    "bodies cut short always": {"kind": "truncate", "path": LISTS},
    "garbage": {"kind": "body", "body": "]]garbage", "path": LISTS, "count": 2},
    "garbage always": {"kind": "body", "body": "]]garbage", "path": LISTS},
    "an object for a list": {"kind": "body", "body": '{"message": "hello"}', "path": LISTS},
    "null for a list": {"kind": "body", "body": "null", "path": LISTS},
    "no quota headers": {
        "kind": "headers",
        "headers": {f"X-Rate-Limit-{one}": None for one in ("Limit", "Remaining", "Reset")},
    },
    "nonsense in headers": {
        "kind": "headers",
        "headers": {
            "X-Rate-Limit-Remaining": "-1",
            "X-Rate-Limit-Reset": "soon",
            "Total": "many",
            "Date": "yesterday",
        },
        "count": 5,
    },
    "no total": {"kind": "headers", "headers": {"Total": None, "Per-Page": None}},
    "empty lists": {"kind": "empty", "path": LISTS},
    "a link in circles": {"kind": "link", "link": "loop", "path": LISTS},
    "no link": {"kind": "link", "link": "missing", "path": LISTS},
    "a link to another host": {"kind": "link", "link": "http://127.0.0.1:9/rest/v1.0/x?page=2", "path": LISTS},
    "a record deleted meanwhile": {"kind": "drift", "change": "delete", "path": "/submittals", "count": 3},
    "a record created meanwhile": {"kind": "drift", "change": "create", "path": LISTS, "count": 3},
    "a record edited meanwhile": {"kind": "drift", "change": "edit", "path": LISTS},
}


def spoilt_and_healed(folder: Path, faults: Sequence[Mapping[str, Any]]) -> RunReport:
    """A run among faults, then healthy ones in which the tables become equal to the source."""
    clock = HurriedClock()
    box = Sandbox(**SMALL, quota=QUOTA, clock=clock.unix)  # type: ignore[arg-type]  # a mixture of ints and floats
    box.start()
    try:
        site = Site(folder, box)
        site.job("all", resources=RESOURCES, full_refresh={"every": "0s"})
        with hurried(site, clock) as app:
            for fault in faults:
                box.fault(**fault)
            began = clock.monotonic()
            report = app.run_job("all", Request(), trigger="manual")
            assert report.status in ("ok", "partial", "failed")
            assert report.status == "ok" or report.error or any(one.error for one in report.resources)
            assert report.requests <= MOST_REQUESTS
            assert clock.monotonic() - began <= LONGEST
            box.faults.clear()
            clock.sleep(3600)
            healed = app.run_job("all", Request(full=True, retry_refused=True), trigger="manual")
            assert (healed.status, healed.error) == ("ok", None)
            assert differences(app.database, app.catalog, box, RESOURCES, [one.id for one in box.projects]) == []
        return report
    finally:
        box.stop()


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_run_survives_each_fault_and_the_next_makes_the_tables_true(tmp_path: Path, name: str) -> None:
    report = spoilt_and_healed(tmp_path, [ONE_BY_ONE[name]])
    assert report.status in ("ok", "partial")


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(sorted(ONE_BY_ONE)), st.sampled_from((0.1, 0.5))), min_size=2, max_size=4))
def test_a_run_survives_mixtures_of_faults(faults: Sequence[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spoilt_and_healed(Path(folder), [{**ONE_BY_ONE[name], "probability": chance} for name, chance in faults])


@pytest.mark.parametrize("status", [400, 403, 404, 406, 422])
def test_a_status_that_no_retry_can_change_is_asked_once(
    tmp_path: Path, make_sandbox: Callable[..., Sandbox], status: int
) -> None:
    box = make_sandbox(quota=QUOTA)
    site = Site(tmp_path, box)
    site.job("all", resources=["projects", "vendors"])
    fault = box.fault("status", status=status, path="/vendors")
    with hurried(site, HurriedClock()) as app:
        report = app.run_job("all", Request(), trigger="manual")
    assert report.status == "partial"
    assert any(str(status) in str(one.error) for one in report.resources)
    assert fault.matched == 1
