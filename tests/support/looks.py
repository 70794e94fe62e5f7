"""Something to look at: a view that a test fills as it likes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.errors import SyncdError
from syncd.overview import History, JobView, Overview, QuotaView, TokenView, Totals
from syncd.storage.reports import Freshness, RefusalRow, RequestHour, RunDay, RunRow

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def run(job: str, status: str = "ok", ago: timedelta = timedelta(minutes=5), **changes: Any) -> RunRow:
    """A run that began some time ago."""
    began = NOW - ago
    row = RunRow("run-1", job, "schedule", status, began, began, began + timedelta(seconds=7), 12, 34, 5, None, None)
    return replace(row, **changes)


def looked() -> Overview:
    """An overview in which something of everything stands."""
    return Overview(
        now=NOW,
        jobs=[
            JobView("field", "resources", "service", "every 15m", run("field"), NOW + timedelta(minutes=10)),
            JobView(
                "money", "resources", "service", "", run("money", "failed", error="It broke.", remedy="Mend it."), None
            ),
        ],
        tables=[Freshness("rfis", "service", 3, NOW - timedelta(hours=2), NOW - timedelta(minutes=1), 0, 1234)],
        tokens=[TokenView("service", "ok", "", 1800.0)],
        quota=[QuotaView("hour", 3600, 3000, 2280, NOW + timedelta(minutes=30))],
        quota_share=0.8,
        refusals=[RefusalRow("service", "submittals", 1, 101, 403, "No access", 2, NOW, NOW + timedelta(hours=6))],
        rejects=0,
        observations={"403": 2, "429": 0},
    )


@dataclass
class Looks:
    """A view of what a test put into it.

    Attributes:
        seen: What `overview` gives.
        past: What `history` gives.
        sums: What `totals` gives.
        away: Raised instead, where it is set.
    """

    seen: Overview = field(default_factory=looked)
    past: History = field(
        default_factory=lambda: History(
            NOW - timedelta(days=13),
            [RunDay("field", NOW.date(), "ok", 40), RunDay("money", NOW.date(), "failed", 1)],
            [run("money", "failed", error="It broke.", remedy="Mend it.")] * 3,
            [RequestHour(NOW.replace(minute=0), 200, "", 600), RequestHour(NOW.replace(minute=0), 403, "", 2)],
        )
    )
    sums: Totals = field(default_factory=lambda: Totals({}, {}, {}))
    away: SyncdError | None = None

    def overview(self) -> Overview:
        """What is now."""
        if self.away is not None:
            raise self.away
        return self.seen

    def history(self) -> History:
        """What happened before."""
        return self.past

    def totals(self, since: datetime) -> Totals:
        """Sums of the ledgers."""
        return self.sums
