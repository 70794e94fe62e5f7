"""From a path to the endpoint that answers it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from syncd.sandbox.catalog import Entry
from syncd.sandbox.query import Args

What = Literal["list", "bin", "detail"]
_PLACEHOLDER = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way to call a resource: its list, its recycle bin, or the single record."""

    entry: Entry
    what: What
    method: str
    template: str

    def fits(self, args: Args) -> int:
        """How well a query suits this endpoint among those that share its path."""
        wanted = [*self.entry.params, *self.entry.outer, *self.entry.scope_params.values()]
        return sum(name in args for name in wanted) + (self.what == "list")


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    endpoints: list[Endpoint] = field(default_factory=list)


class Router:
    """All endpoints of a catalog, by path. A fixed segment goes before a placeholder.

    Args:
        entries: The catalog's.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._root = _Node()
        for endpoint in _endpoints(entries):
            node = self._root
            for segment in endpoint.template.strip("/").split("/"):
                if _PLACEHOLDER.fullmatch(segment):
                    node.any = node = node.any or _Node()
                else:
                    node = node.fixed.setdefault(segment, _Node())
            node.endpoints.append(endpoint)

    def find(self, method: str, path: str, args: Args) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint of a request and the values in its path, or None."""
        segments = path.strip("/").split("/")
        for node in _walk(self._root, segments):
            candidates = [endpoint for endpoint in node.endpoints if endpoint.method == method]
            if candidates:
                best = max(candidates, key=lambda endpoint: endpoint.fits(args))
                return best, _values(best.template, segments)
        return None


def _endpoints(entries: Iterable[Entry]) -> Iterator[Endpoint]:
    for entry in entries:
        yield Endpoint(entry, "list", entry.method, entry.path)
        if entry.deletions and entry.deletions.get("path"):
            yield Endpoint(entry, "bin", entry.method, entry.deletions["path"])
        if entry.detail:
            yield Endpoint(entry, "detail", "GET", entry.detail)


def _walk(node: _Node, segments: list[str]) -> Iterator[_Node]:
    if not segments:
        yield node
        return
    head, rest = segments[0], segments[1:]
    if head in node.fixed:
        yield from _walk(node.fixed[head], rest)
    if node.any:
        yield from _walk(node.any, rest)


def _values(template: str, segments: list[str]) -> dict[str, str]:
    names = (_PLACEHOLDER.fullmatch(segment) for segment in template.strip("/").split("/"))
    return {name.group(1): value for name, value in zip(names, segments, strict=True) if name}
