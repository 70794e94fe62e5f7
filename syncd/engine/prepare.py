"""A page's text made ready for the store: what needs nothing but the page, and so can be done by another process."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import orjson

from syncd.catalog.layout import Layout
from syncd.catalog.resource import Resource
from syncd.decode import parse
from syncd.engine.identity import Identified, Identifier, key_text
from syncd.engine.shape import Shaped, Shaper
from syncd.model import Key, Partition, TableRows

Packing = Callable[[Sequence[Sequence[Any]]], bytes]
"""Turns columns into one line per row; a function that another process can import."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a process has to know of a resource to make its pages ready.

    Attributes:
        digest: Tells recipes apart.
        content: The resource, its tables and the packing, pickled.
    """

    digest: bytes
    content: bytes

    @classmethod
    def of(cls, resource: Resource, layout: Layout, packing: Packing | None) -> Recipe:
        """The recipe for a resource whose tables stand so."""
        content = pickle.dumps((resource, layout, packing))
        return cls(hashlib.sha256(content, usedforsecurity=False).digest(), content)


class Unparsed(Sequence[Any]):
    """Records of a page that are parsed only when somebody looks at one.

    Args:
        text: The page.
        start: How many of its first are left out.
        count: How many there are.
    """

    def __init__(self, text: bytes, start: int, count: int) -> None:
        self._text = text
        self._start = start
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return _records(parse(self._text)[0])[self._start :][index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unparsed) and (self._text, self._start) == (other._text, other._start)

    __hash__ = None  # type: ignore[assignment] # as sequences have it


class Prepared(Unparsed):
    """A page whose records all can be stored, ready for it.

    Args:
        text: The page.
        skipped: Keys of its first records, up to the one that the page before ended with.
        keys: Of the others, in their order.
        hashes: Of their content.
        shaped: Their rows.
    """

    def __init__(
        self, text: bytes, skipped: Sequence[Key], keys: Sequence[Key], hashes: Sequence[bytes], shaped: Shaped
    ) -> None:
        super().__init__(text, 0, len(skipped) + len(keys))
        self.skipped = skipped
        self.shaped = shaped
        self.found = Identified(Unparsed(text, len(skipped), len(keys)), keys, hashes, ())

    def marks(self, count: int) -> list[str]:
        """Identities of its first records, to compare page seams with."""
        return [key_text(key) for key in chain(self.skipped, islice(self.found.keys, count))][:count]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a page is made ready of, without its text: see `Prepared`."""

    skipped: Sequence[Key]
    keys: Sequence[Key]
    hashes: Sequence[bytes]
    shaped: Shaped


class Preparer:
    """Makes pages of one resource ready.

    Args:
        recipe: What it has to know.
    """

    def __init__(self, recipe: Recipe) -> None:
        # It comes from the process that started this one, over a socket that nobody else has.
        self._resource, self._layout, self._packing = pickle.loads(recipe.content)  # noqa: S301
        self._shaper = Shaper(self._layout)

    def prepare(self, partition: Partition, text: bytes | bytearray, seam: str) -> Parts | None:
        """The records of a page, ready; None where there is anything unusual about them.

        Args:
            partition: Whose they are.
            text: The page.
            seam: Identity of the last record before it, or an empty string.

        Raises:
            ValueError, KeyError, TypeError: It is no JSON, or holds no list.
        """
        data, plain = parse(text)
        records = _records(data)
        if not plain or isinstance(data, list) is (self._resource.envelope != "array"):
            return None
        found = Identifier(self._resource, self._layout, partition).identify(records)
        skip = _reach(found.keys, seam)
        if found.rejects or len(found.keys) != len(records) or skip == len(records) or any(map(is_deleted, records)):
            return None
        skipped, keys, hashes = found.keys[:skip], found.keys[skip:], found.hashes[skip:]
        shaped = self._shaper.shape([(partition, len(keys))], found.records[skip:], keys, plain=True)
        if shaped.unknown:
            return None
        if self._packing is not None:
            shaped = _packed(shaped, hashes, self._packing)
        return Parts(skipped, keys, hashes, shaped)


def is_deleted(record: Mapping[str, Any]) -> bool:
    """Whether Procore shows it as deleted."""
    return any(record.get(name) not in (None, False, "") for name in ("deleted_at", "deleted", "is_deleted"))


def _records(data: Any) -> Sequence[Any]:
    records = data["data"] if isinstance(data, dict) else data
    if not isinstance(records, list):
        raise TypeError("it holds no list")
    return records


def _reach(keys: Sequence[Key], seam: str) -> int:
    """How many of these records stand up to the one with this identity."""
    try:
        return keys.index(tuple(orjson.loads(seam))) + 1
    except (ValueError, TypeError):
        return 0


def _packed(shaped: Shaped, hashes: Sequence[bytes], packing: Packing) -> Shaped:
    root = shaped.root
    return replace(
        shaped,
        root=TableRows(root.table, root.columns, (), packing([*root.values, hashes, shaped.misfits])),
        children=tuple(TableRows(rows.table, rows.columns, (), packing(rows.values)) for rows in shaped.children),
        misfits=(),
    )


class Alone:
    """Nobody helps: the `Assistance` of a run that does all itself."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While a run is under way."""
        yield

    def prepare(self, recipe: Recipe, partition: Partition, text: bytes, seam: str) -> Prepared | None:  # noqa: ARG002
        """None: the caller has to do it."""
        return None
