"""What a job excludes stands nowhere in the database; what it hashes cannot be read, and stays equal to itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, select
from support.fake import THINGS, Bench, stamp

from syncd.errors import Unavailable

CANARY = "canary-4711"
PEOPLE = replace(
    THINGS,
    fields={
        "id": "integer",
        "name": "string",
        "age": "integer",
        "updated_at": "date-time",
        "owner": {"id": "integer", "login": "string"},
        "parts": [{"id": "integer", "label": "string", "phone": "string"}],
    },
)
EXCLUDE = {"things": ("name", "owner.login", "parts.phone", "surprise", "notes.secret")}
HASH = {"things": ("parts.label", "age")}


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    one = Bench(database_url, {"things": PEOPLE})
    yield one
    one.database.close()


def person(bench: Bench, number: int, **fields: Any) -> dict[str, Any]:
    """A record with a canary in every excluded field, and another in every hashed one."""
    record = {
        "id": number,
        "name": CANARY,
        "age": 815_815,
        "updated_at": stamp(bench.clock.now()),
        "owner": {"id": 5, "login": f"{CANARY}@example.com"},
        "parts": [{"id": number, "label": "canary-label", "phone": CANARY}],
        "surprise": [{"id": 1, "deep": CANARY}],
        "notes": {"secret": {"deeper": CANARY}, "open": "fine"},
    }
    return record | fields


def everything(bench: Bench) -> str:
    """All values of all tables."""
    metadata = MetaData()
    with bench.database.read() as connection:
        metadata.reflect(connection)
        assert {"things", "things_parts", "syncd_rejects", "syncd_schema_changes"} <= metadata.tables.keys()
        return repr([connection.execute(select(table)).all() for table in metadata.tables.values()])


def files(bench: Bench) -> bytes:
    """The bytes of SQLite's files; PostgreSQL's stand elsewhere."""
    path = bench.database.url.database
    if not bench.database.is_sqlite or path is None:
        return b""
    return b"".join(file.read_bytes() for file in Path(path).parent.glob(Path(path).name + "*"))


def test_canaries_of_excluded_and_hashed_fields_stand_nowhere(bench: Bench) -> None:
    bench.source.page_size = 2
    bench.source.lists[PEOPLE.path] = [
        person(bench, 1),
        person(bench, 2, owner=[CANARY], id=2),  # another shape than the catalog's
        person(bench, 3, updated_at="no date", id=3),  # a value that does not fit its column
        person(bench, 4, id=None),  # a record that cannot be stored
        person(bench, 5, parts=[{"id": 5, "phone": {"inner": CANARY}, "label": ["canary-label"]}]),
        "no record at all",
    ]
    exclude = {"things": (*EXCLUDE["things"], "owner")}
    report = bench.run(exclude=exclude, pseudonyms=HASH, pseudonym_key=b"key")
    assert report.rows.rejected == 2
    bench.source.errors[PEOPLE.path] = Unavailable("The server is away.", "Wait.", status=503)
    bench.run(exclude=exclude, pseudonyms=HASH, pseudonym_key=b"key", full=True)
    found = everything(bench)
    assert "fine" in found
    for canary in ("canary", "815815"):
        assert canary not in found
        assert canary.encode() not in files(bench)


def test_equal_values_have_equal_hashes_and_another_key_gives_others(bench: Bench) -> None:
    bench.source.lists[PEOPLE.path] = [person(bench, 1), person(bench, 2), person(bench, 3, age=4)]
    bench.run(exclude=EXCLUDE, pseudonyms=HASH, pseudonym_key=b"key")
    first = [age for (age,) in bench.rows("select age from things order by id")]
    assert first[0] == first[1] != first[2]
    assert all(len(age) == 32 for age in first)
    labels = {label for (label,) in bench.rows("select label from things_parts")}
    assert len(labels) == 1
    bench.run(exclude=EXCLUDE, pseudonyms=HASH, pseudonym_key=b"another", full=True)
    second = [age for (age,) in bench.rows("select age from things order by id")]
    assert second[0] == second[1] != second[2]
    assert not set(first) & set(second)


def test_what_is_excluded_or_hashed_later_leaves_the_rows_at_the_next_complete_listing(bench: Bench) -> None:
    bench.source.lists[PEOPLE.path] = [person(bench, 1)]
    bench.run()
    assert bench.rows("select name from things") == [(CANARY,)]
    exclude = {"things": (*EXCLUDE["things"], "notes")}
    bench.run(exclude=exclude, pseudonyms=HASH, pseudonym_key=b"key", full=True)
    found = everything(bench)
    assert "canary" not in found
    assert "815815" not in found
