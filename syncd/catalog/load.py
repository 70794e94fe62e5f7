"""The catalog, read as lazily as it is used: listing names costs no parsing, listing entries costs no type trees.

A file holds one entry per resource under its name at the line's start, `fields:` last. Entries are found by their names
and parsed one by one. An operator's folder has the same format; its entries add to the shipped ones or replace them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from syncd.catalog.layout import Layout, layout_of
from syncd.catalog.resource import LEAF_TYPES, Deletions, Resource, Sort, Window
from syncd.errors import ConfigError

_ENTRY = re.compile(r"^([A-Za-z_]\w*):[ \t]*(?:#.*)?$", re.MULTILINE)
_FIELDS = re.compile(r"^ {1,8}fields:", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
_AREAS = {"construction_financials": "financials", "procore_helix": "helix"}
_SECTIONS = {"daily_log": "daily_logs", "rfi": "rfis", "punch_list": "punch_list"}
_CHOICES = {
    "scope": ("none", "company", "project"),
    "paging": ("page", "cursor", "offset", "none"),
    "method": ("GET", "POST"),
    "updated_at_form": ("range", "gt"),
}

_WORDS = ("path", "title", "tool", "envelope", "group", "updated_at", "permission", "detail", "note")
_ENVELOPE = re.compile(r"array|data|object(?::\w+(?:\.\w+)*)?")

_V1_PAGE = 2000
"""Procore advises at most so many per page in v1 of the API; v2 has at most 100."""

SHIPPED = Path(__file__).parent / "data"
"""The folder of the shipped resources."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry's text, and where it stands."""

    name: str
    text: str
    path: Path
    line: int

    def fail(self, what: str, key: str = "") -> ConfigError:
        place = f"{self.path}:{self.line + _line_of(self.text, key)}"
        end = "" if what.endswith("?") else "."
        return ConfigError(f"{place}: resource {self.name}{f', {key}' if key else ''}: {what}{end}")


def _line_of(text: str, key: str) -> int:
    found = re.search(rf"^\s*{re.escape(key)}:", text, re.MULTILINE) if key else None
    return text.count("\n", 0, found.start() + 1) if found else 0


