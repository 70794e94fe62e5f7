"""Who a record is and whether it changed: its key, and a hash of its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from syncd.catalog.layout import Layout, safe_name
from syncd.catalog.resource import Resource
from syncd.model import Id, Key, Partition, Reject

_MAX_BIGINT = 2**63 - 1
_HASH_BYTES = 16
_PIECE = 2_047
"""Bytes hashed at once: for more, hashlib gives up the interpreter's lock, and waiting to have it back takes far longer
than the hashing."""


@dataclass(frozen=True, slots=True)
class Identified:
    """The records of a page that can be stored, and those that cannot.

    Attributes:
        records: Storable records, in the page's order, each key once.
        keys: Their keys.
        hashes: Their content hashes.
        rejects: The others, with the reason.
    """

    records: Sequence[Mapping[str, Any]]
    keys: Sequence[Key]
    hashes: Sequence[bytes]
    rejects: Sequence[Reject]


def content_bytes(record: Any) -> bytes:
    """The same bytes for the same content, whatever the order of keys."""
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(record, sort_keys=True, default=str).encode("utf-8", "surrogatepass")


class Identifier:
    """Finds keys and hashes for one resource in one partition.

    Args:
        resource: The catalog's entry.
        layout: Its tables, for the types of key columns.
        partition: Whose records they are; a key may hold the parent's id.
        salt: What besides the content decides how a record is stored; rows are rewritten when it changes.
    """

    def __init__(self, resource: Resource, layout: Layout, partition: Partition, salt: bytes = b"") -> None:
        self._content_key = layout.content_key
        self._base = hashlib.sha256(salt, usedforsecurity=False)
        parents = {safe_name(name): value for name, value in partition.parent}
        scope = {c.name: c.type for c in layout.scope}
        self._parts: list[tuple[str, bool, Id | None]] = []
        for name in resource.key:
            given = parents.get(name)
            own = next((column.type for column in layout.table.columns if column.path == (name,)), "text")
            whole = scope.get(name, own) == "bigint"
            self._parts.append((name, whole, given))
        single = len(self._parts) == 1 and self._parts[0][2] is None
        self._single = self._parts[0] if single else None

    def identify(self, records: Sequence[Any]) -> Identified:
        """Sort a page's items into records with keys and hashes, and rejects."""
        ids = self._plain_ids(records)
        if ids is not None:
            keys = [(one,) for one in ids]
            return Identified(records, keys, [self._hash(content_bytes(record)) for record in records], ())
        kept: dict[Key, tuple[Mapping[str, Any], bytes]] = {}
        rejects: list[Reject] = []
        for record in records:
            content = self._hash(content_bytes(record))
            key, why = self._key(record, content)
            if key is None:
                rejects.append(Reject(why, record))
                continue
            before = kept.get(key)
            if before is not None and before[1] != content:
                rejects.append(Reject("its key stands twice on one page, with other content", before[0], key_text(key)))
            kept[key] = (record, content)
        return Identified(
            records=[record for record, _ in kept.values()],
            keys=list(kept),
            hashes=[content for _, content in kept.values()],
            rejects=rejects,
        )

    def mark(self, record: Any) -> str:
        """Identity of any item as text, to compare page seams with."""
        key, _ = self._key(record, self._hash(content_bytes(record)) if self._content_key else b"")
        return self._hash(content_bytes(record)).hex() if key is None else key_text(key)

    def _plain_ids(self, records: Sequence[Any]) -> list[Id] | None:
        """The ids of a page where nothing is unusual, the common case: one key field, usable in each, no id twice."""
        if self._single is None or set(map(type, records)) != {dict}:
            return None
        name, whole, _ = self._single
        ids = [_usable(record.get(name), whole) for record in records]
        found = set(ids)
        return None if None in found or len(found) != len(ids) else ids  # type: ignore[return-value] # no None among them

    def _hash(self, text: bytes) -> bytes:
        digest = self._base.copy()
        for start in range(0, len(text), _PIECE):
            digest.update(text[start : start + _PIECE])
        return digest.digest()[:_HASH_BYTES]

    def _key(self, record: Any, content: bytes) -> tuple[Key | None, str]:
        if not isinstance(record, Mapping):
            return None, "it is not an object"
        if self._content_key:
            return (content.hex(),), ""
        if self._single is not None:
            name, whole, _ = self._single
            value = _usable(record.get(name), whole)
            return ((value,), "") if value is not None else (None, f"it has no usable {name}")
        key: list[Id] = []
        for name, whole, given in self._parts:
            value = _usable(record.get(name) if given is None else given, whole)
            if value is None:
                return None, f"it has no usable {name}"
            key.append(value)
        return tuple(key), ""


def key_text(key: Key) -> str:
    """A key as stable text: a JSON array, as stored in `syncd_sightings`."""
    return orjson.dumps(key).decode()


def record_id(key: Key) -> Id:
    """What child rows call their record."""
    return key[0] if len(key) == 1 else key_text(key)


def _usable(value: Any, whole: bool) -> Id | None:  # noqa: FBT001 - private, and read beside its only callers
    if type(value) is int:
        if not whole:
            return str(value)
        return value if -_MAX_BIGINT - 1 <= value <= _MAX_BIGINT else None
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    if whole:
        return int(value) if value.isascii() and value.isdigit() and int(value) <= _MAX_BIGINT else None
    return value if value.isascii() or _encodes(value) else None


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
