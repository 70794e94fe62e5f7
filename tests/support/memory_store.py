"""The twin in memory of the engine's store: what the database keeps, in plain dictionaries."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from syncd.catalog.layout import PARENT_ID, RECORD_ID, Addition, Layout, layout_of, named, retyped
from syncd.catalog.resource import Resource
from syncd.engine.identity import key_text
from syncd.engine.ports import Lease
from syncd.errors import STOPPED, ConfigError, JobBusy, LeaseLost, Unstorable
from syncd.model import (
    Counts,
    CursorState,
    Id,
    Interrupted,
    Key,
    Known,
    Partition,
    Proof,
    Refusal,
    Reject,
    RunRecord,
    RunReport,
    TableRows,
    Window,
    Write,
)

Row = dict[str, Any]
Place = tuple[Any, ...]
"""The values of a primary key: scope, then key."""

_HOUR, _WEEK = timedelta(hours=1), timedelta(days=7)


@dataclass(frozen=True)
class Held:
    """A record as it is stored: its row, and the rows of its children, which are replaced with it.

    Attributes:
        row: Of the resource's own table.
        children: Rows of the child tables, by table.
        hash: Of its content.
        misfits: JSON text, or None.
        parent: Which partition's listing brought it.
        sight: The principals that see it; nobody sees a tombstone.
        synced_at: When it was written.
        run_id: What wrote it, or made it a tombstone.
        deleted_at: Set on a tombstone.
    """

    row: Row
    children: Mapping[str, Sequence[Row]]
    hash: bytes
    misfits: str | None
    parent: str
    sight: frozenset[str]
    synced_at: datetime
    run_id: str
    deleted_at: datetime | None = None


@dataclass
class Lock:
    """A lease as the database remembers it."""

    fence: int
    held: bool
    since: datetime
    until: datetime


@dataclass
class Memory:
    """What a database is to `SqlStore`: all stores that are given the same one see the same."""

    records: dict[str, dict[Place, Held]] = field(default_factory=lambda: defaultdict(dict))
    types: dict[tuple[str, str], Any] = field(default_factory=dict)
    additions: dict[str, list[Addition]] = field(default_factory=lambda: defaultdict(list))
    changes: list[Row] = field(default_factory=list)
    cursors: dict[Partition, CursorState] = field(default_factory=dict)
    proofs: dict[Partition, tuple[Proof, str]] = field(default_factory=dict)
    standing: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    sightings: dict[Partition, set[Key]] = field(default_factory=lambda: defaultdict(set))
    rejects: dict[tuple[Partition, str], Row] = field(default_factory=dict)
    refusals: dict[Partition, tuple[Refusal, int]] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    claims: dict[tuple[str, int, str], tuple[str, int]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    runs: dict[str, Row] = field(default_factory=dict)
    run_resources: list[Row] = field(default_factory=list)
    alone: threading.RLock = field(default_factory=threading.RLock)


class MemoryState:
    """The twin of `JobState`."""

    def __init__(self, memory: Memory, job: str) -> None:
        self._states, self._job = memory.states, job

    def load(self) -> Mapping[str, Any]:
        state: Mapping[str, Any] = json.loads(self._states.get(self._job, "{}"))
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        self._states[self._job] = json.dumps(state)


class MemoryLease:
    """The twin of `SqlLease`."""

    def __init__(self, memory: Memory, now: Callable[[], datetime], name: str, seconds: float) -> None:
        self.name = name
        self._memory, self._now, self._life = memory, now, timedelta(seconds=seconds)
        with memory.alone:
            before, time = memory.locks.get(name), now()
            if before is not None and before.held and before.until > time:
                raise JobBusy(f"{name} is held since {before.since} until {before.until}.")
            self.fence = 1 if before is None else before.fence + 1
            memory.locks[name] = Lock(self.fence, held=True, since=time, until=time + self._life)

    def renew(self) -> None:
        with self._memory.alone:
            check_fence(self._memory, self).until = self._now() + self._life

    def release(self) -> None:
        with self._memory.alone:
            lock = self._memory.locks[self.name]
            lock.held = lock.held and lock.fence != self.fence


def check_fence(memory: Memory, lease: Lease) -> Lock:
    lock = memory.locks.get(lease.name)
    if lock is None or not lock.held or lock.fence != lease.fence:
        raise LeaseLost(f"Somebody else has {lease.name}.")
    return lock


class MemoryStore:
    """The twin of `SqlStore`.

    Args:
        memory: Its database.
        now: The wall clock, UTC.
    """

    packing = None

    def __init__(self, memory: Memory, now: Callable[[], datetime]) -> None:
        self._memory = memory
        self._now = now
        self._opened: dict[str, tuple[Resource, frozenset[str]]] = {}
        self._layouts: dict[tuple[str, int], Layout] = {}
        """Of each resource with so many additions."""

    # Tables.

    def open(self, resource: Resource, table_names: frozenset[str]) -> Layout:
        with self._memory.alone:
            taken = [one["resource"] for one in self._memory.changes if one["table_name"] == resource.name]
            if {*taken} - {resource.name}:
                raise ConfigError(f"{resource.name} is a child table of {taken[0]}.")
            if self._opened.get(resource.name) != (resource, table_names):
                self._opened[resource.name] = (resource, table_names)
                self._layouts.clear()
            return self._layout(resource.name)

    def _layout(self, name: str) -> Layout:
        made = name, len(self._memory.additions[name])
        if made not in self._layouts:
            self._layouts[made] = self._typed(name)
        return self._layouts[made]

    def _typed(self, name: str) -> Layout:
        resource, table_names = self._opened[name]
        layout = layout_of(resource, self._memory.additions[name], table_names)
        for table in layout.tables():
            for column in (*table.columns, *(layout.scope if table is layout.table else ())):
                self._memory.types.setdefault((table.name, column.name), column.type)
        return retyped(layout, self._memory.types)

    def widen(self, layout: Layout, additions: Sequence[Addition], run_id: str) -> Layout:
        with self._memory.alone:
            resource, table_names = self._opened[layout.resource]
            recorded = self._memory.additions[resource.name]
            have = {addition.path for addition in recorded}
            fresh = [addition for addition in additions if addition.path not in have]
            wider = layout_of(resource, recorded, table_names, fresh)
            for addition in fresh:
                table, column = named(wider, addition)
                recorded.append(replace(addition, name=column or table))
                change = {"table_name": table, "column_name": column, "type": addition.type, "run_id": run_id}
                self._memory.changes.append({"resource": resource.name, **change, "changed_at": self._now()})
            return self._layout(resource.name)

    # What stands.

    def cursors(self, partitions: Sequence[Partition]) -> Mapping[Partition, CursorState]:
        return {one: self._memory.cursors[one] for one in partitions if one in self._memory.cursors}

    def parent_ids(
        self, layout: Layout, columns: Sequence[str], company_id: int, project_id: int | None, principal: str
    ) -> Iterator[tuple[Id, ...]]:
        scope = {"company_id": company_id} | ({} if project_id is None else {"project_id": project_id})
        with self._memory.alone:
            rows = [
                held.row
                for held in self._memory.records[layout.resource].values()
                if principal in held.sight and all(held.row.get(name, value) == value for name, value in scope.items())
            ]
        found = {tuple(row.get(name) for name in columns) for row in rows}
        return iter([values for values in found if values[0] is not None])  # type: ignore[misc] # ids, by its contract

    def known(self, layout: Layout, asked: Sequence[tuple[Partition, Sequence[Key]]]) -> Sequence[Mapping[Key, Known]]:
        return [self._known(layout, partition, keys) for partition, keys in asked]

    def _known(self, layout: Layout, partition: Partition, keys: Sequence[Key]) -> Mapping[Key, Known]:
        with self._memory.alone:
            records = self._memory.records[layout.resource]
            found = {key: records.get(place_of(layout, partition, key)) for key in keys}
        return {
            key: Known(
                held.hash,
                deleted=held.deleted_at is not None,
                seen=partition.principal in held.sight,
                placed=held.parent == partition.parent_text,
            )
            for key, held in found.items()
            if held is not None
        }

    def live(self, layout: Layout, partition: Partition, window: Window | None = None) -> int:
        return len(self._standing(layout, partition, window))

    def missing(
        self, layout: Layout, partition: Partition, window: Window | None, seen: frozenset[Key] | None
    ) -> Iterator[Key]:
        brought = self._memory.sightings[partition] if seen is None else seen
        return iter([key for key in self._standing(layout, partition, window) if key not in brought])

    def _standing(self, layout: Layout, partition: Partition, window: Window | None) -> list[Key]:
        """Keys of a partition's live rows that its principal sees."""
        scope = scope_values(layout, partition)
        with self._memory.alone:
            return sorted(
                place[len(scope) :]
                for place, held in self._memory.records[layout.resource].items()
                if place[: len(scope)] == scope
                and partition.principal in held.sight
                and held.parent == partition.parent_text
                and (window is None or window.first <= (held.row[window.column] or "")[:10] <= window.last)
            )

    # Writing.

    def commit(
        self, layouts: Mapping[str, Layout], writes: Sequence[Write], run_id: str, lease: Lease
    ) -> Sequence[Counts]:
        with self._memory.alone:
            check_fence(self._memory, lease)
            for write in writes:
                check_storable(write)
            return [self._commit(layouts[write.partition.resource], write, run_id) for write in writes]

    def _commit(self, layout: Layout, write: Write, run_id: str) -> Counts:
        memory, partition = self._memory, write.partition
        if write.root is not None:
            self._put(layout, write, write.root, run_id)
        self._see(layout, partition, write.seen)
        deleted = self._take_sight(layout, partition, write.gone, run_id, remove=write.remove)
        memory.sightings[partition] |= set(write.sightings)
        for reject in write.rejects:
            self._reject(partition, reject, run_id)
        memory.standing[partition] += write.arrived
        if write.cursor is not None:
            memory.cursors[partition] = write.cursor
        if write.proof is not None:
            memory.proofs[partition] = (write.proof, run_id)
            if write.proof.standing is not None:
                memory.standing[partition] = write.proof.standing
        return write.counts + Counts(deleted=deleted)

    def _put(self, layout: Layout, write: Write, root: TableRows, run_id: str) -> None:
        records = self._memory.records[layout.resource]
        owners = [owner for owner, size in write.owners for _ in range(size)]
        children: dict[Id, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for rows in write.children:
            for row in rows_of(rows):
                children[row[RECORD_ID if RECORD_ID in row else PARENT_ID]][rows.table].append(row)
        each = zip(owners, write.keys, rows_of(root), write.hashes, write.misfits, strict=True)
        for partition, key, row, content, misfits in each:
            place = place_of(layout, partition, key)
            before = records.get(place)
            records[place] = Held(
                row=row if before is None else {**before.row, **row},
                children=children[key[0] if len(key) == 1 else key_text(key)],
                hash=content,
                misfits=misfits,
                parent=partition.parent_text,
                sight=(before.sight if before else frozenset()) | {partition.principal},
                synced_at=self._now(),
                run_id=run_id,
            )

    def _see(self, layout: Layout, partition: Partition, keys: Iterable[Key]) -> None:
        records = self._memory.records[layout.resource]
        for key in keys:
            place = place_of(layout, partition, key)
            if place in records:
                sight = records[place].sight | {partition.principal}
                records[place] = replace(records[place], sight=sight, deleted_at=None)

    def _take_sight(
        self, layout: Layout, partition: Partition, keys: Iterable[Key], run_id: str, *, remove: bool
    ) -> int:
        records, total = self._memory.records[layout.resource], 0
        for key in keys:
            place = place_of(layout, partition, key)
            held = records.get(place)
            if held is None or partition.principal not in held.sight or held.parent != partition.parent_text:
                continue
            self._memory.standing[partition] -= 1
            rest = held.sight - {partition.principal}
            if rest:
                records[place] = replace(held, sight=rest)
                continue
            total += 1
            if remove:
                del records[place]
            else:
                records[place] = replace(held, sight=rest, deleted_at=self._now(), run_id=run_id)
        return total

    def _reject(self, partition: Partition, reject: Reject, run_id: str) -> None:
        record = json.dumps(reject.record, default=str)
        first = {"record": record, "record_key": reject.key, "first_at": self._now(), **described(partition)}
        row = self._memory.rejects.setdefault((partition, record), first)
        row |= {"run_id": run_id, "reason": reject.reason, "last_at": self._now()}

    def sweep(
        self, layout: Layout, partition: Partition, keys: Sequence[Key], run_id: str, lease: Lease, *, remove: bool
    ) -> int:
        with self._memory.alone:
            check_fence(self._memory, lease)
            return self._take_sight(layout, partition, keys, run_id, remove=remove)

    def forget_sightings(self, partition: Partition, lease: Lease) -> None:
        with self._memory.alone:
            check_fence(self._memory, lease)
            self._memory.sightings.pop(partition, None)

    # Who may write.

    def lease(self, name: str, seconds: float) -> MemoryLease:
        return MemoryLease(self._memory, self._now, name, seconds)

    def claim(self, lease: Lease, principal: str, company_id: int, resources: Collection[str]) -> frozenset[str]:
        with self._memory.alone:
            check_fence(self._memory, lease)
            free = {name for name in resources if self._free(lease, (principal, company_id, name))}
            self._memory.claims |= {(principal, company_id, name): (lease.name, lease.fence) for name in free}
            return frozenset(free)

    def _free(self, lease: Lease, claim: tuple[str, int, str]) -> bool:
        name, fence = self._memory.claims.get(claim, (lease.name, 0))
        if name == lease.name:
            return True
        lock = self._memory.locks[name]
        if lock.held and lock.fence == fence and lock.until <= self._now():
            lock.held = False
        return not (lock.held and lock.fence == fence)

    def disclaim(self, lease: Lease, resources: Collection[str]) -> None:
        with self._memory.alone:
            for claim, owner in list(self._memory.claims.items()):
                if claim[2] in resources and owner == (lease.name, lease.fence):
                    del self._memory.claims[claim]

    # What is remembered beside the rows.

    def interrupted(self, job: str, principal: str) -> Interrupted | None:
        runs = [one for one in self._memory.runs.values() if one["job"] == job]
        last = max(runs, key=lambda one: (one["started_at"], one["id"]), default=None)
        if last is None or last["principal"] != principal:
            return None
        if last["status"] != "running" and last.get("error") != STOPPED:
            return None
        origin = last["resumes"] or last["id"]
        read = sum(one.full_by == origin for one in self._memory.cursors.values())
        alive_at = last["finished_at"] or last.get("heartbeat_at") or last["started_at"]
        return Interrupted(last["id"], origin, alive_at, read)

    def beat(self, run_id: str) -> None:
        self._memory.runs[run_id]["heartbeat_at"] = self._now()

    def open_run(self, run: RunRecord) -> None:
        with self._memory.alone:
            for before in self._memory.runs.values():
                if before["job"] == run.job and before["status"] == "running":
                    before |= {"status": "failed", "exit_code": 1, "finished_at": run.started_at}
            self._memory.runs[run.id] = {**asdict(run), "status": "running", "exit_code": None, "finished_at": None}

    def close_run(self, report: RunReport) -> None:
        ended = {name: getattr(report, name) for name in ("status", "exit_code", "finished_at", "requests", "error")}
        with self._memory.alone:
            self._memory.runs[report.run_id] |= {**ended, **counted(report.rows)}
            self._memory.run_resources += [
                {"run_id": report.run_id, "resource": one.resource, "status": one.status, **counted(one.rows)}
                for one in report.resources
            ]

    def refusals(self, partitions: Sequence[Partition]) -> Mapping[Partition, Refusal]:
        return {one: self._memory.refusals[one][0] for one in partitions if one in self._memory.refusals}

    def refused(self, partition: Partition, status: int, reason: str, now: datetime) -> None:
        with self._memory.alone:
            times = self._memory.refusals[partition][1] + 1 if partition in self._memory.refusals else 1
            wait = min(_HOUR * 2 ** min(times - 1, 10), _WEEK)
            self._memory.refusals[partition] = (Refusal(f"{status} {reason}".strip(), now + wait), times)

    def allowed(self, partitions: Sequence[Partition]) -> None:
        with self._memory.alone:
            for partition in partitions:
                self._memory.refusals.pop(partition, None)


def scope_values(layout: Layout, partition: Partition) -> Place:
    """A partition's company and project, as far as the resource's primary key has them."""
    return tuple(getattr(partition, column.name) for column in layout.id_scope)


def place_of(layout: Layout, partition: Partition, key: Key) -> Place:
    """A record's primary key."""
    return (*scope_values(layout, partition), *key)


def rows_of(rows: TableRows) -> Iterator[Row]:
    """The rows of one table, each by column."""
    return (dict(zip(rows.columns, values, strict=True)) for values in zip(*rows.values, strict=True))


def described(partition: Partition) -> Row:
    """A partition as syncd's own tables say it."""
    return {**asdict(partition), "project_id": partition.project_id or 0, "parent": partition.parent_text}


def counted(rows: Counts) -> Row:
    """Counts as syncd's own tables name them."""
    return {f"rows_{name}": number for name, number in asdict(rows).items()}


def check_storable(write: Write) -> None:
    """Refuse what no database takes: numbers beyond 64 bits, text that is no Unicode, a record without a hash."""
    tables = [*([write.root] if write.root else []), *write.children]
    for value in (value for table in tables for row in rows_of(table) for value in row.values()):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise Unstorable(f"{value} has more than 64 bits.")
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Unstorable(f"{value!r} is no Unicode text.") from None
    if any(content is None for content in write.hashes):
        raise Unstorable("A record has no hash.")
