"""Which partitions a job has, parents before children, made one at a time: their number costs no memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from syncd.catalog.layout import Layout, scope_column
from syncd.catalog.resource import Resource
from syncd.engine.options import Options
from syncd.engine.ports import Store
from syncd.model import Id, Partition

PROJECTS = "projects"
"""The resource that tells which projects there are."""


class Resources(Protocol):
    """The catalog, by name."""

    def __getitem__(self, name: str) -> Resource:
        """The entry of this name."""


def suppliers(resource: Resource) -> dict[str, list[tuple[str, str]]]:
    """Per placeholder, the resources and columns that supply its values."""
    return {
        placeholder: [(name, column or "id") for name, _, column in (text.partition(".") for text in given)]
        for placeholder, given in resource.parents.items()
    }


def stages(catalog: Resources, wanted: Iterable[str], options: Options) -> list[list[str]]:
    """The resources of a run in the order of their needs: each stage needs only rows of the stages before it.

    Suppliers of ids that the job does not name are read too: without their rows there is nothing to ask for.
    """
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            resource = catalog[name]
            needs = [supplier for given in suppliers(resource).values() for supplier, _ in given]
            if resource.scope == "project" and not isinstance(options.projects, tuple):
                needs.append(PROJECTS)
            depths[name] = 1 + max((depth(need) for need in needs), default=-1)
        return depths[name]

    for name in wanted:
        depth(name)
    result: list[list[str]] = [[] for _ in range(1 + max(depths.values(), default=-1))]
    for name, level in depths.items():
        result[level].append(name)
    return result


class Planner:
    """Makes the partitions of a run.

    Args:
        principal: Whose.
        options: The job's.
        store: Where the ids of projects and parents stand.
        layouts: Tables of the resources that supply ids.
    """

    def __init__(self, principal: str, options: Options, store: Store, layouts: Mapping[str, Layout]) -> None:
        self._principal = principal
        self._options = options
        self._store = store
        self._layouts = layouts

    def projects(self) -> list[int]:
        """The projects that the job reads: ids given, or those of its choice that stand in the projects table."""
        chosen = self._options.projects
        if isinstance(chosen, tuple):
            return list(chosen)
        layout = self._layouts[PROJECTS]
        names = {column.name for column in layout.table.columns}
        columns = ["id", "active"] if "active" in names else ["id"]
        rows = self._store.parent_ids(layout, columns, self._options.company, None, self._principal)
        return [int(row[0]) for row in rows if chosen == "all" or len(row) == 1 or row[1]]

    def partitions(self, resource: Resource, projects: Sequence[int]) -> Iterator[Partition]:
        """The partitions of one resource, streamed."""
        places: Iterable[int | None] = projects if resource.scope == "project" else [None]
        for project in places:
            for parent in self._parents(resource, project):
                yield Partition(self._principal, resource.name, self._options.company, project, parent)

    def _parents(self, resource: Resource, project: int | None) -> Iterator[tuple[tuple[str, Id], ...]]:
        """Every combination of parent ids and enumerated values.

        Where a supplier is itself read per another of the placeholders, its rows say which values go together.
        """
        fixed = [[(name, value) for value in values] for name, values in resource.enumerate.items()]
        needs = suppliers(resource)

        def extend(chosen: tuple[tuple[str, Id], ...], rest: Sequence[str]) -> Iterator[tuple[tuple[str, Id], ...]]:
            if not rest:
                for values in itertools.product(*fixed):
                    yield (*chosen, *values)
                return
            placeholder, *others = rest
            for value in self._values(chosen, needs[placeholder], project):
                yield from extend((*chosen, (placeholder, value)), others)

        yield from extend((), list(needs))

    def _values(
        self, chosen: tuple[tuple[str, Id], ...], given: Sequence[tuple[str, str]], project: int | None
    ) -> Iterator[Id]:
        for supplier, column in given:
            layout = self._layouts[supplier]
            scope = {c.name for c in layout.scope}
            joined = [(scope_column(name), value) for name, value in chosen if scope_column(name) in scope]
            inside = project if "project_id" in scope else None
            columns = [column, *(name for name, _ in joined)]
            for row in self._store.parent_ids(layout, columns, self._options.company, inside, self._principal):
                if all(str(have) == str(want) for have, (_, want) in zip(row[1:], joined, strict=True)):
                    yield row[0]
