"""Fields that the catalog does not have: which columns or child tables they ask for.

A field is taken into the schema when its first value arrives: a null or an empty list says nothing of a type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncd.catalog.layout import ITEM, TABLE, Addition, ColumnType, Path, safe_name

Labels = Callable[[int], str | None]
"""Label of a custom field definition, where it is known."""

CUSTOM_FIELD = re.compile(r"custom_field_(\d+)")

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_WIDEST_OBJECT = 100
"""An object with more fields than this is a map of things, not a record: it stays JSON."""

_CUSTOM_TYPES: Mapping[str, ColumnType] = {
    "string": "text",
    "rich_text": "text",
    "text": "text",
    "decimal": "decimal",
    "integer": "bigint",
    "number": "decimal",
    "boolean": "boolean",
    "checkbox": "boolean",
    "date": "date",
    "datetime": "timestamp",
}


def says_nothing(name: str, value: Any) -> bool:
    """Whether a value tells neither a type nor anything else: null, an empty list, an object of such."""
    if value is None or value == []:
        return True
    if not isinstance(value, Mapping) or not value:
        return False
    if CUSTOM_FIELD.fullmatch(name) and "value" in value:
        rest = {below: one for below, one in value.items() if below not in ("value", "data_type")}
        return (value["value"] is None or value["value"] == []) and (not rest or says_nothing("", rest))
    return all(says_nothing(below, one) for below, one in value.items())


def discover(path: Path, values: Sequence[Any], labels: Labels) -> list[Addition]:
    """The additions that a field asks for, given the values it had in a page."""
    present = [value for value in values if not says_nothing(path[-1], value)]
    if not present:
        return []
    custom = CUSTOM_FIELD.fullmatch(path[-1])
    if custom and all(isinstance(v, Mapping) and "value" in v for v in present):
        return _custom(path, int(custom[1]), present, labels)
    if all(isinstance(v, Mapping) for v in present):
        return _object(path, present, labels)
    if all(isinstance(v, list) and all(isinstance(item, Mapping) for item in v) for v in present):
        return _array(path, [item for value in present for item in value], labels)
    return [Addition(path, _leaf(present))]


def _object(path: Path, present: Sequence[Mapping[str, Any]], labels: Labels) -> list[Addition]:
    names = list(dict.fromkeys(name for value in present for name in value))
    if not names or len(names) > _WIDEST_OBJECT:
        return [Addition(path, "json")]
    found = [a for name in names for a in discover((*path, name), [v.get(name) for v in present], labels)]
    return found if len(found) <= _WIDEST_OBJECT else [Addition(path, "json")]


def _array(path: Path, items: Sequence[Mapping[str, Any]], labels: Labels) -> list[Addition]:
    inside = (*path, ITEM)
    names = list(dict.fromkeys(name for item in items for name in item))
    if len(names) > _WIDEST_OBJECT:
        return [Addition(path, "json")]
    found = [Addition(inside, TABLE)]
    for name in names:
        found += discover((*inside, name), [item.get(name) for item in items], labels)
    return found


def _custom(path: Path, definition: int, present: Sequence[Mapping[str, Any]], labels: Labels) -> list[Addition]:
    """Columns of a custom field, named by its label.

    Procore gives `{"data_type": ..., "value": ...}`; the value is a scalar, an object with an id and a label or name
    (list entry, user, vendor), or a list of these, which stays JSON.
    """
    values = [v["value"] for v in present if v["value"] is not None and v["value"] != []]
    if not values:
        return []
    label = labels(definition)
    base = safe_name("custom_field", label) if label else path[-1]
    at = (*path, "value")
    if all(isinstance(value, Mapping) for value in values):
        fields = list(dict.fromkeys(name for value in values for name in value))
        title = next((name for name in ("label", "name", "login") if name in fields), None)
        return [
            Addition((*at, name), _leaf([v[name] for v in values if v.get(name) is not None] or [""]), given)
            for name in fields
            for given in [base if name == title else safe_name(base, name)]
        ]
    kind = _CUSTOM_TYPES.get(str(present[0].get("data_type")))
    if kind is None or any(isinstance(value, list | Mapping) for value in values):
        kind = _leaf(values)
    return [Addition(at, kind, base)]


def _leaf(present: Sequence[Any]) -> ColumnType:
    kinds = {type(value) for value in present}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "bigint"
    if kinds <= {int, float}:
        return "decimal"
    if kinds == {str}:
        if all(_STAMP.fullmatch(value) for value in present):
            return "timestamp"
        return "date" if all(_DAY.fullmatch(value) for value in present) else "text"
    return "json"
