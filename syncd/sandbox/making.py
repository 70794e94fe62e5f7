"""What a value's maker knows of the record that it makes a value for."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from syncd.sandbox.catalog import Entry
from syncd.sandbox.world import FIRST_LARGE, CostCode, Location, Project, User, Vendor, World

PRIVATE_EVERY = 5
"""Every so many records of a list that knows private ones are private."""


@dataclass(slots=True)
class Making:
    """One record being made.

    Attributes:
        world: What it may refer to.
        entry: Its endpoint.
        project: Its project, or None at company level.
        parent: Values of the placeholders that lead to its partition.
        index: Its place among its partition's records, from 0.
        id: Its identifier.
        created: Unix seconds.
        updated: Unix seconds.
        day: Its day, where the list is dated; else the day it was created.
        seed: A number that no other record has.
        rng: Its own.
    """

    world: World
    entry: Entry
    project: Project | None
    parent: Mapping[str, str]
    index: int
    id: int | str
    created: int
    updated: int
    day: date
    seed: int
    rng: random.Random

    def user(self) -> User:
        """Someone of the project, or of the company."""
        users = self.world.users
        return users[self.rng.choice(self.project.users)] if self.project else self.rng.choice(users)

    def vendor(self) -> Vendor:
        """A company on the project, or in the directory, other than the general contractor."""
        vendors = self.world.vendors
        return vendors[self.rng.choice(self.project.vendors[1:])] if self.project else self.rng.choice(vendors[1:])

    def cost_code(self) -> CostCode:
        """A cost code that money is booked on, of the record's project or of any."""
        return self.rng.choice((self.project or self.rng.choice(self.world.projects)).leaves)

    def location(self) -> Location:
        """A place on the site."""
        return self.rng.choice((self.project or self.rng.choice(self.world.projects)).locations)

    def some_project(self) -> Project:
        """The record's project, or any."""
        return self.project or self.rng.choice(self.world.projects)

    def around(self, least: int, most: int) -> date:
        """A day so many days after the record's own."""
        return self.day + timedelta(days=self.rng.randint(least, most))

    def chance(self, probability: float) -> bool:
        """True as often as said."""
        return self.rng.random() < probability

    def inner_id(self, place: int) -> int:
        """An id for an object inside the record that no other has; `place` tells where it stands."""
        spread = (self.seed * 0x9E3779B97F4A7C15 + place) & 0xFFFFFFFFFFFFFFFF
        return FIRST_LARGE + ((spread >> 24) << 8) + self.rng.randrange(200)

    @property
    def private(self) -> bool:
        """Whether it is private, where the list knows private records."""
        return self.index % PRIVATE_EVERY == PRIVATE_EVERY - 1


Maker = Callable[[Making], Any]


def stamp(seconds: float) -> str:
    """Unix seconds as Procore writes an instant: ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money(cents: int) -> str:
    """Cents as Procore writes an amount: a decimal in a string."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"
