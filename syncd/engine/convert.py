"""Values of one column at a time: the page's common case in C, one value at a time only where something is unusual.

A converter takes a column's values as JSON gave them and returns what `syncd.catalog.layout` says the column takes.
A value that does not fit is never bent: it becomes NULL in its column and is handed back, to be kept with its row.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import orjson

from syncd.catalog.layout import ColumnType

Column = Sequence[Any]
Misfits = list[tuple[int, Any]]
"""Row number and value of what does not fit its column."""

_MAX_BIGINT = 2**63 - 1
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,18})")
_NULL = type(None)
_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")


class _Sight(NamedTuple):
    """A column as a whole: its values, their types but for nulls, and whether their text is known to be plain."""

    values: Column
    kinds: set[type]
    plain: bool


class _Misfit(Exception):
    """The value does not fit."""


def convert(kind: ColumnType, column: Column, *, plain: bool = False) -> tuple[Column, Misfits]:
    """A whole column in the form that the database takes, and what did not fit.

    Args:
        kind: The column's type.
        column: Its values.
        plain: Whether it is known that no text in them holds NUL or half a surrogate pair.
    """
    kinds = set(map(type, column))
    kinds.discard(_NULL)
    if not kinds:
        return column, []
    whole = _WHOLE[kind](_Sight(column, kinds, plain))
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


def _present(column: Column) -> Column:
    return [value for value in column if value is not None] if None in column else column


def _with_nulls(column: Column, present: Sequence[Any]) -> Column:
    """A column whose values that are no null were replaced by these, in their order."""
    if len(present) == len(column):
        return present
    following = iter(present)
    return [None if value is None else next(following) for value in column]


def _fixed(present: Column, pattern: bytes) -> str | None:
    """The texts joined, where each has the pattern, in which `0` stands for any digit."""
    joined = "".join(present)
    if not joined.isascii() or len(joined) != len(present) * len(pattern):
        return None
    return joined if joined.encode().translate(_AS_ZEROS) == pattern * len(present) else None


def _plain_text(column: Column) -> bool:
    joined = "".join(filter(None, column))
    if joined.isascii():
        return "\0" not in joined
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in joined


def _whole_text(column: _Sight) -> Column | None:
    return column.values if column.kinds == {str} and (column.plain or _plain_text(column.values)) else None


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


def _whole_bigint(column: _Sight) -> Column | None:
    if column.kinds != {int}:
        return None
    present = _present(column.values)
    return column.values if min(present) >= -_MAX_BIGINT - 1 and max(present) <= _MAX_BIGINT else None


def _one_bigint(value: Any) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if type(value) is not int or not -_MAX_BIGINT - 1 <= value <= _MAX_BIGINT:
        raise _Misfit
    return value


def _whole_boolean(column: _Sight) -> Column | None:
    return column.values if column.kinds == {bool} else None


def _one_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Misfit
    return value


def _whole_decimal(column: _Sight) -> Column | None:
    if column.kinds == {str}:
        return column.values if _are_decimals(_present(column.values)) else None
    numbers = column.kinds == {int} or (column.kinds == {float} and all(map(math.isfinite, _present(column.values))))
    return [None if value is None else repr(value) for value in column.values] if numbers else None


def _are_decimals(present: Column) -> bool:
    """Whether all texts are decimal numbers; plain ones cost no look at each."""
    joined = "".join(present)
    if joined.isascii() and not joined.encode().translate(None, b"0123456789.-"):
        try:
            return all(map(math.isfinite, map(float, present)))
        except ValueError:
            return False
    return all(map(_DECIMAL.fullmatch, present))


def _one_decimal(value: Any) -> str:
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return value
    if type(value) is int:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise _Misfit


def _whole_date(column: _Sight) -> Column | None:
    if column.kinds != {str}:
        return None
    present = _present(column.values)
    if _fixed(present, b"0000-00-00") is None:
        return None
    try:
        deque(map(date.fromisoformat, present), maxlen=0)
    except ValueError:
        return None
    return column.values


def _one_date(value: Any) -> str:
    if not isinstance(value, str) or date.fromisoformat(value).isoformat() != value:
        raise _Misfit
    return value


def _whole_timestamp(column: _Sight) -> Column | None:
    if column.kinds != {str}:
        return None
    present = _present(column.values)
    joined = _fixed(present, b"0000-00-00T00:00:00Z")
    if joined is None:
        return None
    try:
        deque(map(datetime.fromisoformat, present), maxlen=0)
    except ValueError:
        return None
    return _with_nulls(column.values, joined.replace("T", " ").replace("Z", ".000000\n").splitlines())


def _one_timestamp(value: Any) -> str:
    if not isinstance(value, str) or len(value) <= 10 or value[10] not in "Tt ":  # noqa: PLR2004 - length of a date
        raise _Misfit
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is not None:
        parsed = parsed.astimezone(UTC).replace(tzinfo=None)
    return parsed.isoformat(sep=" ", timespec="microseconds")


def _whole_json(column: _Sight) -> Column | None:
    try:
        texts = [None if value is None else orjson.dumps(value).decode() for value in column.values]
    except TypeError:
        return None
    return texts if column.plain or "\\u0000" not in "".join(filter(None, texts)) else None


def _one_json(value: Any) -> str:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        raise _Misfit from None
    if "\\u0000" in text:
        raise _Misfit
    return text


_WHOLE: Mapping[ColumnType, Callable[[_Sight], Column | None]] = {
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
