"""Where processes agree on quota: the ledger in memory and the one in SQL behave alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from syncd.api.pacer import MemoryQuota
from syncd.api.ports import QuotaStore
from syncd.api.quota import Report, Told, quota_of
from syncd.model import Priority
from syncd.storage.database import Database
from syncd.storage.migrate import verify
from syncd.storage.quota import SqlQuota

NOW = 1_790_000_000.0


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    found = Database(database_url)
    verify(found)
    yield found
    found.close()


def life(first: QuotaStore, second: QuotaStore) -> list[object]:
    """What two askers are told in turn, with an answer in between."""
    told = Told((Report(25, 24, NOW + 10),), answered=1)
    steps: list[object] = [first.exchange(Told(), 8, 0.8, NOW), second.exchange(Told(), 8, 0.8, NOW)]
    steps += [first.exchange(told, 8, 0.8, NOW), *(second.exchange(Told(), 8, 0.8, NOW) for _ in range(20))]
    return [*steps, second.exchange(Told(), 8, 0.8, NOW + 10), list(first.windows())]


def test_the_ledger_in_sql_grants_what_the_one_in_memory_does(database: Database) -> None:
    memory = MemoryQuota()
    stores = [SqlQuota(database, "client", quota_of, lambda: datetime.now(UTC)) for _ in range(2)]
    assert life(*stores) == life(memory, memory)


def test_another_process_whose_requests_matter_less_leaves_room(database: Database) -> None:
    busy, urgent = (SqlQuota(database, "client", quota_of, lambda: datetime.now(UTC)) for _ in range(2))
    busy.exchange(Told((Report(25, 24, NOW + 10),), answered=1), 0, 0.8, NOW)
    assert busy.exchange(Told(), 2, 0.8, NOW, priority=Priority.FIRST_LOAD)[0] == 2
    assert urgent.exchange(Told(), 2, 0.8, NOW, priority=Priority.INTERACTIVE)[0] == 2
    granted, wait = busy.exchange(Told(), 2, 0.8, NOW + 1, priority=Priority.FIRST_LOAD)
    assert (granted, 0 < wait <= 1) == (0, True)
    assert urgent.exchange(Told(), 2, 0.8, NOW + 2, priority=Priority.INTERACTIVE)[0] == 2
    assert busy.exchange(Told(), 2, 0.8, NOW + 8, priority=Priority.FIRST_LOAD)[0] == 2


def test_two_processes_together_get_no_more_than_the_permitted_share(database: Database) -> None:
    stores = [SqlQuota(database, "client", quota_of, lambda: datetime.now(UTC)) for _ in range(2)]
    stores[0].exchange(Told((Report(25, 24, NOW + 10),), answered=1), 0, 0.8, NOW)
    granted = sum(stores[number % 2].exchange(Told(), 16, 0.8, NOW)[0] for number in range(40))
    assert granted == 19