class Catalog:
    """Resources by name.

    Args:
        extra: Folders of an operator's own entries, searched for `*.yaml`; later ones win.

    Raises:
        ConfigError: A folder or file cannot be read, or an entry has the name of another one's child table.
    """

    def __init__(self, extra: Sequence[Path] = ()) -> None:
        self._entries: dict[str, _Entry] = {}
        self._shipped_alone = not extra
        self._parsed: dict[str, Resource] = {}
        self._headers: dict[str, Resource] = {}
        self._add(SHIPPED)
        shipped = frozenset(self._entries)
        for folder in extra:
            if not folder.is_dir():
                raise ConfigError(f"resources_dir {folder} is no folder.", "Make it, or correct the path.")
            self._add(folder)
        for name in self._entries.keys() - shipped:
            self._check_table(name)

    def _add(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*.yaml")):
            for entry in _slices(path):
                self._entries[entry.name] = entry

    def _check_table(self, name: str) -> None:
        """Let no entry of one's own have the name of a child table, which would have to take another."""
        reserved = self._entries.keys() - {name}
        for other in self._entries:
            if not name.startswith(f"{other}_"):
                continue
            tables = layout_of(self[other], reserved=reserved).tables()
            if any(table.name == name for table in tables):
                raise self._entries[name].fail(f"this is a child table of {other}; choose another name")

    def names(self) -> list[str]:
        """All names, in the files' order."""
        return list(self._entries)

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of this name."""
        return name in self._entries

    def __getitem__(self, name: str) -> Resource:
        """The entry of this name.

        Raises:
            ConfigError: There is none, or it is wrong; the nearest name is suggested.
        """
        if name not in self._parsed:
            self._parsed[name] = _parse(self._find(name), whole=True)
        return self._parsed[name]

    def header(self, name: str) -> Resource:
        """The entry without its type trees."""
        if name not in self._headers:
            self._headers[name] = _parse(self._find(name), whole=False)
        return self._headers[name]

    def headers(self) -> Iterator[Resource]:
        """All entries without their type trees."""
        return map(self.header, self._entries)

    def layout(self, name: str) -> Layout:
        """The tables of a resource as the catalog has them."""
        return layout_of(self[name], reserved=frozenset(self._entries))

    def select(self, wishes: Iterable[str]) -> list[str]:
        """Names that a job's `resources` mean.

        A wish is a name, a glob (`daily_logs.*`, `rfi*`), a group (`tier1`, `financials`, `daily_logs`, `all`), or any
        of these with a minus before it, which takes away again.

        Raises:
            ConfigError: A wish means nothing; the nearest name is suggested.
        """
        chosen: dict[str, None] = {}
        for wish in wishes:
            away = wish.startswith("-")
            for name in self._meant(wish.removeprefix("-")):
                if away:
                    chosen.pop(name, None)
                else:
                    chosen[name] = None
        return list(chosen)

    def check(self, names: Iterable[str]) -> None:
        """Make sure that entries can be used: an operator's own are read whole, and what supplies their placeholders.

        Raises:
            ConfigError: One cannot; with file, line and key.
        """
        for name in () if self._shipped_alone else names:
            self._check_suppliers(name, ())

    def _check_suppliers(self, name: str, above: tuple[str, ...]) -> None:
        entry, resource = self._find(name), self.header(name)
        if name in above:
            way = " and ".join(above[above.index(name) + 1 :])
            raise entry.fail(f"it is read for itself{f', by way of {way}' if way else ''}", "parents")
        own = SHIPPED not in entry.path.parents
        if own:
            resource = self[name]
        for given in (one for names in resource.parents.values() for one in names):
            supplier, _, column = given.partition(".")
            if supplier not in self:
                near = difflib.get_close_matches(supplier, self._entries, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise entry.fail(f"there is no resource {supplier}{hint}", "parents")
            self._check_suppliers(supplier, (*above, name))
            if own and (column or "id") not in {one.name for one in self.layout(supplier).table.columns}:
                raise entry.fail(f"{supplier} has no column {column or 'id'}", "parents")

    def groups(self) -> Mapping[str, list[str]]:
        """Names of the groups, each with its resources."""
        found: dict[str, list[str]] = {"all": self.names()}
        for resource in self.headers():
            for group in groups_of(resource):
                found.setdefault(group, []).append(resource.name)
        return found

    def _meant(self, wish: str) -> list[str]:
        if wish in self._entries:
            return [wish]
        groups = self.groups()
        if wish in groups:
            return groups[wish]
        if any(mark in wish for mark in "*?["):
            found = [name for name in self._entries if fnmatchcase(name, wish)]
            for group, names in groups.items():
                found += [name for name in names if fnmatchcase(f"{group}.{name}", wish)]
            if found:
                return list(dict.fromkeys(found))
        raise self._unknown(wish, [*self._entries, *groups])

    def _find(self, name: str) -> _Entry:
        if name not in self._entries:
            raise self._unknown(name, list(self._entries))
        return self._entries[name]

    def _unknown(self, name: str, known: Sequence[str]) -> ConfigError:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "See: syncd resources"
        return ConfigError(f"There is no resource {name}.", hint)


def groups_of(resource: Resource) -> list[str]:
    """The groups that a resource is in: its area and section of Procore's tools, its tier, and what it names."""
    parts = [re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_") for part in resource.tool.split("/")[:2]]
    area = _AREAS.get(parts[0], parts[0])
    section = [_SECTIONS.get(parts[1], parts[1])] if len(parts) > 1 else []
    return list(dict.fromkeys([area, *section, f"tier{resource.tier}", *resource.groups]))


def _slices(path: Path) -> Iterator[_Entry]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8; save the file in that encoding.") from None
    starts = list(_ENTRY.finditer(text))
    first = starts[0].start() if starts else len(text)
    if text[:first].strip() and any(not line.startswith("#") for line in text[:first].splitlines() if line.strip()):
        raise ConfigError(f"{path}:1: a file of resources begins with a resource's name and a colon.")
    for start, following in zip_longest(starts, starts[1:]):
        end = following.start() if following else len(text)
        yield _Entry(start[1], text[start.start() : end], path, text.count("\n", 0, start.start()) + 1)


def _parse(entry: _Entry, *, whole: bool) -> Resource:
    text = entry.text
    if not whole and (cut := _FIELDS.search(text)):
        text = text[: cut.start()]
    try:
        data = yaml.load(text, Loader=yaml.CSafeLoader)[entry.name]
    except yaml.MarkedYAMLError as error:
        line = entry.line + (error.problem_mark.line if error.problem_mark else 0)
        raise ConfigError(f"{entry.path}:{line}: {error.problem or 'this is no YAML'}.") from None
    if not isinstance(data, dict):
        raise entry.fail("it needs at least `path` and `scope`")
    return _resource(entry, data)


@cache
def _attributes() -> frozenset[str]:
    return frozenset(field.name for field in fields(Resource)) - {"name"}


def _resource(entry: _Entry, data: dict[str, Any]) -> Resource:
    _check_keys(entry, data)
    values = dict(data)
    for key, convert in _CONVERSIONS.items():
        if key in values:
            try:
                values[key] = convert(values[key])
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise entry.fail(f"it does not have the right form ({error})", key) from None
    if "page_size" not in values and not re.match(r"/rest/v[2-9]", str(values["path"])):
        values["page_size"] = _V1_PAGE
    values.setdefault("title", entry.name.replace("_", " "))
    values.setdefault("tool", "Own/Resources")
    resource = Resource(name=entry.name, **values)
    _check(entry, resource)
    return resource


def _check_keys(entry: _Entry, data: dict[str, Any]) -> None:
    for key in data:
        if key not in _attributes():
            near = difflib.get_close_matches(str(key), _attributes(), n=1)
            raise entry.fail(f"there is no such key{f'; did you mean {near[0]}?' if near else ''}", str(key))
    if not _NAME.fullmatch(entry.name):
        raise entry.fail("a name has lower-case letters, digits and underscores, 51 at most")
    for key in ("path", "scope"):
        if key not in data:
            raise entry.fail(f"{key} is missing")
    for key, choices in _CHOICES.items():
        if key in data and data[key] not in choices:
            raise entry.fail(f"it is one of {', '.join(choices)}", key)
    for key in _WORDS:
        if key in data and not isinstance(data[key], str):
            raise entry.fail("it needs text", key)


def _check(entry: _Entry, resource: Resource) -> None:
    if not resource.path.startswith("/rest/"):
        raise entry.fail("it begins with /rest/", "path")
    scope = {"none": set(), "company": {"company_id"}, "project": {"company_id", "project_id"}}[resource.scope]
    for placeholder in re.findall(r"{(\w+)}", resource.path):
        if placeholder not in scope and placeholder not in resource.parents and placeholder not in resource.enumerate:
            raise entry.fail(f"nothing gives {{{placeholder}}}; name its supplier under parents", "path")
    if not _ENVELOPE.fullmatch(resource.envelope):
        raise entry.fail("it is array, data, object, or object:KEY of the list", "envelope")
    if resource.page_size < 1:
        raise entry.fail("a page has one record at the least", "page_size")
    _check_types(entry, resource.fields)
    for part in resource.key:
        kind = resource.fields.get(part, "string")
        if kind not in ("integer", "string"):
            raise entry.fail(f"{part} is of type {kind}; a key is an integer or a string", "key")


def _check_types(entry: _Entry, tree: Any) -> None:
    if isinstance(tree, Mapping):
        for below in tree.values():
            _check_types(entry, below)
    elif isinstance(tree, list):
        for below in tree:
            _check_types(entry, below)
    elif tree not in LEAF_TYPES:
        near = difflib.get_close_matches(str(tree), LEAF_TYPES, n=1)
        raise entry.fail(f"{tree} is no type{f'; did you mean {near[0]}?' if near else ''}", "fields")


def _text_map(value: Any) -> dict[str, str]:
    return {str(name): _plain(one) for name, one in value.items()}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(_plain(one) for one in value)


def _lists(value: Any) -> dict[str, tuple[str, ...]]:
    return {str(name): _texts(one) for name, one in value.items()}


def _window(value: Any) -> Window:
    return Window(value["first"], value.get("last"), value.get("column"))


def _sort(value: Any) -> Sort:
    orders = {name: tuple(_text_map(order).items()) for name, order in value.items()}
    return Sort(**orders)


def _deletions(value: Any) -> Deletions:
    given = {name: None if one is None else _plain(one) for name, one in value.items()}
    return Deletions(**given)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a mapping is needed")
    return value


_CONVERSIONS: Mapping[str, Any] = {
    "scope_params": _text_map,
    "params": _text_map,
    "parents": _lists,
    "enumerate": _lists,
    "key": _texts,
    "groups": _texts,
    "webhooks": _texts,
    "page_params": lambda value: (str(value[0]), str(value[1])),
    "window": _window,
    "sort": _sort,
    "deletions": _deletions,
    "fields": lambda value: _mapping(value or {}),
    "detail_fields": lambda value: _mapping(value or {}),
    "tier": int,
    "page_size": int,
}
