"""Values of one column at a time: the page's common case in C, one value at a time only where something is unusual.

A converter takes a column's values as JSON gave them and returns what `syncd.catalog.layout` says the column takes.
A value that does not fit is never bent: it becomes NULL in its column and is handed back, to be kept with its row.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson

from syncd.catalog.layout import ColumnType

Column = Sequence[Any]
Misfits = list[tuple[int, Any]]
"""Row number and value of what does not fit its column."""

_MAX_BIGINT = 2**63 - 1
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,18})")
_NULL = type(None)


class _Misfit(Exception):
    """The value does not fit."""


def convert(kind: ColumnType, column: Column) -> tuple[Column, Misfits]:
    """A whole column in the form that the database takes, and what did not fit."""
    if column.count(None) == len(column):
        return column, []
    whole = _WHOLE[kind](column)
    if whole is not None:
        return whole, []
    values: list[Any] = []
    misfits: Misfits = []
    one = _ONE[kind]
    for row, value in enumerate(column):
        if value is None:
            values.append(None)
            continue
        try:
            values.append(one(value))
        except (_Misfit, ValueError, OverflowError):
            values.append(None)
            misfits.append((row, value))
    return values, misfits


def _kinds(column: Column) -> set[type]:
    return set(map(type, column)) - {_NULL}


def _plain_text(column: Column) -> bool:
    joined = "".join(filter(None, column))
    if joined.isascii():
        return "\0" not in joined
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in joined


def _whole_text(column: Column) -> Column | None:
    return column if _kinds(column) == {str} and _plain_text(column) else None


def _one_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if not isinstance(value, str) or not _plain_text([value]):
        raise _Misfit
    return value


def _whole_bigint(column: Column) -> Column | None:
    if _kinds(column) != {int}:
        return None
    present = [value for value in column if value is not None]
    return column if min(present) >= -_MAX_BIGINT - 1 and max(present) <= _MAX_BIGINT else None


def _one_bigint(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if type(value) is not int or not -_MAX_BIGINT - 1 <= value <= _MAX_BIGINT:
        raise _Misfit
    return value


def _whole_boolean(column: Column) -> Column | None:
    return column if _kinds(column) == {bool} else None


def _one_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Misfit
    return value


def _whole_decimal(column: Column) -> Column | None:
    kinds = _kinds(column)
    if kinds == {str}:
        fits = _DECIMAL.fullmatch
        return column if all(value is None or fits(value) for value in column) else None
    if kinds == {int}:
        return [None if value is None else str(value) for value in column]
    return None


def _one_decimal(value: Any) -> str:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise _Misfit


def _whole_date(column: Column) -> Column | None:
    if _kinds(column) != {str}:
        return None
    present = [value for value in column if value is not None]
    try:
        parsed = [day.isoformat() for day in map(date.fromisoformat, present)]
    except ValueError:
        return None
    return column if parsed == present else None


def _one_date(value: Any) -> str:
    if not isinstance(value, str) or date.fromisoformat(value).isoformat() != value:
        raise _Misfit
    return value


def _whole_timestamp(column: Column) -> Column | None:
    if _kinds(column) != {str}:
        return None
    present = [value for value in column if value is not None]
    if any(len(value) != 20 or value[10] != "T" or value[19] != "Z" for value in present):  # noqa: PLR2004 - ISO 8601
        return None
    try:
        parsed = list(map(datetime.fromisoformat, present))
    except ValueError:
        return None
    if not all(parsed):
        return None
    return [None if value is None else f"{value[:10]} {value[11:19]}.000000" for value in column]


def _one_timestamp(value: Any) -> str:
    if not isinstance(value, str) or len(value) <= 10 or value[10] not in "Tt ":  # noqa: PLR2004 - length of a date
        raise _Misfit
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is not None:
        parsed = parsed.astimezone(UTC).replace(tzinfo=None)
    return parsed.isoformat(sep=" ", timespec="microseconds")


def _whole_json(column: Column) -> Column | None:
    try:
        texts = [None if value is None else orjson.dumps(value).decode() for value in column]
    except TypeError:
        return None
    return texts if "\\u0000" not in "".join(filter(None, texts)) else None


def _one_json(value: Any) -> str:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        raise _Misfit from None
    if "\\u0000" in text:
        raise _Misfit
    return text


_WHOLE: Mapping[ColumnType, Callable[[Column], Column | None]] = {
    "bigint": _whole_bigint,
    "decimal": _whole_decimal,
    "text": _whole_text,
    "boolean": _whole_boolean,
    "date": _whole_date,
    "timestamp": _whole_timestamp,
    "json": _whole_json,
}
_ONE: Mapping[ColumnType, Callable[[Any], Any]] = {
    "bigint": _one_bigint,
    "decimal": _one_decimal,
    "text": _one_text,
    "boolean": _one_boolean,
    "date": _one_date,
    "timestamp": _one_timestamp,
    "json": _one_json,
}
