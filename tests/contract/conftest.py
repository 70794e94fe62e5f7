"""Each store that keeps the contract: the twin in memory, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.postgres import fresh_database
from support.shelf import Desk, MemoryShelf, Shelf, SqlShelf
from support.things import ALL


@pytest.fixture(scope="module", params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made: Shelf
    if request.param == "memory":
        made = MemoryShelf()
    elif request.param == "sqlite":
        made = SqlShelf(f"sqlite:///{tmp_path_factory.mktemp('store') / 'test.db'}")
    else:
        made = SqlShelf(fresh_database(request.getfixturevalue("postgres_server")))
    yield made
    made.close()


@pytest.fixture
def shelf(opened: Shelf) -> Shelf:
    opened.empty()
    return opened


@pytest.fixture
def desk(shelf: Shelf) -> Desk:
    return Desk(shelf.store(), ALL)
