"""Whatever goes wrong on the way: a run says so and ends, and the next healthy one makes the tables true."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
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
    **{f"{status} once": {"kind": "status", "status": status, "path": LISTS, "count": 1} for status in (400, 401, 403)},
    **{
        f"{status} always": {"kind": "status", "status": status, "path": LISTS}
        for status in (302, 400, 401, 403, 404, 406, 408, 422, 500, 502, 503, 504)
    },
    "429 always": {"kind": "status", "status": 429, "path": "/vendors"},
    "a page of HTML": {"kind": "status", "status": 502, "body": "<html>Bad gateway</html>", "count": 2},
    "slow answers": {"kind": "delay", "seconds": 0.05, "count": 3},
    "resets": {"kind": "reset", "path": LISTS, "every": 2},
    "resets always": {"kind": "reset", "path": LISTS},
    "bodies cut short": {"kind": "truncate", "path": LISTS, "every": 2},
    "bodies cut short always": {"kind": "truncate", "path": LISTS},
    "garbage": {"kind": "body", "body": "]]garbage", "path": LISTS, "count": 2},
    "garbage always": {"kind": "body", "body": "]]garbage", "path": LISTS},
    "lists in lists without end": {"kind": "body", "body": "[" * 100_000, "path": LISTS},
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


RETRIED = (408, 429, 500, 502, 503, 504)
FINAL = (400, 403, 404, 406, 422)


class Life:
    """A program that lives through faults one after the other, at a sandbox that lives in the same time.

    Args:
        folder: For its configuration and database.
        box: The sandbox.
        clock: Of both.
    """

    def __init__(self, folder: Path, box: Sandbox, clock: HurriedClock) -> None:
        self.box = box
        self.clock = clock
        self._site = Site(folder, box)
        self._site.job("all", resources=RESOURCES, full_refresh={"every": "0s"})
        self._open = contextlib.ExitStack()
        self.app = self._open.enter_context(hurried(self._site, clock))

    def close(self) -> None:
        """End both."""
        self._open.close()
        self.box.stop()

    def spoilt(self, faults: Sequence[Mapping[str, Any]]) -> RunReport:
        """A run among faults: it ends within its bounds, and names the cause of what it did not reach."""
        for fault in faults:
            self.box.fault(**fault)
        began = self.clock.monotonic()
        report = self.app.run_job("all", Request(), trigger="manual")
        assert report.status in ("ok", "partial", "failed")
        assert report.status == "ok" or report.error or any(one.error for one in report.resources)
        assert report.requests <= MOST_REQUESTS
        assert self.clock.monotonic() - began <= LONGEST
        return report

    def healed(self) -> None:
        """A healthy run, in which the tables become equal to the source."""
        self.box.faults.clear()
        self.clock.sleep(3600)
        report = self.app.run_job("all", Request(full=True, retry_refused=True), trigger="manual")
        assert (report.status, report.error) == ("ok", None)
        projects = [one.id for one in self.box.projects]
        assert differences(self.app, self.box, RESOURCES, projects) == []


def begun(folder: Path) -> Life:
    clock = HurriedClock()
    box = Sandbox(**SMALL, quota=QUOTA, clock=clock.unix)  # type: ignore[arg-type]  # a mixture of ints and floats
    box.start()
    return Life(folder, box, clock)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    life = begun(tmp_path_factory.mktemp("life"))
    life.healed()
    yield life
    life.close()


@pytest.fixture
def life(loaded: Life) -> Life:
    """One that has read everything, and now finds something new in each list."""
    for project in loaded.box.active_projects:
        loaded.box.create("rfis", project)
        loaded.box.create("submittals", project)
    loaded.box.create("vendors")
    return loaded


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_a_run_survives_each_fault_and_the_next_makes_the_tables_true(life: Life, name: str) -> None:
    report = life.spoilt([ONE_BY_ONE[name]])
    life.healed()
    assert report.status in ("ok", "partial")


@pytest.mark.parametrize(
    "body",
    [
        '[{"id": NaN}, {"id": 1, "number": NaN, "amount": -Infinity}]',
        '[{"id": 1, "name": "\\ud800", "subject": "\\udfff"}]',
    ],
    ids=["no number", "half a character"],
)
def test_values_that_strict_parsers_refuse_are_kept_and_go_again(life: Life, body: str) -> None:
    life.spoilt(
        [
            {"kind": "body", "body": body, "path": LISTS},
            {"kind": "headers", "headers": {"Link": None, "Total": None}, "path": LISTS},
        ]
    )
    with life.app.database.read() as connection:
        read = connection.exec_driver_sql("SELECT count(*) FROM rfis WHERE id = 1 AND _syncd_deleted_at IS NULL")
        assert read.scalar() == len(life.box.projects)
    life.healed()


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(sorted(ONE_BY_ONE)), st.sampled_from((0.1, 0.5))), min_size=2, max_size=4))
def test_a_first_load_survives_mixtures_of_faults(faults: Sequence[tuple[str, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(begun(Path(folder))) as life:
        life.spoilt([{**ONE_BY_ONE[name], "probability": chance} for name, chance in faults])
        life.healed()


@pytest.mark.parametrize("after", [None, "seconds", "date"])
@pytest.mark.parametrize("status", RETRIED)
def test_a_status_that_passes_is_waited_out_as_long_as_it_asks(life: Life, status: int, after: str | None) -> None:
    date = formatdate(life.clock.unix() + 25, usegmt=True)
    headers = {None: {}, "seconds": {"Retry-After": "20"}, "date": {"Retry-After": date}}[after]
    fault = life.box.fault("status", status=status, path=LISTS, count=2, headers=headers)
    slept = life.clock.slept
    report = life.spoilt([])
    slept = life.clock.slept - slept
    life.healed()
    assert (report.status, report.error, fault.applied) == ("ok", None, 2)
    assert slept >= (0 if after is None else 15)


@pytest.mark.parametrize("status", FINAL)
def test_a_status_that_no_retry_can_change_is_asked_once(life: Life, status: int) -> None:
    fault = life.box.fault("status", status=status, path=r"/vendors")
    report = life.spoilt([])
    life.healed()
    assert report.status == "partial"
    assert any(str(status) in str(one.error) for one in report.resources if one.resource == "vendors")
    assert fault.matched == 1


TEN_YEARS = 10 * 365 * 86400
ABSURD: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "a reset 10 years ahead": ("cannot be true", {"X-Rate-Limit-Reset": str(int(time.time()) + TEN_YEARS)}),
    "fewer than none left": ("cannot be true", {"X-Rate-Limit-Remaining": "-1"}),
    "a refusal for a day": ("absurd wait", {"status": 429, "count": 2}),
    "a pause of a day": ("absurd wait", {"status": 503, "count": 2}),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_headers_bring_no_hang_and_no_storm_but_a_sentence(life: Life, name: str) -> None:
    sentence, details = ABSURD[name]
    if "status" in details:
        fault = {"kind": "status", "path": LISTS, "headers": {"Retry-After": "86400"}, **details}
    else:
        fault = {"kind": "headers", "headers": details}
    slept = life.clock.slept
    with capture_logs() as lines:
        report = life.spoilt([fault])
    slept = life.clock.slept - slept
    life.healed()
    assert report.status == "ok"
    assert report.requests <= 50
    assert slept <= 1800
    assert any(sentence in line["event"] for line in lines)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_minutes_off_brings_no_hang_and_no_storm_but_a_sentence(life: Life, minutes: int) -> None:
    life.box.offset = minutes * 60.0
    slept = life.clock.slept
    try:
        with capture_logs() as lines:
            report = life.spoilt([])
            slept = life.clock.slept - slept
            life.healed()
    finally:
        life.box.offset = 0.0
    assert report.status == "ok"
    assert report.requests <= 50
    assert slept <= 1800
    assert [round(line["seconds"], -1) for line in lines if "clock differs" in line["event"]][:1] == [minutes * 60]
