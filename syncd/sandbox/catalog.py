"""The shipped catalog's data, read for the other side of the wire: what an endpoint takes and answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import yaml

Tree = Mapping[str, Any]
"""Type tree of a record: object = mapping, list = `[item]`, leaf = name of a type."""

_ENTRY = re.compile(r"^([A-Za-z][\w]*):[^\S\n]*$", re.MULTILINE)
_FIELDS = re.compile(r"^ +fields:.*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"{(\w+)}")


class Folder(Protocol):
    """What `pathlib.Path` and `importlib.resources` have in common."""

    @property
    def name(self) -> str:
        """Last part of the path."""

    def iterdir(self) -> Iterator[Any]:
        """What is inside."""

    def is_dir(self) -> bool:
        """Whether it has an inside."""

    def read_text(self, encoding: str) -> str:
        """The content of a file."""


def shipped() -> Folder:
    """The folder of the catalog's data files inside the installed package."""
    folder: Folder = resources.files("syncd.catalog") / "data"
    return folder


@dataclass(frozen=True)
class Entry:
    """One list endpoint. The attributes mean what they mean in the catalog's files."""

    name: str
    path: str
    scope: str
    text: str = field(repr=False, default="")
    title: str = ""
    tool: str = ""
    scope_params: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, Sequence[str]] = field(default_factory=dict)
    enumerate: Mapping[str, Sequence[str]] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    paging: str = "page"
    page_size: int = 100
    page_params: Sequence[str] = ()
    envelope: str = "array"
    group: str | None = None
    updated_at: str | None = None
    window: Mapping[str, str | None] | None = None
    sort: Mapping[str, Any] = field(default_factory=dict)
    deletions: Mapping[str, str] | None = None
    key: Sequence[str] = ("id",)
    tier: int = 2
    detail: str | None = None

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """Names of the ids in the path, company and project included."""
        return tuple(_PLACEHOLDER.findall(self.path))

    @cached_property
    def outer(self) -> tuple[str, ...]:
        """Names of the values that tell this resource's partitions of one project or company apart."""
        return (*self.parents, *self.enumerate)

    @cached_property
    def v2(self) -> bool:
        """Whether it belongs to the second generation of the API."""
        return self.path.startswith("/rest/v2")

    @cached_property
    def sortable(self) -> bool:
        """Whether it offers an order that edits do not disturb."""
        return bool(self.sort.get("stable"))

    @cached_property
    def body(self) -> Mapping[str, Any]:
        """The whole entry as parsed, type trees included."""
        parsed: Mapping[str, Any] = yaml.load(self.text, yaml.CSafeLoader)[self.name]
        return parsed

    @cached_property
    def fields(self) -> Tree:
        """Type tree of one record."""
        tree: Tree = self.body.get("fields") or {"id": "string" if self.v2 else "integer", "name": "string"}
        return tree

    @cached_property
    def detail_fields(self) -> Tree:
        """Type tree of what only the single-record call gives."""
        tree: Tree = self.body.get("detail_fields") or {}
        return tree


class Catalog:
    """All entries of some folders, later folders over earlier ones; type trees are parsed when first asked for."""

    def __init__(self, folders: Sequence[Folder | Path]) -> None:
        self.entries: dict[str, Entry] = {}
        for folder in folders:
            for text in _texts(folder):
                self.entries.update(_read(text))

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())


def _texts(folder: Folder | Path) -> Iterator[str]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _texts(item)
        elif item.name.endswith((".yaml", ".yml")):
            yield item.read_text(encoding="utf-8")


@cache
def _read(text: str) -> Mapping[str, Entry]:
    """A file's entries: they never change, so that all sandboxes of a process share them and what they have parsed."""
    return dict(_entries(text))


def _entries(text: str) -> Iterator[tuple[str, Entry]]:
    starts = [match.start() for match in _ENTRY.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        whole = text[start:end]
        fields = _FIELDS.search(whole)
        head = yaml.load(whole[: fields.start()] if fields else whole, yaml.CSafeLoader)
        for name, values in head.items():
            known = {key: value for key, value in (values or {}).items() if key in Entry.__dataclass_fields__}
            yield name, Entry(name=name, text=whole, **known)
