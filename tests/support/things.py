"""Resources, places and looks of the tests of what a store promises."""

from __future__ import annotations

from dataclasses import replace

from support.memory_store import Row
from support.shelf import Desk, Shelf
from syncd.catalog.resource import Resource
from syncd.model import Partition

THINGS = Resource(
    name="things",
    title="Things",
    tool="Test/Things",
    path="/rest/v1.0/things",
    scope="project",
    fields={
        "id": "integer",
        "name": "string",
        "weight": "number",
        "active": "boolean",
        "day": "date",
        "at": "date-time",
        "extra": "any",
        "owner": {"id": "integer"},
        "crates": [{"id": "integer", "label": "string", "items": [{"id": "integer", "price": "number"}]}],
    },
)
CODES = replace(THINGS, name="codes", key=("code",), fields={"code": "string", "name": "string"})
PAIRS = replace(
    THINGS,
    name="pairs",
    key=("kind", "number"),
    fields={"kind": "string", "number": "integer", "name": "string", "parts": [{"id": "integer"}]},
)
EVENTS = replace(THINGS, name="events", key=(), fields={"name": "string", "parts": [{"id": "integer"}]})
LINES = replace(
    THINGS, name="lines", scope="company", parents={"thing_id": ("things",)}, fields={"id": "integer", "name": "string"}
)
ALL = (THINGS, CODES, PAIRS, EVENTS, LINES)

HERE = Partition("service", "things", 1, 10)
THERE = replace(HERE, project_id=11)
ALICE = replace(HERE, principal="user:alice")


def of(resource: Resource, principal: str = "service") -> Partition:
    return Partition(principal, resource.name, 1, 10)


def lines(thing: int | str) -> Partition:
    return Partition("service", "lines", 1, None, (("thing_id", thing),))


def things(shelf: Shelf, desk: Desk, table: str = "things") -> list[Row]:
    layout = desk.layout("things")
    return shelf.stored(layout, next(one for one in layout.tables() if one.name == table))


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def names(rows: list[Row]) -> list[str]:
    return [row["name"] for row in rows]
