"""After any mixture of edits, faults, drift and crashes, one healthy run makes every table equal the source."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from structlog.testing import capture_logs
from support.fake import Silent
from support.helping import Beside
from support.oracle import problems
from support.shelf import MemoryShelf, Shelf, SqlShelf
from support.world import (
    ANSWERS,
    CATALOG,
    DEFINITIONS,
    LOGS,
    PROJECTS,
    SHARED,
    Entry,
    Spot,
    World,
    WorldSource,
    day,
    path_of,
)

from syncd.engine.options import Options
from syncd.engine.ports import Lease, Store
from syncd.engine.record import recorded
from syncd.engine.run import Ports, Run
from syncd.errors import BadAnswer, RequestRejected, Unauthorized, Unavailable
from syncd.model import RunRecord, RunReport, Status

_TORTURE = os.environ.get("HYPOTHESIS_PROFILE") == "torture"
_EXAMPLES = int(os.environ.get("SYNCD_TORTURE_EXAMPLES", "2000" if _TORTURE else "25"))

_WRITES = ("commit", "sweep", "widen", "forget_sightings", "refused", "allowed", "open_run", "close_run", "beat")
_ERRORS: Sequence[Callable[[], Exception]] = (
    lambda: Unavailable("Procore does not answer.", status=503),
    lambda: BadAnswer("The answer is no JSON."),
    lambda: RequestRejected("Procore answered 422.", status=422),
    lambda: Unauthorized("Procore answered 401 twice.", status=401),
)


class Killed(Exception):
    """The process is gone."""


class Mortal:
    """A store whose process dies at one of its writes: just before it, or just after its commit.

    Args:
        store: The real one.
        deaths: How many writes happen before, and whether the last one is committed; None: it lives.
    """

    def __init__(self, store: Store, death: tuple[int, bool] | None = None) -> None:
        self._store = store
        self.packing = store.packing
        self._left, self._committed = death or (-1, False)
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Killed
            if name not in _WRITES:
                return real(*args, **kwargs)
            self._left -= 1
            if self._left != -1:
                return real(*args, **kwargs)
            if self._committed:
                real(*args, **kwargs)
            self.dead = True
            raise Killed

        return call

    def lease(self, name: str, seconds: float) -> Lease:
        return MortalLease(self, self._store.lease(name, seconds))


class MortalLease:
    """A lease that a dead process does not give back."""

    def __init__(self, store: Mortal, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self.name, self.fence = lease.name, lease.fence

    def renew(self) -> None:
        if not self._store.dead:
            self._lease.renew()

    def release(self) -> None:
        if not self._store.dead:
            self._lease.release()


_NAMES = st.sampled_from(["name", "weight", "Weight", "owner", "parts", "tags", "flag", "due", "custom_field_7"])
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.integers(-9, 9),
    st.sampled_from([0.5, 12.25, -3.125, "1.10", "2026-02-03", "2026-02-03T04:05:06Z", "", "é\0", "x" * 300, "  "]),
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["id", "label", "Label", "value", "data_type"]), inner, max_size=3),
        st.lists(st.dictionaries(st.sampled_from(["id", "label", "bits"]), inner, max_size=3), max_size=3),
    ),
    max_leaves=6,
)
_FIELDS = st.dictionaries(_NAMES, _VALUES, max_size=3)
_PARTS = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(1, 9), "label": st.sampled_from(["a", "b"])},
        optional={"bits": st.lists(st.fixed_dictionaries({"id": st.integers(1, 5), "text": st.just("t")}), max_size=2)},
    ),
    max_size=3,
)
_LOGS: dict[str, Any] = {"logs_from": timedelta(days=90), "logs_lookback": timedelta(days=60)}
"""Several listings, where the server gives a month at once, that reach back beyond all days of the world's logs."""
_GROWING = [name for name in CATALOG if name not in ("answers", "events")]


