"""Processes that meet at an empty database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from syncd.catalog.load import Catalog
from syncd.storage.database import Database
from syncd.storage.migrate import HEAD, current, verify
from syncd.storage.store import SqlStore

MANY = 6


def test_several_at_once_set_up_one_database_and_make_the_same_tables(database_url: str) -> None:
    catalog = Catalog(())
    resource = catalog["rfis"]
    start = threading.Barrier(MANY, timeout=20)

    def set_up(_: int) -> str | None:
        database = Database(database_url, "procore")
        try:
            start.wait()
            verify(database)
            start.wait()
            SqlStore(database, lambda: datetime.now(UTC)).open(resource, frozenset(catalog.names()))
            return current(database)
        finally:
            database.close()

    with ThreadPoolExecutor(MANY) as pool:
        assert list(pool.map(set_up, range(MANY))) == [HEAD] * MANY
