"""The people, companies and places that records refer to: one general contractor and its projects, made from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from syncd.sandbox import names

COMPANY_ID = 4266
COMPANY_NAME = "Halden Ridge Builders"
FIRST_LARGE = 562_949_953_421_312
"""Ids of newer accounts begin at 2**49."""
_SMALL = 3
"""So many records of a partition are old enough to have an id that fits 32 bits."""


@dataclass(frozen=True, slots=True)
class User:
    """A person of the directory."""

    id: int
    first_name: str
    last_name: str
    login: str
    job_title: str
    vendor: int | None

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def initials(self) -> str:
        """First letters."""
        return self.first_name[0] + self.last_name[0]


@dataclass(frozen=True, slots=True)
class Vendor:
    """A company of the directory."""

    id: int
    name: str
    trade: str


@dataclass(frozen=True, slots=True)
class CostCode:
    """A cost code of one project and what is planned and committed for it, in cents."""

    id: int
    code: str
    name: str
    parent: int | None
    budget: int
    committed: int

    @property
    def division(self) -> str:
        """The two digits it begins with."""
        return self.code[:2]


@dataclass(frozen=True, slots=True)
class Location:
    """A place on a site, named by the way to it."""

    id: int
    name: str
    parent: int | None

    @property
    def node(self) -> str:
        """Its own name."""
        return self.name.rsplit(">", 1)[-1]


@dataclass(frozen=True, slots=True)
class Project:
    """A construction project, its people and its places."""

    index: int
    id: int
    name: str
    number: str
    city: str
    state: str
    stage: str
    active: bool
    start: date
    finish: date
    value: int
    users: tuple[int, ...]
    vendors: tuple[int, ...]
    cost_codes: tuple[CostCode, ...]
    locations: tuple[Location, ...]

    @property
    def leaves(self) -> Sequence[CostCode]:
        """Cost codes that money is booked on."""
        return [code for code in self.cost_codes if code.parent is not None]


def mix(*parts: object) -> int:
    """A 64-bit number that depends on nothing but the parts."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


