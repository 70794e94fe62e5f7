"""How many records a list has, and what makes those of well-known lists hang together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.sandbox.catalog import Entry
from syncd.sandbox.making import Making
from syncd.sandbox.world import Project, World, mix

Parent = Mapping[str, str]
Count = Callable[[World, Entry, "Project | None", Parent], int]
Identity = Callable[[World, "Project | None", Parent, int], "int | str | None"]
Shape = Callable[[Making, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is particular about a list.

    Attributes:
        count: How many records a partition begins with.
        identity: Id of the nth record, where it is another record's; None gives one of its own.
        shape: Changes a made-up record so that it fits others.
    """

    count: Count
    identity: Identity | None = None
    shape: Shape | None = None


def scaled(count: int) -> Count:
    """So many records at scale 1, about a tenth more or less from project to project."""

    def counted(world: World, entry: Entry, project: Project | None, parent: Parent) -> int:
        vary = (
            0.9
            + 0.2 * (mix(world.seed, entry.name, project.index if project else 0, sorted(parent.items())) % 1000) / 1000
        )
        return max(1, round(count * world.scale * vary))

    return counted


def few(world: World, entry: Entry, project: Project | None, parent: Parent) -> int:
    """A handful, whatever the scale."""
    if entry.envelope == "object":
        return 1
    return 2 + mix(world.seed, entry.name, project.index if project else 0, sorted(parent.items())) % 3


_FEW = Recipe(few)
_TABLE: dict[str, Recipe] = {}


def recipe_of(entry: Entry) -> Recipe:
    """The recipe of a list; a handful of made-up records where none is known."""
    return _TABLE.get(entry.name, _FEW)
