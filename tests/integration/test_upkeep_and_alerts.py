"""Daily upkeep and incidents, on both databases."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from syncd.daemon.agenda import Ended
from syncd.daemon.alerts import Alerts
from syncd.errors import StoreError, SyncdError
from syncd.model import Counts, RunRecord, RunReport, Status
from syncd.storage.database import Database
from syncd.storage.incidents import Incident, Incidents
from syncd.storage.ledger import Ledger
from syncd.storage.migrate import verify
from syncd.storage.upkeep import Pruned, optimise, prune

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def database(database_url: str) -> Database:
    made = Database(database_url)
    verify(made)
    return made


@dataclass
class Friend:
    """Somebody who can be out."""

    on: tuple[str, ...] = ("failure", "recovery", "stale", "consent")
    heard: list[str] = field(default_factory=list)
    out: bool = False

    def tell(self, incident: Incident) -> None:
        if self.out:
            raise SyncdError("Nobody answers.", "Call later.")
        self.heard.append(incident.key)


def ended(status: Status, at: datetime, exit_code: int = 1) -> Ended:
    error = None if status is Status.OK else "It broke."
    return Ended(RunReport("field", "run", status, at, at, 0, Counts(), (), exit_code, error), 1, None)


def test_old_runs_go_but_each_jobs_latest_stays_because_schedules_count_from_it(database: Database) -> None:
    ledger = Ledger(database, lambda: NOW)
    for days in (500, 450, 420):
        at = NOW - timedelta(days=days)
        ledger.skip_run(RunRecord(f"run-{days}", "field", "resources", "service", "schedule", at, at), "asleep")
    cutoff = NOW - timedelta(days=400)
    assert prune(database, cutoff, cutoff, cutoff) == Pruned(2, 0, 0)
    assert prune(database, cutoff, cutoff, cutoff) == Pruned(0, 0, 0)
    optimise(database)
    database.close()


def test_an_incident_is_told_once_and_its_end_once_also_across_restarts(database: Database) -> None:
    friend = Friend()
    alerts = Alerts(Incidents(database), [friend], list, {"field"}, {"rfis"})
    for minute in range(3):
        alerts.ended(ended(Status.FAILED, NOW + minute * MINUTE))
        alerts.turn(NOW + minute * MINUTE)
    alerts = Alerts(Incidents(database), [friend], list, {"field"}, {"rfis"})
    alerts.ended(ended(Status.FAILED, NOW + 4 * MINUTE))
    alerts.turn(NOW + 4 * MINUTE)
    assert friend.heard == ["failure:field"]
    alerts.ended(ended(Status.OK, NOW + 5 * MINUTE, 0))
    alerts.turn(NOW + 5 * MINUTE)
    alerts.turn(NOW + 6 * MINUTE)
    assert friend.heard == ["failure:field", "recovery:field"]
    assert Incidents(database).all() == []
    database.close()


def test_an_alert_that_reaches_nobody_is_tried_again(database: Database) -> None:
    friend = Friend(out=True)
    alerts = Alerts(Incidents(database), [friend], list, {"field"}, {"rfis"})
    alerts.ended(ended(Status.FAILED, NOW, 4))
    alerts.turn(NOW)
    friend.out = False
    alerts.turn(NOW + MINUTE)
    assert friend.heard == []
    alerts.turn(NOW + 6 * MINUTE)
    assert friend.heard == ["consent:field"]
    database.close()


def test_a_database_that_is_away_is_told_of_without_it(database: Database) -> None:
    outages: list[Incident] = []
    nowhere = Database("sqlite:////dev/null/nowhere.db")
    friend = Friend(out=True)
    alerts = Alerts(Incidents(nowhere), [friend], list, {"field"}, set(), lambda: outages[0] if outages else None)

    def turn(minute: int) -> None:
        with pytest.raises(StoreError):
            alerts.turn(NOW + minute * MINUTE)

    turn(0)
    outages.append(Incident("failure", "database", "The database is away.", "Look after it.", NOW))
    turn(5)
    friend.out = False
    turn(6)
    assert friend.heard == [], "nobody could be reached a minute ago"
    for minute in range(10, 14):
        turn(minute)
    assert friend.heard == ["failure:database"]
    outages.clear()
    turn(20)
    turn(21)
    assert friend.heard == ["failure:database", "recovery:database"]
    database.close()


def test_a_stale_table_is_told_of_and_so_is_its_end(database: Database) -> None:
    friend, stale = Friend(), [("rfis", "Table rfis is old.", "Look at its job.")]
    alerts = Alerts(Incidents(database), [friend], lambda: stale, {"field"}, {"rfis"})
    alerts.turn(NOW)
    stale.clear()
    alerts.turn(NOW + 2 * MINUTE)
    assert friend.heard == ["stale:rfis", "recovery:rfis"]
    database.close()


def test_a_table_that_nobody_watches_any_more_is_not_called_fresh(database: Database) -> None:
    friend, stale = Friend(), [("rfis", "Table rfis is old.", "Look at its job.")]
    Alerts(Incidents(database), [friend], lambda: stale, {"field"}, {"rfis"}).turn(NOW)
    Alerts(Incidents(database), [friend], list, {"field"}, set()).turn(NOW + 2 * MINUTE)
    assert friend.heard == ["stale:rfis"]
    assert Incidents(database).all() == []
    database.close()
