"""Tables that get new columns keep what an operator or an analyst has made of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fake import PLAIN, Bench

NAME = PLAIN.name
NEW = [{"id": 1, "name": "a", "colour": "red", "width": 5}]


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    made = Bench(database_url, {NAME: PLAIN})
    yield made
    made.database.close()


def widened(bench: Bench, mine: str) -> None:
    """Make the table, let an operator do something to it, and then add columns."""
    bench.source.lists[PLAIN.path] = []
    assert bench.run().status == "ok"
    with bench.database.write() as connection:
        connection.exec_driver_sql(mine)
    bench.source.lists[PLAIN.path] = NEW
    assert bench.run(full=True).status == "ok"
    assert bench.rows(f"SELECT colour, width FROM {NAME}") == [("red", 5)]


def test_a_table_without_rows_gets_columns_and_keeps_the_view_on_it(bench: Bench) -> None:
    widened(bench, f"CREATE VIEW names AS SELECT name FROM {NAME}")
    assert bench.rows("SELECT name FROM names") == [("a",)]


def test_an_index_of_an_operators_own_is_there_after_new_columns(bench: Bench) -> None:
    widened(bench, f"CREATE INDEX by_name ON {NAME} (name)")
    with bench.database.write() as connection:
        connection.exec_driver_sql("DROP INDEX by_name")


def test_a_column_that_an_operator_added_is_there_after_new_columns(bench: Bench) -> None:
    widened(bench, f"ALTER TABLE {NAME} ADD COLUMN checked TEXT")
    assert bench.rows(f"SELECT checked FROM {NAME}") == [(None,)]
