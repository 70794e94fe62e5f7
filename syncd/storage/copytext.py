"""Rows as PostgreSQL's COPY reads them, in its text format (https://www.postgresql.org/docs/current/sql-copy.html).

A column at once, where the driver would look at every value. It imports nothing, so that processes that only shape and
write text stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Column = Sequence[Any]

_NULL = "\\N"
_APART = "\x1f"
"""Stands between the texts of a column while they are looked at together; no text has it, or they are split otherwise."""
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
_BOOLEANS = {True: "t", False: "f", None: _NULL}


def copy_text(columns: Sequence[Column]) -> bytes:
    """A line per row; of each column all values are of one type (text, integer, boolean, bytes), or None."""
    texts = [_texts(column) for column in columns]
    return ("\n".join(map("\t".join, zip(*texts, strict=True))) + "\n").encode()


def with_constants(lines: bytes, constants: Iterable[Any]) -> bytes:
    """The lines, with columns at their end that have the same value in every row."""
    (end,) = copy_text([[value] for value in constants]).splitlines(keepends=True)
    return lines.replace(b"\n", b"\t" + end)


def _texts(column: Column) -> Sequence[str]:
    first = column[0]
    if first == column[-1] and column.count(first) == len(column):
        return [_NULL if first is None else _WRITERS[type(first)]([first])[0]] * len(column)
    kind = next(type(value) for value in column if value is not None)
    return _WRITERS[kind](column)


def _booleans(column: Column) -> Sequence[str]:
    return [_BOOLEANS[value] for value in column]


def _integers(column: Column) -> Sequence[str]:
    return [_NULL if value is None else str(value) for value in column] if None in column else list(map(str, column))


def _bytes(column: Column) -> Sequence[str]:
    return [_NULL if value is None else f"\\\\x{value.hex()}" for value in column]


def _strings(column: Column) -> Sequence[str]:
    has_nulls = None in column
    joined = _APART.join(filter(None, column) if has_nulls else column)
    special = [(plain, escaped) for plain, escaped in _ESCAPES if plain in joined]
    if not special:
        return [_NULL if value is None else value for value in column] if has_nulls else column
    if has_nulls:
        joined = _APART.join([value or "" for value in column])
    for plain, escaped in special:
        joined = joined.replace(plain, escaped)
    texts = joined.split(_APART)
    if len(texts) != len(column):
        texts = [_escaped(value or "") for value in column]
    return [_NULL if value is None else text for value, text in zip(column, texts, strict=True)] if has_nulls else texts


def _escaped(text: str) -> str:
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return text


_WRITERS: Mapping[type, Callable[[Column], Sequence[str]]] = {
    bool: _booleans,
    int: _integers,
    bytes: _bytes,
    str: _strings,
}
