"""All records of the sandbox: the truth that tests compare tables with, and the ways to change it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from syncd.sandbox.catalog import Catalog, Entry
from syncd.sandbox.making import Making
from syncd.sandbox.partition import Partition, Place
from syncd.sandbox.shapes import compile_tree
from syncd.sandbox.world import Project, World

RecordId = int | str
Parent = Mapping[str, RecordId]


class Unknown(LookupError):
    """No such resource, project, parent or record."""


class Store:
    """The records of every place, made when first asked for. Safe to use from several threads.

    Args:
        world: What records refer to.
        catalog: The endpoints.
        clock: Gives Unix seconds.
    """

    def __init__(self, world: World, catalog: Catalog, clock: Callable[[], float]) -> None:
        self.world = world
        self.catalog = catalog
        self.lock = threading.RLock()
        self.clock = clock
        self._partitions: dict[Place, Partition] = {}
        self._fills: dict[str, Callable[[Making], dict[str, Any]]] = {}

    def partition(self, place: Place) -> Partition:
        """The records of a place.

        Raises:
            Unknown: The catalog has no such resource, or the company no such project.
        """
        with self.lock:
            found = self._partitions.get(place)
            if found is None:
                entry = self.entry(place.resource)
                found = Partition(self.world, entry, place, self._project(entry, place.project), self._fill(entry))
                self._partitions[place] = found
            return found

    def entry(self, resource: str) -> Entry:
        """The endpoint of a resource.

        Raises:
            Unknown: The catalog has none.
        """
        if resource not in self.catalog:
            raise Unknown(f"No resource {resource}")
        return self.catalog[resource]

    def _fill(self, entry: Entry) -> Callable[[Making], dict[str, Any]]:
        fill = self._fills.get(entry.name)
        if fill is None:
            fill = self._fills[entry.name] = compile_tree(entry.fields, entry.name)
        return fill

    def _project(self, entry: Entry, project_id: int | None) -> Project | None:
        if entry.scope != "project":
            return None
        project = self.world.project_by_id.get(project_id or 0)
        if project is None:
            raise Unknown(f"No project {project_id}")
        return project

    def project_exists(self, project_id: int) -> bool:
        """Whether a project is there and not deleted."""
        if project_id not in self.world.project_by_id:
            return False
        if "projects" not in self.catalog:
            return True
        projects = self.partition(Place("projects"))
        index = projects.index_of(project_id)
        return index is not None and projects.deleted(index) is None

    def places(self, resource: str, project_id: int | None = None) -> list[Place]:
        """All places of a resource, in one project or in all."""
        entry = self.entry(resource)
        if entry.scope != "project":
            return list(self._places(entry, None))
        if project_id is not None:
            return list(self._places(entry, project_id))
        return [place for project in self.world.projects for place in self._places(entry, project.id)]

    def _places(self, entry: Entry, project_id: int | None) -> Iterator[Place]:
        chains: list[dict[str, str]] = [{}]
        for name in entry.outer:
            chains = [
                {**chain, name: value}
                for chain in chains
                for value in self.outer_values(entry, name, project_id, chain)
            ]
        for chain in chains:
            yield Place(entry.name, project_id, tuple(chain.items()))

    def outer_values(self, entry: Entry, name: str, project_id: int | None, chain: Mapping[str, str]) -> list[str]:
        """What a parent's placeholder or an enumerated parameter may be, given the ones before it."""
        if name in entry.enumerate:
            return [str(value) for value in entry.enumerate[name]]
        found: dict[str, None] = {}
        for supplier in entry.parents.get(name, ()):
            resource, _, column = supplier.partition(".")
            if resource not in self.catalog:
                continue
            row = _chosen_of(entry, resource, chain)
            for place in self.places(resource, project_id):
                if all(chain.get(key, value) == value for key, value in place.parent):
                    found.update(dict.fromkeys(self._column(self.partition(place), column, row)))
        return list(found)

    @staticmethod
    def _column(partition: Partition, column: str, row: Mapping[str, str]) -> Iterator[str]:
        for index in range(partition.size):
            if partition.deleted(index) is not None:
                continue
            if row and any(str(dig(partition.record(index), at or "id")) != value for at, value in row.items()):
                continue
            if column in ("", partition.id_field):
                yield (
                    str(partition.id(index))
                    if index < partition.base
                    else str(partition.record(index)[partition.id_field or "id"])
                )
                continue
            value = dig(partition.record(index), column)
            yield from (str(one) for one in (value if isinstance(value, list) else [value]) if one is not None)

    def locate(
        self, resource: str, record_id: RecordId, project_id: int | None = None, parent: Parent | None = None
    ) -> tuple[Partition, int]:
        """A record's partition and index.

        Raises:
            Unknown: There is none.
        """
        if parent is not None:
            candidates = [Place(resource, project_id, tuple((name, str(value)) for name, value in parent.items()))]
        else:
            candidates = self.places(resource, project_id)
        for place in candidates:
            partition = self.partition(place)
            index = partition.index_of(record_id)
            if index is not None:
                return partition, index
        raise Unknown(f"No record {record_id} of {resource}")

    def create(
        self,
        resource: str,
        project_id: int | None = None,
        parent: Parent | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Add a record and return it; the given fields over made-up ones."""
        with self.lock:
            if resource == "projects":
                self.partition(Place(resource))
                self.world.add_project()
            if parent is None:
                place = next(iter(self.places(resource, project_id)), None)
                if place is None:
                    raise Unknown(f"No place for {resource} in {project_id}")
            else:
                place = Place(resource, project_id, tuple((name, str(value)) for name, value in parent.items()))
            partition = self.partition(place)
            return partition.record(partition.create(int(self.clock()), fields or {}))

    def edit(
        self,
        resource: str,
        record_id: RecordId,
        project_id: int | None = None,
        parent: Parent | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Change a record (some text of it, where no fields are given) and return it."""
        with self.lock:
            partition, index = self.locate(resource, record_id, project_id, parent)
            partition.edit(index, int(self.clock()), fields or {})
            return partition.record(index)

    def delete(
        self, resource: str, record_id: RecordId, project_id: int | None = None, parent: Parent | None = None
    ) -> None:
        """Delete a record."""
        with self.lock:
            partition, index = self.locate(resource, record_id, project_id, parent)
            partition.delete(index, int(self.clock()))

    def restore(
        self, resource: str, record_id: RecordId, project_id: int | None = None, parent: Parent | None = None
    ) -> None:
        """Bring a deleted record back."""
        with self.lock:
            partition, index = self.locate(resource, record_id, project_id, parent)
            partition.restore(index, int(self.clock()))

    def truth(
        self, resource: str, project_id: int | None = None, parent: Parent | None = None, *, deleted: bool = False
    ) -> list[dict[str, Any]]:
        """Every record of a resource as the list would show it, in no particular order.

        Args:
            resource: The catalog's name.
            project_id: Only of this project.
            parent: Only under this parent.
            deleted: Deleted ones instead of live ones.
        """
        with self.lock:
            return [record for _, record, gone in self.walk(resource, project_id, parent) if gone == deleted]

    def walk(
        self, resource: str, project_id: int | None = None, parent: Parent | None = None
    ) -> Iterator[tuple[Place, dict[str, Any], bool]]:
        """Every record with its place and whether it is deleted."""
        wanted = None if parent is None else {name: str(value) for name, value in parent.items()}
        for place in self.places(resource, project_id):
            if wanted is not None and dict(place.parent) != wanted:
                continue
            partition = self.partition(place)
            for index in range(partition.size):
                yield place, partition.record(index), partition.deleted(index) is not None

    def changeable(self) -> list[Place]:
        """Places that a background editor may change: those already asked for, projects and companies left out."""
        with self.lock:
            seen = list(self._partitions)
        fixed = {"projects", "companies"}
        return [place for place in seen if place.resource not in fixed]

    def sample(self, limit: int) -> list[Place]:
        """The first places of the catalog's most used resources, so that there is something to change."""
        flat = [entry for entry in self.catalog if entry.tier == 1 and not entry.outer and entry.scope == "project"]
        return list(itertools.islice((place for entry in flat for place in self.places(entry.name)), limit))


def dig(record: Mapping[str, Any], column: str) -> Any:
    """The value of a column: a field, or one of a nested object (`created_by_id`, `created_by.id`)."""
    if column in record:
        return record[column]
    for separator in (".", "_"):
        pieces = column.split(separator)
        for cut in range(1, len(pieces)):
            head, tail = separator.join(pieces[:cut]), separator.join(pieces[cut:])
            inner = record.get(head)
            if isinstance(inner, Mapping):
                return dig(inner, tail)
    return None


def _chosen_of(entry: Entry, resource: str, chain: Mapping[str, str]) -> Mapping[str, str]:
    """Columns of a supplier whose values were chosen for other placeholders: of the same row then."""
    named = {
        name: supplier.partition(".")
        for name, suppliers in entry.parents.items()
        for supplier in suppliers
        if name in chain
    }
    return {column: chain[name] for name, (supplier, _, column) in named.items() if supplier == resource}
