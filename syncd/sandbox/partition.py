"""The records of one listing: made when asked for, kept only where someone changed them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from syncd.sandbox.catalog import Entry, Tree
from syncd.sandbox.making import PRIVATE_EVERY, Making, stamp
from syncd.sandbox.recipe import Recipe
from syncd.sandbox.recipes import recipe_of
from syncd.sandbox.shapes import compile_tree
from syncd.sandbox.world import COMPANY_ID, Project, World, mix

_DAY = 86_400
_HISTORY = 540
"""Days over which the records of a list were created."""
_LOGGED = 200
"""Days that dated lists reach back."""
_DELETED_EVERY = 41
"""Every so many records of a list with a recycle bin lie in it from the start."""
_KEPT = 4000
"""Made records are kept up to so many per listing."""
_MASK = (1 << 64) - 1
_TOUCHED = ("description", "subject", "title", "comments", "notes", "body", "name", "label")
"""Fields that an edit without particulars changes, the first that is there."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which records: a resource, its project if any, and the values that lead to it."""

    resource: str
    project: int | None = None
    parent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A record that someone changed, whole, with when, and when it was deleted."""

    record: dict[str, Any]
    updated: int
    deleted: int | None = None


class Partition:
    """The records of one place.

    Args:
        world: What records refer to.
        entry: The endpoint.
        place: Its scope and parents.
        project: The project, or None at company level.
        fill: Makes a record of the endpoint's type tree.
    """

    def __init__(
        self,
        world: World,
        entry: Entry,
        place: Place,
        project: Project | None,
        fill: Callable[[Making], dict[str, Any]],
    ) -> None:
        self._fill = fill
        self.entry = entry
        self.place = place
        self._world = world
        self._project = project
        self._recipe: Recipe = recipe_of(entry)
        self._parent = dict(place.parent)
        self.base = self._recipe.count(world, entry, project, self._parent)
        if entry.key and set(entry.key) <= self._parent.keys():
            # Its place is all of its identity.
            self.base = min(self.base, 1)
        self.size = self.base
        self.rows: dict[int, Row] = {}
        self._days: dict[int, str] = {}
        self._made: dict[int, dict[str, Any]] = {}
        self._created: dict[int, int] = {}
        self._parent_text = "&".join(f"{name}={value}" for name, value in place.parent)
        self._salt = mix(world.seed, entry.name, project.index if project else None, self._parent_text)
        self._children = bool(place.parent)

    @cached_property
    def id_field(self) -> str | None:
        """The field that tells its records apart."""
        for name in (*reversed(self.entry.key), "id"):
            if name in self.entry.fields and name not in self._parent:
                return name
        return None

    def id(self, index: int) -> int | str:
        """Identifier of a record, in the type that the API shows."""
        made = self._recipe.identity(self._world, self._project, self._parent, index) if self._recipe.identity else None
        if made is None:
            if self._children:
                made = self._world.child_id(self.entry.name, f"{self._place_text}/{self._parent_text}", index)
            else:
                made = self._world.id_of(self.entry.name, self._project.index if self._project else None, index)
        kind = self.entry.fields.get(self.id_field) if self.id_field else None
        return str(made) if kind == "string" else made

    @cached_property
    def _place_text(self) -> str:
        return "" if self._project is None else str(self._project.index)

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {str(self.id(index)): index for index in range(self.base)}

    def index_of(self, record_id: int | str) -> int | None:
        """Place of a record among its partition's, or None."""
        found = self._by_id.get(str(record_id))
        if found is not None:
            return found
        for index in range(self.base, self.size):
            if str(self.rows[index].record.get(self.id_field or "id")) == str(record_id):
                return index
        return None

    def _hash(self, index: int) -> int:
        value = (self._salt + index * 0x9E3779B97F4A7C15) & _MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        return value ^ (value >> 31)

    def created(self, index: int) -> int:
        """When a record was created, Unix seconds."""
        if index >= self.base:
            return self._created[index]
        jitter = (self._hash(index) & 0xFFFF) / 0x10000
        if self.entry.window:
            evening = self._logged_day(index) + 20 * 3600
            return min(evening, self._world.midnight) + int(jitter * 3000) - 3600
        span = _HISTORY * _DAY
        return self._world.midnight - span - 3600 + int((index + jitter) / self.base * span)

    def updated(self, index: int) -> int:
        """When a record last changed, Unix seconds."""
        row = self.rows.get(index)
        if row is not None:
            return row.updated
        fraction = ((self._hash(index) >> 16) & 0xFFFF) / 0x10000
        created = self.created(index)
        return created + int((self._world.midnight - created) * fraction**4)

    def deleted(self, index: int) -> int | None:
        """When a record was deleted, Unix seconds, or None."""
        row = self.rows.get(index)
        if row is not None:
            return row.deleted
        if self.entry.deletions and index % _DELETED_EVERY == _DELETED_EVERY - 1:
            return self.updated(index)
        return None

    def private(self, index: int) -> bool:
        """Whether only some may see a record."""
        return "private" in self.entry.fields and index % PRIVATE_EVERY == PRIVATE_EVERY - 1

    def _logged_day(self, index: int) -> int:
        # The last record is of today.
        days = (_LOGGED - 1) * (self.base - 1 - index) // max(1, self.base - 1)
        second = self._world.midnight - days * _DAY
        weekday = datetime.fromtimestamp(second, UTC).weekday()
        return second - max(0, weekday - 4) * _DAY if days else second

    def day(self, index: int) -> str:
        """The day of a record of a dated list, ISO 8601."""
        column = (self.entry.window or {}).get("column")
        row = self.rows.get(index)
        if row is not None and column:
            return str(row.record.get(column) or "")[:10]
        if index < self.base:
            seconds = self._logged_day(index) if self.entry.window else self.created(index)
            return datetime.fromtimestamp(seconds, UTC).date().isoformat()
        return datetime.fromtimestamp(self._created[index], UTC).date().isoformat()

    def indices(self) -> Iterator[int]:
        """All records, deleted ones too, in the order in which the list shows them by default.

        Lists that offer a stable order show the newest first without it, as lists on a screen do.
        """
        order = range(self.size)
        return reversed(order) if self.entry.sortable else iter(order)

    def record(self, index: int) -> dict[str, Any]:
        """A record as the list shows it. Not to be changed."""
        row = self.rows.get(index)
        if row is not None:
            return row.record
        made = self._made.get(index)
        if made is None:
            made = self._make(index)
            if len(self._made) < _KEPT:
                self._made[index] = made
        return made

    def detail(self, index: int) -> dict[str, Any]:
        """A record as the single-record call shows it."""
        listed = self.record(index)
        tree = self.entry.detail_fields
        if not tree:
            return listed
        extra = compile_tree(tree, f"{self.entry.name}.detail")(self._making(index, ("detail", self.updated(index))))
        return {**extra, **listed}

    def create(self, now: int, fields: Mapping[str, Any]) -> int:
        """Add a record; the given fields over made-up ones. Returns its index."""
        index = self.size
        self._created[index] = now
        self.rows[index] = Row({}, now)
        record = {**self._make(index), **fields}
        self.rows[index] = Row(record, now)
        self.size += 1
        return index

    def edit(self, index: int, now: int, fields: Mapping[str, Any]) -> None:
        """Change a record; without fields, some text of it."""
        record = dict(self.record(index))
        record.update(fields or _touch(record, now))
        if "updated_at" in self.entry.fields and "updated_at" not in fields:
            record["updated_at"] = stamp(now)
        self.rows[index] = Row(record, now, self.deleted(index))

    def delete(self, index: int, now: int) -> None:
        """Put a record into the recycle bin, where the list has one; else it is gone."""
        self._mark(index, now, now)

    def restore(self, index: int, now: int) -> None:
        """Take a record back from where `delete` put it."""
        self._mark(index, now, None)

    def _mark(self, index: int, now: int, deleted: int | None) -> None:
        record = dict(self.record(index))
        if "updated_at" in record:
            record["updated_at"] = stamp(now)
        _show_deletion(record, deleted)
        self.rows[index] = Row(record, now, deleted)

    def _making(self, index: int, *salt: object) -> Making:
        world = self._world
        created = self.created(index)
        day = self.day(index) if index < self.base else datetime.fromtimestamp(created, UTC).date().isoformat()
        return Making(
            world=world,
            entry=self.entry,
            project=self._project,
            parent=self._parent,
            index=index,
            id=self.id(index),
            created=created,
            updated=self.updated(index),
            day=date.fromisoformat(day),
            seed=self._hash(index),
            rng=world.rng(self._salt, index, *salt),
        )

    def _make(self, index: int) -> dict[str, Any]:
        making = self._making(index)
        record = self._fill(making)
        self._identify(record, making)
        if self._recipe.shape:
            self._recipe.shape(making, record)
            _fit(record, self.entry.fields)
        deleted = self.deleted(index)
        if deleted is not None:
            _show_deletion(record, deleted)
        return record

    def _identify(self, record: dict[str, Any], making: Making) -> None:
        fields = self.entry.fields
        if self.id_field:
            record[self.id_field] = making.id
        own: dict[str, Any] = {"company_id": COMPANY_ID, **self._parent}
        if making.project:
            own["project_id"] = making.project.id
        for name, value in own.items():
            if name in fields and name != self.id_field:
                record[name] = str(value) if fields[name] == "string" else _integer(value)
        column = (self.entry.window or {}).get("column")
        if column and column in fields:
            day = making.day.isoformat()
            record[column] = day if fields[column] == "date" else f"{day}T16:00:00Z"


