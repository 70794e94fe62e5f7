"""What a database says of itself when statements go to its driver, and connections break."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, column, select, table, text

from syncd.errors import ConfigError, StoreError, StoreUnavailable
from syncd.storage.database import Database
from syncd.storage.statement import Statement


def test_a_statement_gives_the_rows_that_its_query_would(database_url: str) -> None:
    database = Database(database_url)
    things = table("things", column("id"), column("name"))
    query = select(things.c.name, things.c.id).where(
        things.c.id > bindparam("least"), things.c.name == bindparam("name")
    )
    with database.write() as connection:
        connection.execute(text("CREATE TABLE things (id BIGINT, name TEXT)"))
        connection.execute(text("INSERT INTO things VALUES (1, 'a'), (2, 'a'), (3, 'b'), (9007199254740993, 'a')"))
    statement = Statement(query.order_by(things.c.id), database.engine.dialect)
    with database.read() as connection:
        assert statement.rows(connection, {"name": "a", "least": 1}) == [("a", 2), ("a", 9007199254740993)]
    database.close()


def test_what_a_driver_raises_is_told_in_a_sentence(database_url: str) -> None:
    database = Database(database_url)
    statement = Statement(select(table("nowhere", column("id"))), database.engine.dialect)
    with pytest.raises(StoreError, match=r"lacks what was there: .*nowhere") as caught, database.read() as connection:
        statement.rows(connection, {})
    assert "syncd db upgrade" in caught.value.remedy
    database.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (("postgresql+psycopg://postgres", "postgresql+psycopg://nobody"), StoreError, 'refuses the login.*"nobody"'),
        (("?", "?sslmode=bogus&"), ConfigError, r"does not understand database\.url.*sslmode"),
        (("?", "?hots=1&"), ConfigError, r"does not understand database\.url.*hots"),
        (("/test", "/nowhere"), StoreError, r"does not exist\. Make it with createdb"),
        (("/test", "/roles"), StoreError, r"does not exist\. Make it with createdb"),
        (("?", "?port=none&"), ConfigError, r"does not understand database\.url.*port"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_by_what_is_wrong_with_it(
    postgres_url: str, change: tuple[str, str], error: type[Exception], words: str
) -> None:
    assert change[0] in postgres_url
    with pytest.raises(error, match=words), Database(postgres_url.replace(*change, 1)).read():
        pass


@pytest.mark.postgres
def test_a_connection_that_the_server_has_ended_is_replaced(postgres_url: str) -> None:
    database = Database(postgres_url)
    statement = Statement(select(text("1")), database.engine.dialect)
    with database.read() as connection:
        server = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = Database(postgres_url)
    with other.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:server, 10000)"), {"server": server})
    # It rested too shortly to be tried before it is used.
    with pytest.raises(StoreUnavailable, match="does not answer"), database.read() as connection:
        statement.rows(connection, {})
    with database.read() as connection:
        assert statement.rows(connection, {}) == [(1,)]
    for one in (database, other):
        one.close()
