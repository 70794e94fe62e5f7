"""A column as a whole is converted as its values are one by one."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.catalog.layout import ColumnType
from syncd.engine.convert import convert

KINDS: tuple[ColumnType, ...] = get_args(ColumnType)
DIGITS = st.text("0123456789-T:Z.+ W", max_size=24)
DATES = st.dates().map(str)
STAMPS = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0"))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False).map(str)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**64), 2**64),
    st.floats(),
    st.text(st.characters(), max_size=6),
    st.sampled_from(["\0", "\ud800", "é", "None", "null"]),
    st.lists(st.integers(0, 3), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.text("x\0", max_size=2), max_size=2),
    DATES,
    STAMPS,
    DECIMALS,
    DIGITS,
)
COLUMNS = st.one_of(
    *(st.lists(st.none() | one, max_size=6) for one in (VALUES, DATES, STAMPS, DECIMALS, DIGITS, st.floats())),
    *(st.lists(st.none() | one, max_size=6) for one in (st.integers(), st.booleans(), st.text(max_size=4))),
)


def by_value(kind: ColumnType, column: list[Any]) -> tuple[list[Any], list[tuple[int, str]]]:
    """Each value alone, in a column that no shortcut takes: beside a value of another type."""
    found: list[Any] = []
    misfits: list[tuple[int, str]] = []
    for row, value in enumerate(column):
        values, unfit = convert(kind, [value, object(), {}, ""])
        found.append(values[0])
        misfits += [(row, repr(what)) for at, what in unfit if at == 0]
    return found, misfits


@given(st.sampled_from(KINDS), COLUMNS)
@example("decimal", [10**400, 1])
@example("timestamp", ["2026-01-01T00:00:00", "Z2026-01-01T00:00:00Z"])
@example("timestamp", ["2018-W01-1T00:00:00Z"])
@example("date", ["2026-01-0", "12026-01-02"])
@example("date", ["2026-W01-1"])
def test_a_column_is_converted_as_its_values_are(kind: ColumnType, column: list[Any]) -> None:
    values, misfits = convert(kind, column)
    assert (list(values), [(row, repr(value)) for row, value in misfits]) == by_value(kind, column)


@given(st.sampled_from(KINDS), COLUMNS)
def test_a_page_that_is_known_to_be_plain_is_converted_as_any_other(kind: ColumnType, column: list[Any]) -> None:
    if not any(bad in repr(value) for value in column for bad in ("\\x00", "\\ud")):
        assert repr(convert(kind, column, plain=True)) == repr(convert(kind, column))


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("bigint", 2**63 - 1, 2**63 - 1),
        ("bigint", "12", 12),
        ("decimal", "1.10", "1.10"),
        ("decimal", 0.1, "0.1"),
        ("text", 7, "7"),
        ("timestamp", "2018-10-25T16:47:35Z", "2018-10-25 16:47:35.000000"),
        ("timestamp", "2018-10-25T16:47:35.25+02:00", "2018-10-25 14:47:35.250000"),
        ("date", "2018-10-25", "2018-10-25"),
        ("json", {"a": [1]}, '{"a":[1]}'),
    ],
)
def test_a_value_that_fits_is_stored_as_its_type_says(kind: ColumnType, value: Any, stored: Any) -> None:
    assert convert(kind, [None, value]) == ([None, stored], [])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", 2**63),
        ("bigint", 1.0),
        ("decimal", "1,5"),
        ("text", "a\0b"),
        ("text", "\ud800"),
        ("boolean", 1),
        ("timestamp", "2018-10-25"),
        ("date", "2018-10-25T00:00:00Z"),
        ("date", "2018-13-01"),
    ],
)
def test_a_value_that_does_not_fit_is_handed_back_and_its_column_is_null(kind: ColumnType, value: Any) -> None:
    assert convert(kind, [None, value]) == ([None, None], [(1, value)])
