"""A page that another process makes ready is what the caller would have made of it, or is left to the caller."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.helping import Beside
from unit.engine.test_shape import RECORD, RESOURCE, records_of, rows_of

from syncd.catalog.layout import layout_of
from syncd.engine.identity import Identifier, key_text
from syncd.engine.prepare import Packing, Prepared, Recipe
from syncd.engine.shape import Shaper
from syncd.model import Partition
from syncd.storage.copytext import copy_text

PLACE = Partition("service", RESOURCE.name, 1, None, (("rfi_id", 5),))
LAYOUT = layout_of(RESOURCE)
GOOD = {"id": 1, "name": "a"}


def prepared(records: Any, seam: str = "", packing: Packing | None = None) -> Prepared | None:
    text = records if isinstance(records, bytes) else json.dumps(records).encode()
    return Beside().prepare(Recipe.of(RESOURCE, LAYOUT, packing), PLACE, text, seam)


@given(st.lists(RECORD, min_size=1, max_size=5), st.integers(0, 4))
def test_a_page_is_made_ready_as_the_caller_does_it(fields: list[dict[str, Any]], skip: int) -> None:
    records = records_of(fields)
    assume(skip < len(records))
    found = Identifier(RESOURCE, LAYOUT, PLACE).identify(records)
    local = Shaper(LAYOUT).shape([(PLACE, len(found.keys[skip:]))], found.records[skip:], found.keys[skip:], plain=True)
    made = prepared(records, key_text(found.keys[skip - 1]) if skip else "")
    if Shaper(LAYOUT).shape([(PLACE, len(records[skip:]))], records[skip:], found.keys[skip:]).unknown:
        assert made is None
        return
    assert made is not None
    assert list(made) == records
    assert (made.skipped, made.found.keys, made.found.hashes) == (
        found.keys[:skip],
        found.keys[skip:],
        found.hashes[skip:],
    )
    assert list(made.found.records) == records[skip:]
    assert made.marks(skip + 1) == [key_text(key) for key in found.keys[: skip + 1]]
    assert rows_of(made.shaped) == rows_of(local)
    assert made.shaped.misfit_count == local.misfit_count


def test_packed_rows_are_the_columns_as_copy_reads_them() -> None:
    records = [
        {"id": 1, "name": "a\tb\\c\nd", "owner": {"login": None}, "parts": [{"id": 5, "label": "é\r"}, {"id": 6}]},
        {"id": 2, "name": "\x1f", "tags": [True, None]},
    ]
    plain, packed = prepared(records), prepared(records, packing=copy_text)
    assert plain is not None
    assert packed is not None
    root = plain.shaped.root
    columns = [*root.values, plain.found.hashes, plain.shaped.misfits]
    assert packed.shaped.root.packed == copy_text(columns)
    assert [len(packed.shaped.root), *map(len, packed.shaped.children)] == [2, 2]
    assert [rows.packed for rows in packed.shaped.children] == [copy_text(r.values) for r in plain.shaped.children]
    assert packed.shaped.root.packed.splitlines()[0].startswith(b"1\t1\ta\\tb\\\\c\\nd\t")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param([GOOD, {"name": "no key"}], id="a reject"),
        pytest.param([GOOD, GOOD], id="a record twice"),
        pytest.param([GOOD, 5], id="no object"),
        pytest.param([{**GOOD, "colour": "red"}], id="a new field"),
        pytest.param([{**GOOD, "deleted_at": "2026-01-01T00:00:00Z"}], id="a deleted record"),
        pytest.param([{**GOOD, "name": "a\0b"}], id="NUL"),
        pytest.param([{**GOOD, "name": "\ud800"}], id="half a surrogate pair"),
        pytest.param([{**GOOD, "id": 2**70}], id="an integer beyond 64 bits"),
        pytest.param([], id="nothing"),
        pytest.param({"data": [GOOD]}, id="an envelope that the resource does not have"),
        pytest.param(b"[{", id="no JSON"),
        pytest.param(b"5", id="no list"),
    ],
)
def test_what_is_unusual_is_left_to_the_caller(page: Any) -> None:
    assert prepared([GOOD]) is not None
    assert prepared(page) is None


def test_an_envelope_is_opened() -> None:
    resource = replace(RESOURCE, envelope="data")
    recipe = Recipe.of(resource, layout_of(resource), None)
    made = Beside().prepare(recipe, PLACE, json.dumps({"data": [GOOD], "total": 1}).encode(), "")
    assert made is not None
    assert list(made) == [GOOD]
    assert Beside().prepare(recipe, PLACE, json.dumps([GOOD]).encode(), "") is None
