"""Which partitions a job has, parents before children, made one at a time: their number costs no memory.

Where values of several parents have to go together, ids of one project at a time are kept.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
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


@dataclass(frozen=True, slots=True)
class Choice:
    """A value chosen for a placeholder.

    Attributes:
        placeholder: Which.
        value: Of one of the supplier's rows.
        supplier: The resource that supplies it.
        column: Where it stands in the supplier's rows.
    """

    placeholder: str
    value: Id
    supplier: str
    column: str


def candidates(chosen: Sequence[Choice], given: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """The suppliers to ask for the next placeholder: where one of them supplied a value before, only that one."""
    before = {choice.supplier for choice in chosen}
    return [one for one in given if one[0] in before] or given


def settled(chosen: Sequence[Choice], supplier: str, scope: Collection[str]) -> dict[str, Id]:
    """Columns of a supplier's rows whose values the choices tell: of its own scope, and of a row chosen before.

    Args:
        chosen: So far.
        supplier: The resource.
        scope: Names of the columns that its place gives.
    """
    places = {scope_column(choice.placeholder): choice.value for choice in chosen}
    same_row = {choice.column: choice.value for choice in chosen if choice.supplier == supplier}
    return {name: value for name, value in places.items() if name in scope} | same_row


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

        Where a supplier is itself read per another of the placeholders, or supplies two of them, its rows say which
        values go together.
        """
        fixed = [[(name, value) for value in values] for name, values in resource.enumerate.items()]
        needs = suppliers(resource)
        supply = _Supply(partial(self._rows, project), self._layouts)

        def extend(chosen: tuple[Choice, ...], rest: Sequence[str]) -> Iterator[tuple[tuple[str, Id], ...]]:
            if not rest:
                parents = [(choice.placeholder, choice.value) for choice in chosen]
                for values in itertools.product(*fixed):
                    yield (*parents, *values)
                return
            placeholder, *others = rest
            for supplier, column in candidates(chosen, needs[placeholder]):
                for value in supply.values(chosen, supplier, column):
                    yield from extend((*chosen, Choice(placeholder, value, supplier, column)), others)

        yield from extend((), list(needs))

    def _rows(self, project: int | None, layout: Layout, columns: Sequence[str]) -> Iterator[tuple[Id, ...]]:
        inside = project if "project_id" in {column.name for column in layout.scope} else None
        return self._store.parent_ids(layout, columns, self._options.company, inside, self._principal)


class _Supply:
    """The values that one project's rows supply.

    Rows that have to match choices are read once and kept by what they match: looking through all of them for each
    choice would take the square of their number.

    Args:
        read: Reads columns of a resource's rows in the project.
        layouts: Tables of the suppliers.
    """

    def __init__(
        self, read: Callable[[Layout, Sequence[str]], Iterator[tuple[Id, ...]]], layouts: Mapping[str, Layout]
    ) -> None:
        self._read = read
        self._layouts = layouts
        self._kept: dict[tuple[str, ...], dict[tuple[str, ...], list[Id]]] = {}

    def values(self, chosen: Sequence[Choice], supplier: str, column: str) -> Iterator[Id]:
        """Values of a column in the rows that go with the choices."""
        layout = self._layouts[supplier]
        match = settled(chosen, supplier, {one.name for one in layout.scope})
        if not match:
            return (row[0] for row in self._read(layout, [column]))
        place = (supplier, column, *match)
        if place not in self._kept:
            self._kept[place] = self._by_match(layout, [column, *match])
        return iter(self._kept[place].get(_texts(match.values()), ()))

    def _by_match(self, layout: Layout, columns: Sequence[str]) -> dict[tuple[str, ...], list[Id]]:
        kept: dict[tuple[str, ...], list[Id]] = defaultdict(list)
        for value, *match in self._read(layout, columns):
            kept[_texts(match)].append(value)
        return kept


def _texts(values: Iterable[Id]) -> tuple[str, ...]:
    """Ids as they compare: the column of a place may hold as text what is a number in the supplier's rows."""
    return tuple(map(str, values))
