"""What a database type or a moving listing could lose without a word, and does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import JSON, MetaData, Table
from support.fake import PLAIN, Bench

from syncd.catalog.resource import Resource

EXACT = replace(
    PLAIN,
    name="exact",
    path="/rest/v1.0/exact",
    fields={"id": "integer", "raw": "any", "owner": {"weight": "number"}, "parts": [{"raw": "any"}]},
)
HUGE = 2**64 - 1


def bench_of(url: str, resource: Resource) -> Bench:
    return Bench(url, {resource.name: resource})


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    made = bench_of(database_url, EXACT)
    yield made
    made.database.close()


def test_a_json_column_keeps_every_digit_of_a_bare_number(bench: Bench) -> None:
    bench.source.lists[EXACT.path] = [
        {"id": 1, "raw": HUGE, "parts": [{"raw": HUGE}]},
        {"id": 2, "raw": -(2**63), "parts": []},
        {"id": 3, "raw": 7, "parts": []},
        {"id": 4, "raw": [HUGE], "parts": []},
    ]
    assert bench.run().status == "ok"
    stored = bench.rows("select cast(raw as text) from exact order by id")
    assert [json.loads(row[0]) for row in stored] == [HUGE, -(2**63), 7, [HUGE]]
    child = bench.rows("select cast(raw as text) from exact_parts")
    assert [json.loads(row[0]) for row in child] == [HUGE]


def test_a_json_column_is_still_one_after_a_restart(database_url: str) -> None:
    for runs, number in enumerate((HUGE, HUGE - 2)):
        bench = bench_of(database_url, EXACT)
        bench.runs = runs
        bench.source.lists[EXACT.path] = [{"id": 1, "raw": number, "parts": []}]
        bench.run(full=True)
        layout = bench.store.open(EXACT, frozenset())
        found = Table("exact", MetaData(), autoload_with=bench.database.engine)
        assert isinstance(found.c.raw.type, JSON)
        assert {column.name: column.type for column in layout.table.columns}["raw"] == "json"
        assert [json.loads(row[0]) for row in bench.rows("select cast(raw as text) from exact")] == [number]
        bench.database.close()


def test_a_decimal_that_does_not_fit_is_set_aside_under_its_path(tmp_path: Path) -> None:
    bench = bench_of(f"sqlite:///{tmp_path / 'test.db'}", EXACT)
    bench.source.lists[EXACT.path] = [
        {"id": 1, "owner": {"weight": "12345678901234567.125"}, "parts": []},
        {"id": 2, "owner": {"weight": "heavy"}, "parts": []},
    ]
    bench.run()
    stored = bench.rows("select owner_weight, _syncd_misfits from exact order by id")
    bench.database.close()
    assert [(weight, json.loads(misfits)) for weight, misfits in stored] == [
        (None, {"owner.weight": "12345678901234567.125"}),
        (None, {"owner.weight": "heavy"}),
    ]


TEXTS = [
    "", " ", "\\", "\\N", "\\.", "a\tb", "a\nb\r\nc", "\x1f", "a\x1fb\tc", "NULL", "None", "'\"`", "é ☃ 𝄞", "\x01\x7f", None,
]  # fmt: skip


@pytest.mark.parametrize("rows", [1, 3, 150])
def test_texts_come_out_as_they_went_in_however_many_rows_are_written_together(bench: Bench, rows: int) -> None:
    records = [
        {"id": number * 100 + at, "raw": {"text": text}, "name": text, "parts": [{"label": text}]}
        for number in range(rows)
        for at, text in enumerate(TEXTS)
    ]
    query = "select id, name, label from exact join exact_parts on _syncd_parent_id = id order by id"
    bench.source.lists[EXACT.path] = records
    expected = [(one["id"], one["name"], one["name"]) for one in records]
    assert bench.run().status == "ok"
    assert bench.rows(query) == expected
    # Once more, all of them changed: now by way of the upsert.
    bench.source.lists[EXACT.path] = [{**one, "raw": 0} for one in records]
    assert bench.run(full=True).rows.updated == len(records)
    assert bench.rows(query) == expected


@pytest.mark.parametrize("total", [True, False])
def test_a_record_at_a_page_seam_that_moves_further_back_hides_none_before_it(tmp_path: Path, *, total: bool) -> None:
    bench = bench_of(f"sqlite:///{tmp_path / 'test.db'}", PLAIN)
    records = [{"id": number, "name": "n", "parts": []} for number in range(1, 9)]
    bench.source.lists[PLAIN.path] = records
    bench.source.page_size = 4
    bench.source.total = total
    moves = iter([True])

    def move(covered: int) -> None:
        if next(moves, False):
            records.insert(covered + 1, records.pop(covered - 1))

    bench.source.between = move
    report = bench.run()
    ids = [row[0] for row in bench.rows("select id from plain order by id")]
    bench.database.close()
    assert (report.status, ids) == ("ok", list(range(1, 9)))
