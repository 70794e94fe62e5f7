"""When a run goes on with an interrupted one, and which partitions that has read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syncd.engine.cursor import Cursor, Listing
from syncd.engine.options import Options
from syncd.engine.resume import LONGEST_REST, LONGEST_SILENCE, goes_on, is_read
from syncd.jobs.protocol import Request
from syncd.model import Continuation, Interrupted

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPTIONS = Options(company=1, projects="all", resources=(), logs_from=timedelta(days=30))
READ = Cursor(watermark=NOW, full_at=NOW, full_by="first", stored=True)


@pytest.mark.parametrize(("silence", "expected"), [(timedelta(0), True), (LONGEST_SILENCE * 1.01, False)])
def test_a_run_goes_on_with_one_that_was_alive_lately(*, silence: timedelta, expected: bool) -> None:
    assert goes_on(Interrupted("second", "first", NOW - silence, 5), NOW) is expected


def test_what_the_first_of_the_interrupted_runs_began_and_any_of_them_ended_is_read() -> None:
    assert is_read(READ, "first", OPTIONS, NOW)
    assert not is_read(READ, "another", OPTIONS, NOW)


@pytest.mark.parametrize(
    "cursor",
    [
        replace(READ, full_at=NOW - LONGEST_REST * 1.01),
        replace(READ, doubt=3),
        replace(READ, refreshed="2026-01-01"),
        replace(READ, listing=Listing("all", NOW, Continuation(page=2), "", 5, 0, sighted=False)),
        replace(READ, days=("2026-02-15", "2026-03-01")),
    ],
    ids=["long ago", "doubted", "days under way", "listing under way", "older days wanted"],
)
def test_what_is_not_whole_and_lately_read_is_asked_for(cursor: Cursor) -> None:
    assert not is_read(cursor, "first", OPTIONS, NOW)


def test_days_as_old_as_the_job_wants_are_read() -> None:
    assert is_read(replace(READ, days=("2026-01-30", "2026-03-01")), "first", OPTIONS, NOW)


def test_only_a_plain_request_is_answered_by_what_an_interrupted_run_has_done() -> None:
    assert Request(interactive=True).is_plain
    particular = [
        Request(full=True),
        Request(only=("rfis",)),
        Request(retry_refused=True),
        Request(accept_deletes=True),
    ]
    assert not any(request.is_plain for request in particular)
