"""A page is shaped as its records are one by one, however regular or odd they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.fake import THINGS

from syncd.catalog.layout import layout_of
from syncd.engine.shape import Shaped, Shaper
from syncd.model import Partition, TableRows

RESOURCE = replace(
    THINGS,
    fields={
        "id": "integer",
        "name": "string",
        "owner": {"id": "integer", "login": "string", "company": {"name": "string"}},
        "parts": [{"id": "integer", "label": "string", "bits": [{"id": "integer", "text": "string"}]}],
        "tags": "any",
    },
)
IN_PROJECTS = replace(RESOURCE, scope="project")
PLACE = Partition("service", RESOURCE.name, 1)
ODD = st.sampled_from([None, 1, "x", [], [1], [None], {}, {"id": 1}, [{"id": 2}, 3]])
BIT = st.fixed_dictionaries({"id": st.integers(1, 3)}, optional={"text": st.just("t"), "more": ODD}) | ODD
PART = st.fixed_dictionaries({}, optional={"id": st.integers(1, 3), "label": ODD, "bits": st.lists(BIT, max_size=3)})
OWNER = st.fixed_dictionaries(
    {}, optional={"id": ODD, "login": st.just("l"), "company": st.none() | st.just({"name": "c"}) | ODD}
)
RECORD = st.fixed_dictionaries(
    {},
    optional={
        "name": ODD,
        "owner": OWNER | st.just({"id": 1, "login": "l", "company": {"name": "c"}}) | ODD,
        "parts": st.lists(PART, max_size=3) | st.lists(PART | ODD, max_size=3) | ODD,
        "tags": ODD,
        "colour": ODD,
    },
)


def records_of(fields: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": number, **one} for number, one in enumerate(fields, 1)]


def rows_of(shaped: Shaped) -> dict[str, list[tuple[Any, ...]]]:
    """All tables' rows by table, the misfits of the resource's own among them."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    root = TableRows(shaped.root.table, shaped.root.columns, [*shaped.root.values, shaped.misfits])
    for table in (root, *shaped.children):
        found[table.table] += zip(*table.values, strict=True)
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def shaped_of(shaper: Shaper, records: Sequence[dict[str, Any]], place: Partition = PLACE) -> Shaped:
    return shaper.shape([(place, len(records))], records, [(record["id"],) for record in records])


@given(st.lists(RECORD, min_size=1, max_size=5))
def test_a_page_is_shaped_as_its_records_are(fields: list[dict[str, Any]]) -> None:
    records = records_of(fields)
    shaper = Shaper(layout_of(RESOURCE))
    whole = shaped_of(shaper, records)
    single: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for record in records:
        for table, rows in rows_of(shaped_of(shaper, [record])).items():
            single[table] += rows
    assert rows_of(whole) == {table: sorted(rows, key=repr) for table, rows in single.items()}
    assert whole.unknown == any(shaped_of(shaper, [one]).unknown for one in records)


@given(
    st.lists(st.lists(RECORD | RECORD.map(lambda one: {**one, "project_id": 2}), max_size=3), min_size=1, max_size=4)
)
def test_pages_of_several_partitions_are_shaped_together_as_each_alone(pages: list[list[dict[str, Any]]]) -> None:
    records = iter(records_of(list(chain.from_iterable(pages))))
    shaper = Shaper(layout_of(IN_PROJECTS))
    places = [Partition("service", RESOURCE.name, 1, number) for number, _ in enumerate(pages, 1)]
    parts = [(place, list(islice(records, len(page)))) for place, page in zip(places, pages, strict=True)]
    single: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for place, page in parts:
        for table, rows in rows_of(shaped_of(shaper, page, place)).items():
            single[table] += rows
    every = list(chain.from_iterable(page for _, page in parts))
    keys = [(record["id"],) for record in every]
    whole = shaper.shape([(place, len(page)) for place, page in parts], every, keys)
    assert rows_of(whole) == {table: sorted(rows, key=repr) for table, rows in single.items()}
    assert whole.misfit_count == sum(shaped_of(shaper, page, place).misfit_count for place, page in parts)


def test_nested_objects_become_columns_and_arrays_become_rows_in_their_order() -> None:
    record = {
        "id": 7,
        "name": "n",
        "owner": {"id": 3, "login": "l", "company": None},
        "parts": [{"id": 5, "label": "a", "bits": [{"id": 1, "text": "x"}]}, {"id": 6, "label": "b", "bits": []}],
        "tags": ["t"],
    }
    shaped = shaped_of(Shaper(layout_of(RESOURCE)), [record])
    (row,) = (dict(zip(shaped.root.columns, row, strict=True)) for row in zip(*shaped.root.values, strict=True))
    assert row == {
        "company_id": 1, "id": 7, "name": "n", "owner_id": 3, "owner_login": "l", "owner_company_name": None,
        "tags": '["t"]',
    }  # fmt: skip
    tables = rows_of(shaped)
    assert tables["things_parts"] == [(1, 7, 0, 5, "a", None), (1, 7, 1, 6, "b", None)]
    assert tables["things_parts_bits"] == [(1, 7, 5, 0, 1, "x", None)]


def test_what_has_no_place_is_kept_among_the_misfits_and_tells_of_unknown_fields() -> None:
    shaped = shaped_of(Shaper(layout_of(RESOURCE)), [{"id": 1, "owner": 5, "parts": [1], "colour": "red"}])
    assert shaped.misfits == ['{"owner": 5, "parts": [1], "colour": "red"}']
    assert shaped.misfit_count == 3
    assert shaped.unknown


def test_no_records_are_no_rows() -> None:
    shaped = shaped_of(Shaper(layout_of(RESOURCE)), [])
    assert (len(shaped.root), shaped.children, shaped.unknown) == (0, (), False)
