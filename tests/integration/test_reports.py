"""What the reports read, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.migrate import verify
from syncd.storage.reports import Reports

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_runs_are_counted_by_day_and_a_partition_that_is_gone_does_not_age_its_table(database_url: str) -> None:
    database = Database(database_url, "procore")
    verify(database)
    before, now = NOON - timedelta(days=1), NOON
    with database.write() as connection:
        for number, (began, status) in enumerate([(before, "partial"), (now, "ok")]):
            connection.execute(
                insert(own.runs).values(
                    id=f"run-{number}", job="field", job_type="resources", principal="service", trigger="schedule",
                    status=status, started_at=began, finished_at=began, rows_read=5,
                )
            )  # fmt: skip
            connection.execute(
                insert(own.run_resources).values(
                    run_id=f"run-{number}", resource="rfis", status=status, mode="full", partitions=1,
                    **{f"rows_{one}": 0 for one in ("read", "inserted", "updated", "unchanged", "deleted", "rejected")},
                )
            )  # fmt: skip
            connection.execute(
                insert(own.partitions).values(
                    principal="service", resource="rfis", company_id=1, project_id=number + 1, parent="",
                    status="ok", stored=3, checked_at=began, run_id=f"run-{number}",
                )
            )  # fmt: skip
    reports = Reports(database)
    days = [(one.day, one.status, one.count) for one in reports.run_days(["field"], before)]
    assert days == [(before.date(), "partial", 1), (now.date(), "ok", 1)]
    assert reports.run_totals(["field"], before)[1]["field", "read"] == 10
    assert [run.status for run in reports.recent_errors(["field"], before)] == ["partial"]
    assert reports.last_runs(["field", "other"])["field"].status == "ok"
    assert [one.oldest for one in reports.freshness()] == [before]
    assert [(one.oldest, one.partitions) for one in reports.freshness(["field"])] == [(now, 1)]
    database.close()
