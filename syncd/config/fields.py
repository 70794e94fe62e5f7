"""Fields that jobs exclude or hash: those that syncd itself reads, and those that no record is known to have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from syncd.catalog.resource import Resource
from syncd.config.explain import nearest
from syncd.config.load import Configuration
from syncd.engine.minimise import field_names
from syncd.engine.plan import PROJECTS, suppliers
from syncd.jobs.resources_options import ResourcesOptions

_TELL_DELETION = ("deleted_at", "deleted", "is_deleted")


class Catalog(Protocol):
    """What is asked of the catalog."""

    def select(self, wishes: tuple[str, ...]) -> list[str]:
        """The names that a job's `resources` mean."""

    def header(self, name: str) -> Resource:
        """An entry without its type trees."""

    def __getitem__(self, name: str) -> Resource:
        """An entry."""


def needed_fields(configuration: Configuration, catalog: Catalog) -> list[str]:
    """What jobs keep out although syncd cannot do without it, a line each, with its place.

    Args:
        configuration: With the jobs; their resources are known.
        catalog: The catalog that it names.
    """
    wrong: list[str] = []
    for job in configuration.jobs.values():
        options = job.options
        if not isinstance(options, ResourcesOptions) or not (options.exclude or options.hash):
            continue
        read = _read_by(options, catalog)
        for key, wishes in (("exclude", options.exclude), ("hash", options.hash)):
            for resource, index, wish in _each(wishes):
                needs = dict(_needs(catalog.header(resource), excluded=key == "exclude")) | read.get(resource, {})
                if why := needs.get(wish.replace(".", "_")):
                    place = configuration.place(job.name, key, resource, index)
                    wrong.append(f"{place}: {wish} {why}; leave it out of {key}.")
    return wrong


def unknown_fields(options: ResourcesOptions, catalog: Catalog) -> list[str]:
    """Fields that a job excludes or hashes and that the catalog does not have, a sentence each.

    That need not be wrong: Procore gives some fields that it does not describe.
    """
    doubts: list[str] = []
    for key, wishes in (("exclude", options.exclude), ("hash", options.hash)):
        for resource, _, wish in _each(wishes):
            entry = catalog[resource]
            known = field_names({**entry.fields, **entry.detail_fields})
            if known and wish not in known and "custom_field" not in wish:
                near = nearest(wish, known)
                hint = f"; did you mean {near[0]}?" if near else "."
                doubts.append(f"{key}.{resource}: no field {wish} is known{hint}")
    return doubts


def _each(wishes: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, int, str]]:
    for resource, fields in wishes.items():
        for index, wish in enumerate(fields):
            yield resource, index, wish


def _needs(entry: Resource, *, excluded: bool) -> Iterator[tuple[str, str]]:
    """Columns of a resource that syncd reads whatever else is synced, and what for."""
    for name in entry.key if excluded else ():
        yield name, f"tells the records of {entry.name} apart"
    for name in _TELL_DELETION:
        yield name, "tells that a record is deleted"
    if entry.window is not None and entry.window.column is not None:
        yield entry.window.column, "tells the day of a record"


def _read_by(options: ResourcesOptions, catalog: Catalog) -> dict[str, dict[str, str]]:
    """By resource, the columns whose values the job's other resources are read for."""
    found: dict[str, dict[str, str]] = {}
    todo = list(catalog.select(options.resources))
    for name in todo:
        entry = catalog.header(name)
        for given in suppliers(entry).values():
            for supplier, column in given:
                found.setdefault(supplier, {})[column] = f"tells what {name} is read for"
                todo += [supplier] if supplier not in todo else []
        if entry.scope == "project" and not isinstance(options.projects, tuple):
            found.setdefault(PROJECTS, {})["id"] = "tells which projects are read"
            if options.projects == "active":
                found[PROJECTS]["active"] = "tells which projects are read"
    return found
