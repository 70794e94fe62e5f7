"""A small Procore of a test's own: records that are edited, deleted and restored, lists that pages and faults cut."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from support.fake import FakeClock, check_range, stamp
from support.helping import read
from syncd.catalog.resource import Deletions, Resource, Sort, Window
from syncd.errors import Refused
from syncd.model import Continuation, Id, ListRequest, Page, Priority, Reader

COMPANY = 1
PROJECTS = (101, 102)

_FIELDS = {
    "id": "integer",
    "name": "string",
    "amount": "number",
    "updated_at": "date-time",
    "owner": {"id": "integer", "login": "string"},
    "parts": [{"id": "integer", "label": "string", "bits": [{"id": "integer", "text": "string"}]}],
}
_BASE = Resource(name="", title="", tool="Test/World", path="", scope="company", fields=_FIELDS)

THINGS = replace(_BASE, name="things", path="/rest/v1.0/things", updated_at="filters[updated_at]")
PLAIN = replace(_BASE, name="plain", path="/rest/v1.0/plain")
NOTES = replace(
    _BASE,
    name="notes",
    path="/rest/v1.0/projects/{project_id}/notes",
    scope="project",
    updated_at="filters[updated_at]",
    deletions=Deletions(param="view", value="with"),
)
TASKS = replace(
    _BASE,
    name="tasks",
    path="/rest/v1.0/projects/{project_id}/tasks",
    scope="project",
    sort=Sort(recent=(("sort", "-updated_at"),)),
)
LOGS = replace(
    _BASE,
    name="logs",
    path="/rest/v1.0/projects/{project_id}/logs",
    scope="project",
    window=Window("start_date", "end_date", "date"),
    fields={**_FIELDS, "date": "date"},
)
ANSWERS = replace(
    _BASE,
    name="answers",
    path="/rest/v1.0/things/{thing_id}/answers",
    parents={"thing_id": ("things",)},
    fields={"id": "integer", "name": "string", "updated_at": "date-time"},
)
EVENTS = replace(
    _BASE, name="events", path="/rest/v1.0/events", key=(), fields={"name": "string", "updated_at": "date-time"}
)
DEFINITIONS = replace(
    _BASE,
    name="custom_field_definitions",
    path="/rest/v1.0/custom_field_definitions",
    fields={"id": "integer", "label": "string"},
)
"""Asked for when a custom field turns up; synced by no run."""
CATALOG = {one.name: one for one in (THINGS, PLAIN, NOTES, TASKS, LOGS, ANSWERS, EVENTS)}
SHARED = ("things", "plain", "notes")
"""What the second principal syncs too."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a record stands, as `support.equality` wants it."""

    project: int | None = None
    parent: tuple[tuple[str, Id], ...] = ()


@dataclass
class Entry:
    """A record of the world, alive or in its recycle bin."""

    resource: str
    spot: Spot
    record: dict[str, Any]
    deleted: bool = False