def _fit(record: dict[str, Any], tree: Tree) -> None:
    """Ids, numbers and amounts as the endpoint writes them: some as text, some not."""
    for name, kind in tree.items():
        value = record.get(name)
        if isinstance(kind, Mapping) and isinstance(value, dict):
            _fit(value, kind)
        elif kind == "string" and isinstance(value, int | float) and not isinstance(value, bool):
            record[name] = str(value)
        elif kind == "number" and isinstance(value, str):
            record[name] = float(value)


def _integer(value: Any) -> Any:
    return int(value) if str(value).isdecimal() else value


def _show_deletion(record: dict[str, Any], deleted: int | None) -> None:
    if "deleted_at" in record:
        record["deleted_at"] = None if deleted is None else stamp(deleted)
    for name in ("deleted", "is_deleted", "in_recycle_bin"):
        if name in record:
            record[name] = deleted is not None


def _touch(record: Mapping[str, Any], now: int) -> dict[str, Any]:
    for name in _TOUCHED:
        if name in record and (record[name] is None or isinstance(record[name], str)):
            words = str(record[name] or "Edited").partition(" (rev. ")[0]
            return {name: f"{words} (rev. {now})"}
    for name, value in record.items():
        if isinstance(value, bool):
            return {name: not value}
    return {}
