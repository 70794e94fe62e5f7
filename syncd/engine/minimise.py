"""Fields that a job keeps out, or replaces by a keyed hash, before anything else looks at a record."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncd.catalog.resource import FieldTree, Resource

_Path = tuple[str, ...]


class Minimiser:
    """Applies one job's `exclude` and `hash` for one resource.

    Args:
        exclude: Fields to drop, dotted where nested (`created_by.login`); in arrays of objects, in every item.
        pseudonyms: Fields to replace by a keyed hash (HMAC-SHA256, hexadecimal, 32 digits): equal values stay equal.
        key: The hash's key.
    """

    def __init__(self, exclude: Sequence[str], pseudonyms: Sequence[str], key: bytes) -> None:
        self._exclude = [tuple(name.split(".")) for name in exclude]
        self._pseudonyms = [tuple(name.split(".")) for name in pseudonyms]
        self._key = key

    @property
    def active(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._exclude or self._pseudonyms)

    @property
    def salt(self) -> bytes:
        """Part of the content hash: rows are rewritten when the wishes change."""
        return repr((self._exclude, self._pseudonyms)).encode() if self.active else b""

    def resource(self, resource: Resource) -> Resource:
        """The catalog's entry with the types that are stored.

        Columns that are kept out remain, and are always null: so rows of before lose what stands in them.
        """
        tree: Any = resource.fields
        for path in self._pseudonyms:
            tree = _edit(tree, path, _as_text)
        return replace(resource, fields=tree)

    def record(self, record: Any) -> Any:
        """A record as it may be stored."""
        for path in self._exclude:
            record = _edit(record, path, _drop)
        for path in self._pseudonyms:
            record = _edit(record, path, self._pseudonym)
        return record

    def _pseudonym(self, parent: dict[str, Any], name: str) -> None:
        value = parent[name]
        if value is not None:
            parent[name] = hmac.new(self._key, repr(value).encode(), hashlib.sha256).hexdigest()[:32]


def _drop(parent: dict[str, Any], name: str) -> None:
    del parent[name]


def _as_text(parent: dict[str, Any], name: str) -> None:
    parent[name] = "string"


def _edit(value: Any, path: _Path, edit: Any) -> Any:
    """A copy with `edit` applied to the field at `path`; what is not on the path is shared."""
    if isinstance(value, list):
        return [_edit(item, path, edit) for item in value]
    if not isinstance(value, Mapping) or path[0] not in value:
        return value
    copy = dict(value)
    if len(path) == 1:
        edit(copy, path[0])
    else:
        copy[path[0]] = _edit(copy[path[0]], path[1:], edit)
    return copy


def field_names(tree: FieldTree) -> list[str]:
    """All dotted field names of a type tree, to check an operator's wishes against."""
    names: list[str] = []
    for name, kind in tree.items():
        names.append(name)
        inner = kind[0] if isinstance(kind, list) and kind else kind
        if isinstance(inner, Mapping):
            names += [f"{name}.{below}" for below in field_names(inner)]
    return names