class World:
    """All that is decided before the first record is made.

    Args:
        seed: Same seed, same world.
        projects: How many projects.
        today: The day that dates are counted from.
        scale: Factor on how many people and companies there are; records scale elsewhere.
        custom_fields: Finds the resources with custom fields, and of what kinds.
    """

    def __init__(
        self, seed: int, projects: int, today: date, scale: float, custom_fields: Callable[[], list[tuple[str, str]]]
    ) -> None:
        self._custom_fields = custom_fields
        self._salts: dict[str, int] = {}
        self.seed = seed
        self.today = today
        self.scale = scale
        self.n_projects = projects
        self.midnight = int(datetime(today.year, today.month, today.day, tzinfo=UTC).timestamp())

    @cached_property
    def custom_fields(self) -> list[tuple[str, str]]:
        """Resource and kind of each custom field definition."""
        return self._custom_fields()

    def id_of(self, resource: str, project: int | None, index: int) -> int:
        """Id of the nth record of a resource in a project (by number) or the company.

        The first few are small, as those of old accounts are, the others exceed 32 bits.
        """
        place = 0 if project is None else project + 1
        salt = self._salts.get(resource)
        if salt is None:
            salt = self._salts[resource] = mix(resource)
        if index < _SMALL:
            return 10_000 + salt % 80_000 + place * _SMALL + index
        return FIRST_LARGE + salt % 1000 + (place << 24) + index * 13

    @staticmethod
    def child_id(resource: str, parent: str, index: int) -> int:
        """Id of the nth record of a resource under a parent record."""
        return FIRST_LARGE + ((mix(resource, parent) >> 24) << 8) + index

    def rng(self, *parts: object) -> random.Random:
        """A generator of its own for each purpose."""
        return random.Random(mix(self.seed, *parts))

    @cached_property
    def vendors(self) -> tuple[Vendor, ...]:
        """All companies of the directory; the first is the general contractor itself."""
        count = max(12, round(150 * min(1.0, self.scale)))
        rng = self.rng("vendors")
        pairs = [(stem, kind) for stem in names.VENDOR_STEMS for kind in names.VENDOR_KINDS]
        rng.shuffle(pairs)
        found = [Vendor(self.id_of("vendors", None, 0), COMPANY_NAME, "General Contractor")]
        for index, (stem, (kind, trade)) in enumerate(pairs[: count - 1], start=1):
            found.append(Vendor(self.id_of("vendors", None, index), f"{stem} {kind}", trade))
        return tuple(found)

    @cached_property
    def users(self) -> tuple[User, ...]:
        """All people of the directory; every third works for the general contractor."""
        count = max(16, round(140 * min(1.0, self.scale)))
        rng = self.rng("users")
        pairs = [(first, last) for first in names.FIRST_NAMES for last in names.LAST_NAMES]
        rng.shuffle(pairs)
        found = []
        for index, (first, last) in enumerate(pairs[:count]):
            vendor = 0 if index % 3 == 0 else rng.randrange(1, len(self.vendors))
            titles = names.STAFF_TITLES if vendor == 0 else names.TRADE_TITLES
            login = f"{first}.{last}@example.com".lower()
            found.append(User(self.id_of("company_users", None, index), first, last, login, rng.choice(titles), vendor))
        return tuple(found)

    @cached_property
    def staff(self) -> Sequence[User]:
        """People of the general contractor."""
        return [user for user in self.users if user.vendor == 0]

    @cached_property
    def projects(self) -> list[Project]:
        """All projects, of every status: about three in four are active."""
        return [self._project(index) for index in range(self.n_projects)]

    @cached_property
    def project_by_id(self) -> dict[int, Project]:
        """Projects by id."""
        return {project.id: project for project in self.projects}

    def add_project(self) -> Project:
        """One more project, the next of the list."""
        by_id, project = self.project_by_id, self._project(len(self.projects))
        self.projects.append(project)
        by_id[project.id] = project
        return project

    def _project(self, index: int) -> Project:
        rng = self.rng("project", index)
        name, city, state = names.PROJECTS[index % len(names.PROJECTS)]
        if index >= len(names.PROJECTS):
            name = f"{name}, Phase {index // len(names.PROJECTS) + 1}"
        active = index % 4 != 2  # noqa: PLR2004 - every fourth has ended, from the third on
        start = self.today - timedelta(days=rng.randrange(240, 520) if active else rng.randrange(900, 1300))
        finish = start + timedelta(days=rng.randrange(560, 800))
        value = rng.randrange(120, 900) * 10_000_000
        users = sorted(rng.sample(range(len(self.users)), min(len(self.users), 26)))
        vendors = [0, *sorted(rng.sample(range(1, len(self.vendors)), min(len(self.vendors) - 1, 22)))]
        return Project(
            index=index,
            id=self.id_of("projects", None, index),
            name=name,
            number=f"{start.year % 100}-{101 + index:03d}",
            city=city,
            state=state,
            stage=rng.choice(("Course of Construction", "Course of Construction", "Pre-Construction"))
            if active
            else rng.choice(("Post-Construction", "Warranty")),
            active=active,
            start=start,
            finish=finish,
            value=value,
            users=tuple(users),
            vendors=tuple(vendors),
            cost_codes=self._cost_codes(index, value),
            locations=self._locations(index),
        )

    def _cost_codes(self, project: int, value: int) -> tuple[CostCode, ...]:
        rng = self.rng("cost codes", project)
        count = max(12, round(len(names.COST_CODES) * min(1.0, self.scale * 2)))
        weights = [rng.uniform(0.4, 3.0) for _ in range(count)]
        share = value / sum(weights)
        found: list[CostCode] = []
        divisions: dict[str, int] = {}
        for weight, (code, name) in zip(weights, names.COST_CODES[:count], strict=True):
            division = code[:2]
            if division not in divisions:
                divisions[division] = self.id_of("cost_codes", project, len(found))
                found.append(CostCode(divisions[division], division, names.DIVISIONS[division], None, 0, 0))
            budget = round(weight * share / 25_000) * 25_000
            # Most buyouts come in under budget, some over: what an analyst looks for.
            committed = (
                round(budget * rng.choice((0.0, 0.55, 0.7, 0.82, 0.9, 0.94, 0.97, 1.0, 1.04, 1.13)) / 5_000) * 5_000
            )
            own = self.id_of("cost_codes", project, len(found))
            found.append(CostCode(own, code, name, divisions[division], budget, committed))
        return tuple(found)

    def _locations(self, project: int) -> tuple[Location, ...]:
        rng = self.rng("locations", project)
        found: list[Location] = []

        def add(name: str, parent: int | None) -> int:
            found.append(Location(self.id_of("locations", project, len(found)), name, parent))
            return found[-1].id

        for building in ("Building A", "Building B")[: rng.randrange(1, 3)]:
            top = add(building, None)
            for level in range(1, rng.randrange(4, 6)):
                floor = add(f"{building}>Level {level}", top)
                for room in rng.sample(names.ROOMS, 3):
                    add(f"{building}>Level {level}>{room}", floor)
        site = add("Site", None)
        for place in ("Laydown Yard", "Parking Structure", "Main Gate"):
            add(f"Site>{place}", site)
        return tuple(found)