@dataclass
class World:
    """The truth, and the API before it.

    Attributes:
        totals: Whether listings announce their `Total`.
        page_size: Records per page.
        most_days: Days of dated records that a listing may ask for at most, or None.
        refused: Paths that answer 403.
        faults: Path to the page (from 0) before which an error is raised, once.
        drift: Changes that happen between pages, one at each seam.
        changes: `id` of entries that changed, in order; of what stands below a record that changed, too.
        hidden: Whether all listings come back empty.
        stop_after: Requests until the program is asked to stop, or None.
    """

    clock: FakeClock
    entries: list[Entry] = field(default_factory=list)
    totals: bool = True
    page_size: int = 3
    most_days: int | None = None
    refused: set[str] = field(default_factory=set)
    faults: dict[str, tuple[int, Exception]] = field(default_factory=dict)
    drift: list[Callable[[], None]] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)
    ever_deleted: set[int] = field(default_factory=set)
    hidden: bool = False
    stop_after: int | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def insert(self, resource: str, spot: Spot, fields: dict[str, Any], place: int) -> Entry:
        """Put a new record somewhere among the others."""
        record = {"id": next(self._numbers), **fields, "updated_at": stamp(self.clock.now())}
        if resource == "events":
            record["name"] = f"event {record.pop('id')}"
        entry = Entry(resource, spot, record)
        self.entries.insert(place % (len(self.entries) + 1), entry)
        self._touch(entry)
        return entry

    def edit(self, entry: Entry, fields: dict[str, Any]) -> None:
        """Change a record."""
        entry.record = {**entry.record, **fields, "updated_at": stamp(self.clock.now())}
        self._touch(entry)

    def delete(self, entry: Entry) -> None:
        """Move a record to the recycle bin."""
        entry.deleted = True
        self.ever_deleted.add(id(entry))
        self.edit(entry, {})

    def restore(self, entry: Entry) -> None:
        """Bring it back."""
        entry.deleted = False
        self.edit(entry, {})

    def move(self, entry: Entry) -> None:
        """Give a record another place in its listings, as an unstable order does."""
        self.entries.remove(entry)
        self.entries.insert(0, entry)

    def move_to(self, entry: Entry, spot: Spot) -> None:
        """Give a record another parent or project. What increments are to find says that it changed."""
        entry.spot = spot
        self.ever_deleted.add(id(entry))
        if entry.resource != ANSWERS.name:
            entry.record = {**entry.record, "updated_at": stamp(self.clock.now())}
        self._touch(entry)

    def asked(self) -> None:
        """A request came."""
        if self.stop_after is not None:
            self.stop_after -= 1
            self.clock.stopped = self.stop_after < 0

    def _touch(self, entry: Entry) -> None:
        self.changes.append(id(entry))
        if entry.resource == "things":
            place = ("thing_id", entry.record["id"])
            self.changes += [id(one) for one in self.entries if place in one.spot.parent]

    def path(self, entry: Entry) -> str:
        """Where an entry is listed."""
        return path_of(entry.resource, entry.spot)

    def live(self, resource: str) -> list[Entry]:
        """What stands there, in the places that the program can know of."""
        things = {
            ("thing_id", one.record["id"]) for one in self.entries if one.resource == "things" and not one.deleted
        }
        return [
            one
            for one in self.entries
            if one.resource == resource and not one.deleted and (resource != "answers" or one.spot.parent[0] in things)
        ]


def path_of(resource: str, spot: Spot) -> str:
    """The path of one partition's list."""
    path = CATALOG[resource].path.replace("{project_id}", str(spot.project))
    for name, value in spot.parent:
        path = path.replace(f"{{{name}}}", str(value))
    return path


class WorldSource:
    """The world as one principal sees it.

    Args:
        world: The truth.
        sees: Which entries.
    """

    def __init__(self, world: World, sees: Callable[[Entry], bool] = lambda _: True) -> None:
        self._world = world
        self._sees = sees
        self.requests = 0

    def get(
        self,
        company_id: int,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        priority: Priority = Priority.INCREMENT,
    ) -> Any:
        raise NotImplementedError

    def pages(self, request: ListRequest, reader: Reader | None = None) -> Iterator[Page]:
        world = self._world
        start = request.start.covered if request.start else 0
        for number in itertools.count():
            self.requests += 1
            world.asked()
            if request.path in world.refused:
                raise Refused("Procore answered 403.", status=403, reason="no permission")
            if request.path in world.faults and world.faults[request.path][0] <= number:
                raise world.faults.pop(request.path)[1]
            check_range(request, world.most_days)
            records = self._listing(request)
            first = max(0, start - 1) if start else 0
            page = records[first : first + world.page_size]
            covered = first + len(page)
            more = covered < len(records) and bool(page)
            yield Page(
                records=read(copy.deepcopy(page), reader),
                overlap=start - first,
                total=len(records) if world.totals else None,
                next=Continuation(page=number + 2, covered=covered) if more else None,
                server_time=world.clock.now(),
            )
            if not more:
                return
            start = covered
            if world.drift:
                world.drift.pop(0)()

    def _listing(self, request: ListRequest) -> list[dict[str, Any]]:
        world, params = self._world, dict(request.params)
        if request.path == DEFINITIONS.path:
            return [{"id": 7, "label": "Colour of it"}]
        if world.hidden:
            return []
        entries = [one for one in world.entries if world.path(one) == request.path and self._sees(one)]
        records = [
            {**one.record, "deleted_at": one.record["updated_at"]} if one.deleted else one.record
            for one in entries
            if not one.deleted or params.get("view") == "with"
        ]
        if "filters[updated_at]" in params:
            low, high = params["filters[updated_at]"].split("...")
            records = [record for record in records if low <= record["updated_at"] <= high]
        if "start_date" in params:
            records = [r for r in records if params["start_date"] <= r["date"] <= params["end_date"]]
        if params.get("sort") == "-updated_at":
            records.sort(key=lambda record: record["updated_at"], reverse=True)
        return records


def day(clock: FakeClock, before: int) -> str:
    """An ISO day, so many before today."""
    return (clock.now() - timedelta(days=before)).date().isoformat()
