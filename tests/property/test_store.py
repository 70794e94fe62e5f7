"""The store on SQLite and its twin in memory, given the same random writes, tell the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from support import things
from support.shelf import Desk, MemoryShelf, Shelf, SqlShelf

from syncd.errors import SyncdError
from syncd.model import Counts, CursorState, Key, Mode, Partition, Proof, Status, Window, Write

_TORTURE = os.environ.get("HYPOTHESIS_PROFILE") == "torture"
_EXAMPLES = int(os.environ.get("SYNCD_TORTURE_EXAMPLES", "2000" if _TORTURE else "20"))

THINGS = replace(
    things.THINGS,
    fields={
        "id": "integer",
        "name": "string",
        "weight": "number",
        "day": "date",
        "owner": {"id": "integer"},
        "crates": [{"id": "integer", "items": [{"id": "integer"}]}],
    },
)
LINES = things.LINES
PAIRS = replace(THINGS, name="pairs", key=("id", "kind"), fields={"id": "integer", "kind": "string", "name": "string"})
CATALOG = (THINGS, LINES, PAIRS)

_HERE = Partition("service", "things", 1, 10)
_LINES = Partition("service", "lines", 1, None, (("thing_id", 5),))
PLACES = (
    _HERE,
    replace(_HERE, project_id=11),
    replace(_HERE, principal="user:alice"),
    _LINES,
    replace(_LINES, parent=(("thing_id", 6),)),
    replace(_HERE, resource="pairs"),
)
WINDOW = Window("day", "2026-03-01", "2026-03-02")


@dataclass(frozen=True)
class Page:
    """What one batch is made of, the same for both stores."""

    place: Partition
    records: Sequence[Mapping[str, Any]] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


_IDS = st.integers(1, 4)
_ITEMS = st.lists(st.fixed_dictionaries({"id": st.integers(1, 3)}), max_size=2)
_RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": _IDS},
        optional={
            "name": st.sampled_from(["a", "b", "é", 7]),
            "kind": st.sampled_from(["x", "y"]),
            "weight": st.sampled_from(["0.1", 12, "1" * 30, "1e400", "heavy"]),
            "day": st.sampled_from(["2026-02-28", "2026-03-01", "2026-03-02", "soon"]),
            "owner": st.fixed_dictionaries({"id": _IDS}),
            "crates": st.lists(st.fixed_dictionaries({"id": _IDS, "items": _ITEMS}), max_size=2),
            "found": st.one_of(_IDS, st.just("text"), st.lists(st.fixed_dictionaries({"deep": _IDS}), max_size=2)),
        },
    ),
    max_size=3,
    unique_by=lambda record: record["id"],
)


def _key(place: Partition, number: int) -> Key:
    return (number, "x") if place.resource == "pairs" else (number,)


@st.composite
def _keys(draw: st.DrawFn, place: Partition) -> list[Key]:
    return [_key(place, number) for number in draw(st.lists(_IDS, max_size=3, unique=True))]


@st.composite
def _pages(draw: st.DrawFn) -> Page:
    place = draw(st.sampled_from(PLACES))
    more: dict[str, Any] = {name: draw(_keys(place)) for name in ("seen", "gone", "sightings") if draw(st.booleans())}
    more |= {"remove": draw(st.booleans()), "fresh": draw(st.booleans()), "arrived": draw(st.integers(0, 2))}
    if draw(st.booleans()):
        more["cursor"] = CursorState(state=str(draw(_IDS)))
    names = ("found", *next(one for one in CATALOG if one.name == place.resource).fields)
    records = [{name: value for name, value in record.items() if name in names} for record in draw(_RECORDS)]
    return Page(place, records, more)


class Pair:
    """Two desks that do the same.

    Args:
        shelves: The twin's and the database's.
    """

    def __init__(self, shelves: Sequence[Shelf]) -> None:
        self.shelves = shelves
        self.desks = [Desk(shelf.store(), CATALOG) for shelf in shelves]
        self.runs = 1

    def both(self, act: Callable[[Desk, Shelf], object]) -> None:
        """Do it with each; both must tell the same, or fail alike."""
        told = []
        for desk, shelf in zip(self.desks, self.shelves, strict=True):
            try:
                told.append(act(desk, shelf))
            except SyncdError as error:
                told.append(type(error))
        assert told[0] == told[1]

    def commit(self, pages: Sequence[Page]) -> None:
        def act(desk: Desk, shelf: Shelf) -> list[Counts]:
            return desk.commit(*(self._write(desk, page, shelf) for page in pages))

        self.both(act)

    @staticmethod
    def _write(desk: Desk, page: Page, shelf: Shelf) -> Write:
        write = desk.batch(page.place, page.records, **page.more)
        if write.cursor is None or write.cursor.state == "1":
            return write
        standing = int(write.cursor.state) if write.cursor.state > "2" else None
        return replace(
            write, proof=Proof(Mode.FULL, 1, 2, 3, 4, Status.OK, "", shelf.clock.now(), standing=standing)
        )  # fmt: skip

    def sweep(self, place: Partition, keys: Sequence[Key], *, remove: bool) -> None:
        self.both(lambda desk, _: desk.sweep(place, *keys, remove=remove))

    def forget(self, place: Partition) -> None:
        self.both(lambda desk, _: desk.store.forget_sightings(place, desk.lease))

    def restart(self, *, lost: bool) -> None:
        """Go on in another process, in a later run; where the lease is lost, the old one tries to write once more."""
        self.runs += 1
        late = self.desks
        for shelf in self.shelves:
            shelf.clock.advance(seconds=61 if lost else 1)
        self.desks = [
            Desk(shelf.store(), CATALOG, f"run-{self.runs}", "job:a" if lost else desk.lease)
            for shelf, desk in zip(self.shelves, late, strict=True)
        ]
        if lost:
            current, self.desks = self.desks, late
            self.commit([Page(_HERE, [{"id": 1, "name": "late"}], {"gone": [(2,)]})])
            self.forget(_HERE)
            self.desks = current

    def compare(self) -> None:
        """Everything that stands, and what the stores tell of it."""
        for place in PLACES:
            keys = [_key(place, number) for number in range(6)]
            self.both(lambda desk, _, place=place, keys=keys: desk.known(place, *keys))  # type: ignore[misc]
            self.both(lambda desk, _, place=place: (desk.live(place), sorted(desk.missing(place))))  # type: ignore[misc]
            self.both(lambda desk, _, place=place: sorted(desk.missing(place, None)))  # type: ignore[misc]
            self.both(lambda desk, _: desk.store.cursors(PLACES))
        self.both(lambda desk, _: (desk.live(_HERE, WINDOW), sorted(desk.missing(_HERE, window=WINDOW))))
        for resource in CATALOG:
            tables = [table.name for table in self.desks[0].layout(resource.name).tables()]
            for number in range(len(tables)):
                self.both(
                    lambda desk, shelf, name=resource.name, number=number: shelf.stored(  # type: ignore[misc]
                        desk.layout(name), list(desk.layout(name).tables())[number]
                    )
                )
        for who in ("service", "user:alice"):
            self.both(
                lambda desk, _, who=who: sorted(  # type: ignore[misc]
                    desk.store.parent_ids(desk.layout("things"), ["owner_id", "id"], 1, None, who)
                )
            )
        told = ("principal", "resource", "project_id", "parent", "standing", "seen", "note", "run_id")
        self.both(lambda _, shelf: _told(shelf, "syncd_partitions", told))
        self.both(lambda _, shelf: _told(shelf, "syncd_schema_changes", ("table_name", "column_name", "type")))


def _told(shelf: Shelf, table: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = [tuple(row.get(name) or None for name in names) for row in shelf.remembered(table)]
    return sorted((row for row in rows if any(row[4:]) or table != "syncd_partitions"), key=str)


_STEPS = st.one_of(
    st.tuples(st.just("commit"), st.lists(_pages(), min_size=1, max_size=3)),
    st.tuples(st.just("commit"), st.lists(_pages(), min_size=1, max_size=1)),
    st.tuples(
        st.just("sweep"),
        st.sampled_from(PLACES).flatmap(lambda one: st.tuples(st.just(one), _keys(one), st.booleans())),
    ),
    st.tuples(st.just("forget"), st.sampled_from(PLACES)),
    st.tuples(st.just("restart"), st.booleans()),
)


def test_the_twin_in_memory_tells_what_the_database_does(tmp_path: Path) -> None:
    database = SqlShelf(f"sqlite:///{tmp_path / 'test.db'}")

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        derandomize=not _TORTURE,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(steps=st.lists(_STEPS, min_size=4, max_size=40 if _TORTURE else 15))
    def lives(steps: list[tuple[str, Any]]) -> None:
        database.empty()
        pair = Pair([MemoryShelf(), database])
        with capture_logs():
            live(pair, steps)

    def live(pair: Pair, steps: Sequence[tuple[str, Any]]) -> None:
        for kind, what in steps:
            note(f"{kind} {what}")
            match kind:
                case "commit":
                    pair.commit(what)
                case "sweep":
                    pair.sweep(what[0], what[1], remove=what[2])
                case "forget":
                    pair.forget(what)
                case "restart":
                    pair.restart(lost=what)
        pair.compare()

    try:
        lives()
    finally:
        database.close()
