"""What is particular about a list: how many records, whose ids, and how they fit others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.catalog import Entry
from syncd.sandbox.making import Making
from syncd.sandbox.world import Project, World, mix

Parent = Mapping[str, str]
Record = dict[str, Any]
Count = Callable[[World, Entry, "Project | None", Parent], int]
Identity = Callable[[World, "Project | None", Parent, int], "int | None"]
Shape = Callable[[Making, Record], None]


def few(world: World, entry: Entry, project: Project | None, parent: Parent) -> int:
    """A handful, whatever the scale."""
    if entry.envelope == "object":
        return 1
    return 2 + _chance(world, entry, project, parent) % 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is particular about a list.

    Attributes:
        count: How many records a partition begins with.
        identity: Id of the nth record, where it is another record's; None gives one of its own.
        shape: Changes a made-up record so that it fits others.
    """

    count: Count = few
    identity: Identity | None = None
    shape: Shape | None = None


def scaled(count: int) -> Count:
    """So many records at scale 1, a tenth more or less from place to place."""

    def counted(world: World, entry: Entry, project: Project | None, parent: Parent) -> int:
        vary = 0.9 + 0.2 * (_chance(world, entry, project, parent) % 1000) / 1000
        return max(1, round(count * world.scale * vary))

    return counted


def between(least: int, most: int) -> Count:
    """A few records, whatever the scale: children of a record."""

    def counted(world: World, entry: Entry, project: Project | None, parent: Parent) -> int:
        return least + _chance(world, entry, project, parent) % (most - least + 1)

    return counted


def _chance(world: World, entry: Entry, project: Project | None, parent: Parent) -> int:
    return mix(world.seed, entry.name, project.index if project else 0, sorted(parent.items()))


def put(record: Record, **values: Any) -> None:
    """Set those fields that the record has."""
    for name, value in values.items():
        if name in record:
            record[name] = value