class Machine(RuleBasedStateMachine):
    """Random lives of the world, with runs between.

    Args:
        shelf: Where the tables stand; emptied first.
    """

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        shelf.empty()
        self.shelf = shelf
        self.clock = shelf.clock
        self.world = World(self.clock)
        self.store = shelf.store()
        self.runs = 0
        self.began: dict[str, int] = {}
        """How many changes there had been when a run began."""
        self.healthy = False
        """Whether the tables equalled the world at the end of the last run, and nobody changed it since."""

    @initialize(
        totals=st.booleans(),
        page_size=st.integers(2, 6),
        most_days=st.sampled_from([None, None, 31]),
        number=st.integers(0, 12),
    )
    def begin(self, *, totals: bool, page_size: int, most_days: int | None, number: int) -> None:
        self.world.totals = totals
        self.world.page_size = page_size
        self.world.most_days = most_days
        for count in range(number):
            self.insert(list(CATALOG)[count % len(CATALOG)], 0, {}, 3 * count)

    def teardown(self) -> None:
        self.heal()

    # The world's changes.

    def _entry(self, number: int, *, deleted: bool) -> Entry | None:
        entries = [one for one in self.world.entries if one.deleted is deleted]
        return entries[number % len(entries)] if entries else None

    def _spot(self, resource: str, where: int) -> Spot | None:
        """A place for records of a resource, or None where there is none."""
        if resource == ANSWERS.name:
            things = [one for one in self.world.entries if one.resource == "things"]
            return Spot(None, (("thing_id", things[where % len(things)].record["id"]),)) if things else None
        return Spot(PROJECTS[where % len(PROJECTS)] if CATALOG[resource].scope == "project" else None)

    @rule(resource=st.sampled_from(list(CATALOG)), where=st.integers(0, 30), fields=_FIELDS, place=st.integers(0, 30))
    def insert(self, resource: str, where: int, fields: dict[str, Any], place: int) -> None:
        spot = self._spot(resource, where)
        if spot is None:
            return
        if resource not in _GROWING:
            fields = {}
        if resource == LOGS.name:
            fields = {**fields, "date": day(self.clock, where % 20 * 2)}
        self.world.insert(resource, spot, fields, place)
        self.healthy = False

    @rule(number=st.integers(0, 99), fields=_FIELDS)
    def grow(self, number: int, fields: dict[str, Any]) -> None:
        entry = self._entry(number, deleted=False)
        if entry is not None and entry.resource in _GROWING:
            self.world.edit(entry, fields)
            self.healthy = False

    @rule(number=st.integers(0, 99), name=st.sampled_from(["x", "y", "z"]), parts=_PARTS)
    def edit(self, number: int, name: str, parts: list[Any]) -> None:
        entry = self._entry(number, deleted=False)
        if entry is not None:
            fields = {"name": name} if entry.resource not in _GROWING else {"name": name, "parts": parts}
            if entry.resource == "events":
                # A record without identity is another one when it changes.
                fields = {"name": f"{entry.record['name']}{name}"}
                self.world.ever_deleted.add(id(entry))
            self.world.edit(entry, fields)
            self.healthy = False

    @rule(number=st.integers(0, 99))
    def delete(self, number: int) -> None:
        entry = self._entry(number, deleted=False)
        if entry is not None:
            self.world.delete(entry)
            self.healthy = False

    @rule(number=st.integers(0, 99))
    def restore(self, number: int) -> None:
        entry = self._entry(number, deleted=True)
        if entry is not None:
            self.world.restore(entry)
            self.healthy = False

    @rule(seconds=st.sampled_from([1, 40, 400, 4_000, 30_000]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule(number=st.integers(0, 99), where=st.integers(0, 30))
    def move_elsewhere(self, number: int, where: int) -> None:
        """A record gets another parent or project; of an answer, nothing else changes."""
        entries = [one for one in self.world.entries if one.spot != Spot() and not one.deleted]
        if entries:
            entry = entries[number % len(entries)]
            spot = self._spot(entry.resource, where)
            if spot is not None and spot != entry.spot:
                self.world.move_to(entry, spot)
                self.healthy = False

    # What happens to the next run.

    def _path(self, number: int) -> str:
        paths = list(dict.fromkeys(self.world.path(one) for one in self.world.entries))
        return paths[number % len(paths)] if paths else path_of("plain", Spot())

    @rule(number=st.integers(0, 20), page=st.integers(0, 3), error=st.sampled_from(_ERRORS))
    def fail(self, number: int, page: int, error: Callable[[], Exception]) -> None:
        self.world.faults[self._path(number)] = (page, error())

    @rule(project=st.sampled_from(PROJECTS), resource=st.sampled_from(["notes", "tasks", "logs"]))
    def forbid(self, project: int, resource: str) -> None:
        self.world.refused.add(path_of(resource, Spot(project)))

    @rule()
    def permit(self) -> None:
        self.world.refused.clear()

    @rule(kind=st.sampled_from(["insert", "edit", "delete", "restore", "move", "leave"]), number=st.integers(0, 99))
    def drift(self, kind: str, number: int) -> None:
        changes: dict[str, Callable[[], None]] = {
            "insert": lambda: self.insert(list(CATALOG)[number % len(CATALOG)], number, {}, number),
            "edit": lambda: self.edit(number, "moved", []),
            "delete": lambda: self.delete(number),
            "restore": lambda: self.restore(number),
            "move": lambda: self._move(number),
            "leave": lambda: self.move_elsewhere(number, number // 7),
        }
        self.world.drift.append(changes[kind])

    def _move(self, number: int) -> None:
        entry = self._entry(number, deleted=False)
        if entry is not None:
            self.edit(number, "moved", [])
            self.world.move(entry)

    # Runs.

    @rule(full=st.booleans(), accept=st.booleans(), remove=st.sampled_from([False, False, False, True]))
    def run(self, *, full: bool, accept: bool, remove: bool) -> None:
        self._execute(full=full, accept_deletes=accept, remove=remove)

    @rule()
    def run_as_alice(self) -> None:
        self._execute(principal="user:alice")

    @rule(deaths=st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=3))
    def crash(self, deaths: list[tuple[int, bool]]) -> None:
        for death in deaths:
            self._execute(death=death)

    @rule(requests=st.integers(0, 9))
    def stop(self, requests: int) -> None:
        self.world.stop_after = requests
        self._execute()
        self.world.stop_after = None
        self.clock.stopped = False

    @precondition(lambda self: self.healthy)
    @rule()
    def everything_hides(self) -> None:
        """Every listing comes back empty, once, as it does when permissions are lost."""
        self.world.hidden = True
        self._execute(full=True)
        self.world.hidden = False
        self.healthy = False

    @rule()
    def heal(self) -> None:
        self.world.refused.clear()
        self.world.faults.clear()
        self.world.drift.clear()
        self.clock.advance(seconds=120)
        for _ in range(2):
            reports = [
                self._execute(full=True, accept_deletes=True, principal=who) for who in ("user:alice", "service")
            ]
            if all(report is not None and report.status is Status.OK for report in reports):
                break
        else:
            pytest.fail(f"two healthy runs did not end well: {[report and report.error for report in reports]}")
        assert problems(self.shelf, self.store, self.world) == []
        self.healthy = True

    def _execute(
        self, *, principal: str = "service", death: tuple[int, bool] | None = None, **wishes: Any
    ) -> RunReport | None:
        self.runs += 1
        alice = principal != "service"
        wanted = SHARED if alice else tuple(CATALOG)
        store = Mortal(self.store, death)
        source = WorldSource(self.world, (lambda one: one.record["id"] % 2 == 0) if alice else (lambda _: True))
        record = RunRecord(f"run-{self.runs}", principal, "resources", principal, "manual", None, self.clock.now())
        options = Options(company=1, projects=PROJECTS, resources=wanted, workers=1, **_LOGS, **wishes)
        ports = Ports(
            source,
            store,
            self.shelf.state(record.job),
            self.clock,
            Silent(),
            {**CATALOG, DEFINITIONS.name: DEFINITIONS},
            Beside(),
        )
        self.began[record.id] = len(self.world.changes)
        origin, plain = record.id, not (options.full or options.accept_deletes)

        def work(lease: Lease, opened: RunRecord) -> RunReport:
            nonlocal origin
            origin = opened.origin
            return Run(ports, options, opened, frozenset(CATALOG)).execute(lease)

        try:
            with capture_logs():
                report = recorded(store, record, self.clock, work, may_resume=plain)
        except Killed:
            self.clock.advance(seconds=90)
            self.store = self.shelf.store()
            return None
        note(f"{principal} {report.status} {report.rows} {report.error}")
        if report.status is Status.OK and not alice:
            changed = self.world.changes[self.began[origin] :]
            assert problems(self.shelf, self.store, self.world, changed, exact=False) == []
        self._check_tombstones()
        return report

    def _check_tombstones(self) -> None:
        """No row is a tombstone whose record was never deleted."""
        alive = {
            (one.resource, one.record["id"])
            for one in self.world.entries
            if id(one) not in self.world.ever_deleted and "id" in one.record
        }
        for resource in (one for one in CATALOG.values() if one.key):
            rows = self.shelf.stored(self.store.open(resource, frozenset(CATALOG)))
            gone = [row["id"] for row in rows if row["_syncd_deleted_at"] is not None]
            assert [number for number in gone if (resource.name, number) in alive] == []


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40 if _TORTURE else 15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
        derandomize=not _TORTURE,
    )


def drive(shelf: Shelf, examples: int) -> None:
    """Live so many lives on a shelf."""
    try:
        run_state_machine_as_test(lambda: Machine(shelf), settings=_settings(examples))  # type: ignore[arg-type] # called, not subclassed
    finally:
        shelf.close()


@pytest.mark.long
def test_the_twin_in_memory_equals_the_source_after_any_mixture_of_changes_faults_and_crashes() -> None:
    drive(MemoryShelf(), _EXAMPLES)


@pytest.mark.long
def test_sqlite_equals_the_source_after_any_mixture_of_changes_faults_and_crashes(tmp_path: Path) -> None:
    drive(SqlShelf(f"sqlite:///{tmp_path / 'machine.db'}"), _EXAMPLES if _TORTURE else 15)


@pytest.mark.postgres
@pytest.mark.long
def test_postgresql_equals_the_source_after_any_mixture_of_changes_faults_and_crashes(postgres_url: str) -> None:
    drive(SqlShelf(postgres_url), max(5, _EXAMPLES // 10))
