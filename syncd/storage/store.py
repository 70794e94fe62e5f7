"""The store: batches of rows and cursors into one database, each whole or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import chain, islice, repeat
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    Table,
    and_,
    select,
    true,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from syncd.catalog.layout import Addition, Layout
from syncd.catalog.resource import Resource
from syncd.model import (
    Counts,
    CursorState,
    Id,
    Interrupted,
    Key,
    Known,
    Partition,
    Refusal,
    RunRecord,
    RunReport,
    TableRows,
    Window,
    Write,
)
from syncd.storage import tables as own
from syncd.storage.claims import Claims
from syncd.storage.copytext import copy_text, with_constants
from syncd.storage.database import Database, Now
from syncd.storage.layouts import Layouts
from syncd.storage.lease import Fenced, SqlLease, check_fence
from syncd.storage.ledger import Ledger
from syncd.storage.marks import Marks
from syncd.storage.partitions import PartitionNumbers
from syncd.storage.rows import Block, PostgresRows, RowWriter, SqliteRows
from syncd.storage.schema import (
    DELETED_AT,
    HASH,
    MISFITS,
    PARENT,
    RUN_ID,
    SEEN_BY,
    SYNCED_AT,
    Tables,
)
from syncd.storage.sight import Sight
from syncd.storage.where import about, is_about, scope_columns, scope_of, sees

_CHUNK = 1_000
"""Keys or rows per query."""
_Filled = tuple[Table, Sequence[str], Sequence[Block]]
"""A table, columns of it, and rows for it."""


class SqlStore:
    """The engine's store on SQLite and PostgreSQL.

    Args:
        database: Where.
        now: The wall clock, UTC.
        given_up: Leases' owners, see `SqlLease`; shared by all stores of a process.
    """

    def __init__(self, database: Database, now: Now, given_up: set[str] | None = None) -> None:
        self._database = database
        self._now = now
        self._sqlite = database.is_sqlite
        self._rows: RowWriter = SqliteRows() if database.is_sqlite else PostgresRows()
        self._layouts = Layouts(database, now)
        self._numbers = PartitionNumbers(database)
        self._marks = Marks(database)
        self._sight = Sight(database, self._layouts, self._numbers, self._marks)
        self._ledger = Ledger(database, now)
        self._claims = Claims(database, now)
        self._given_up = set[str]() if given_up is None else given_up

    @property
    def packing(self) -> Callable[[Sequence[Sequence[Any]]], bytes] | None:
        """How rows may be packed for it beforehand, or None where it takes columns only."""
        return None if self._sqlite else copy_text

    def open(self, resource: Resource, table_names: frozenset[str]) -> Layout:
        """Make the resource's tables as the catalog has them, or bring them up to it, additively."""
        return self._layouts.open(resource, table_names)

    def widen(self, layout: Layout, additions: Sequence[Addition], run_id: str) -> Layout:
        """Add columns and child tables at once, and record them in `syncd_schema_changes`."""
        return self._layouts.widen(layout, additions, run_id)

    def rest(self) -> None:
        """Forget the tables that were opened; to be called while no run is under way."""
        self._layouts = Layouts(self._database, self._now)
        self._sight = Sight(self._database, self._layouts, self._numbers, self._marks)

    def _sql(self, layout: Layout) -> Tables:
        return self._layouts.lookups(layout).tables

    @cached_property
    def _cursors(self) -> Select[Any]:
        p, c = own.partitions, own.cursors
        return (
            select(p.c.id, *scope_columns(p), c.c.watermark, c.c.full_at, c.c.full_run_id, c.c.state)
            .join(c, c.c.partition_id == p.c.id, isouter=True)
            .where(is_about(p, sqlite=self._sqlite))
        )

    def cursors(self, partitions: Sequence[Partition]) -> Mapping[Partition, CursorState]:
        """What is remembered of these partitions; those never read are absent."""
        found: dict[Partition, CursorState] = {}
        wanted = {scope_of(partition): partition for partition in partitions}
        with self._database.read() as connection:
            for start in range(0, len(partitions), 200):
                chunk = partitions[start : start + 200]
                rows = connection.execute(self._cursors, about(chunk, sqlite=self._sqlite))
                numbers: dict[Partition, int] = {}
                for number, *scope, watermark, full_at, full_by, state in rows:
                    partition = wanted.get(tuple(scope))
                    if partition is None:
                        continue
                    numbers[partition] = number
                    if state is not None:
                        found[partition] = CursorState(watermark, full_at, full_by, state)
                self._numbers.learn(chunk, numbers)
        return found

    def parent_ids(
        self, layout: Layout, columns: Sequence[str], company_id: int, project_id: int | None, principal: str
    ) -> Iterator[tuple[Id, ...]]:
        """Values of these columns in the live rows of a parent resource that a principal sees, distinct."""
        table = self._sql(layout).root
        chosen = [table.c[name] for name in columns]
        mine = and_(table.c[DELETED_AT].is_(None), sees(table.c[SEEN_BY], principal))
        query = select(*chosen).where(mine, chosen[0].is_not(None)).distinct()
        if "company_id" in {column.name for column in layout.id_scope}:
            query = query.where(table.c.company_id == company_id)
        if project_id is not None:
            query = query.where(table.c.project_id == project_id)
        query = query.order_by(*chosen)
        beyond: ColumnElement[bool] = true()
        while len(rows := self._all(query.where(beyond).limit(_CHUNK))) == _CHUNK:
            last = rows[-1][0]
            if len(chosen) > 1:
                # The rows of the last value may go on beyond the chunk.
                rows = [row for row in rows if row[0] != last] + self._all(query.where(chosen[0] == last))
            yield from rows
            beyond = chosen[0] > last
        yield from rows

    def _all(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        with self._database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def known(self, layout: Layout, asked: Sequence[tuple[Partition, Sequence[Key]]]) -> Sequence[Mapping[Key, Known]]:
        """What the store has of records, for each of these partitions; those it does not have are absent."""
        lookup = self._layouts.lookups(layout)
        with self._database.read() as connection:
            if len(asked) > 1:
                return lookup.known_of_many(connection, asked)
            (partition, keys), *_ = asked
            found: dict[Key, Known] = {}
            for start in range(0, len(keys), _CHUNK):
                found |= lookup.known(connection, partition, keys[start : start + _CHUNK])
            return [found]

    def live(self, layout: Layout, partition: Partition, window: Window | None = None) -> int:
        """How many rows of this partition stand without tombstone and are seen by its principal."""
        return self._sight.live(layout, partition, window)

    def missing(
        self, layout: Layout, partition: Partition, window: Window | None, seen: frozenset[Key] | None
    ) -> Iterator[Key]:
        """Keys of the partition's live rows, seen by its principal, that a complete listing did not bring."""
        return self._sight.missing(layout, partition, window, seen)

    def commit(
        self, layouts: Mapping[str, Layout], writes: Sequence[Write], run_id: str, lease: Fenced
    ) -> Sequence[Counts]:
        """Store batches, whole, in one transaction."""
        now = self._now()
        numbered = [w.partition for w in writes if w.cursor or w.proof or w.sightings or w.arrived or w.gone]
        counts: list[Counts] = []
        with self._database.write() as connection:
            check_fence(connection, lease)
            numbers = self._numbers.number(connection, numbered)
            for part in _parted(layouts, writes):
                by_table: dict[tuple[str, tuple[str, ...]], list[Write]] = defaultdict(list)
                for write in part:
                    if write.root is not None and write.keys:
                        by_table[write.partition.resource, write.root.columns].append(write)
                for (resource, _), group in by_table.items():
                    self._write_rows(connection, layouts[resource], group, run_id, now)
                counts += [
                    self._write_rest(connection, layouts[w.partition.resource], w, numbers, run_id, now) for w in part
                ]
                self._write_cursors(connection, part, numbers, run_id, now)
        self._numbers.learn(numbered, numbers)
        return counts

    def _write_rows(
        self, connection: Connection, layout: Layout, writes: Sequence[Write], run_id: str, now: datetime
    ) -> None:
        lookups = self._layouts.lookups(layout)
        tables = lookups.tables
        constants = {SYNCED_AT: self._moment(now), DELETED_AT: None, RUN_ID: run_id}
        columns: tuple[str, ...] = ()
        blocks: list[Block] = []
        for write in writes:
            assert write.root is not None
            same = {**constants, SEEN_BY: write.partition.principal}
            columns = (*write.root.columns, HASH, MISFITS, *same, *((PARENT,) if tables.has_parent else ()))
            blocks.append(_root_block(write, write.root, [*same.values()], has_parent=tables.has_parent))
        filled: list[_Filled] = [(tables.root, columns, blocks)]
        gathered: dict[tuple[str, tuple[str, ...]], list[Block]] = defaultdict(list)
        for child in chain.from_iterable(write.children for write in writes):
            gathered[child.table, (*child.columns, *constants)].append(_child_block(child, constants.values()))
        filled += [(tables.children[name], columns, blocks) for (name, columns), blocks in gathered.items()]
        if all(write.fresh for write in writes) and self._inserted(connection, filled):
            return
        lookups.empty_children(connection, chain.from_iterable(map(_owned, writes)))
        self._rows.upsert(connection, *filled[0])
        if not self._inserted(connection, filled[1:]):
            for one in filled[1:]:
                self._rows.upsert(connection, *one)

    def _inserted(self, connection: Connection, filled: Sequence[_Filled]) -> bool:
        """Whether rows that are expected to be new were; if not, none was written."""
        if not filled:
            return True
        try:
            with connection.begin_nested():
                for one in filled:
                    self._rows.insert(connection, *one)
        except IntegrityError:
            return False
        return True

    def _write_rest(
        self,
        connection: Connection,
        layout: Layout,
        write: Write,
        numbers: Mapping[Partition, int],
        run_id: str,
        now: datetime,
    ) -> Counts:
        counts = write.counts
        if write.seen:
            self._sight.give(connection, layout, write.partition, write.seen)
        if write.gone:
            gone = self._sight.take(connection, layout, write.partition, write.gone, run_id, now, remove=write.remove)
            counts += Counts(deleted=gone)
        if write.sightings:
            self._sight.remember(connection, numbers[write.partition], write.sightings)
        if write.rejects:
            self._ledger.reject(connection, write.partition, write.rejects, run_id, now)
        return counts

    def _write_cursors(
        self,
        connection: Connection,
        writes: Sequence[Write],
        numbers: Mapping[Partition, int],
        run_id: str,
        now: datetime,
    ) -> None:
        cursors: dict[int, dict[str, Any]] = {}
        proofs: dict[int, dict[str, Any]] = {}
        arrived: dict[int, int] = defaultdict(int)
        for write in writes:
            if write.arrived:
                arrived[numbers[write.partition]] += write.arrived
            if write.cursor is None and write.proof is None:
                continue
            number = numbers[write.partition]
            if write.cursor is not None:
                cursors[number] = {
                    "partition_id": number,
                    "watermark": write.cursor.watermark,
                    "full_at": write.cursor.full_at,
                    "full_run_id": write.cursor.full_by,
                    "state": write.cursor.state,
                    "run_id": run_id,
                    "updated_at": now,
                }
            if write.proof is not None:
                proof, before = write.proof, proofs.get(number, {})
                proofs[number] = {
                    "number": number,
                    "status": str(proof.status),
                    "mode": str(proof.mode),
                    "api_total": proof.api_total,
                    "seen": proof.seen,
                    "stored": proof.stored,
                    "rejected": proof.rejected,
                    "note": proof.note or None,
                    "checked_at": proof.checked_at,
                    "standing": before.get("standing") if proof.standing is None else proof.standing,
                    "run_id": run_id,
                }
        self._marks.put_cursors(connection, list(cursors.values()))
        self._marks.add_standing(connection, [{"number": number, "more": more} for number, more in arrived.items()])
        self._marks.put_proofs(connection, list(proofs.values()))

    def sweep(
        self,
        layout: Layout,
        partition: Partition,
        keys: Sequence[Key],
        run_id: str,
        lease: Fenced,
        *,
        remove: bool,
    ) -> int:
        """Take this principal's sight from rows; those that nobody sees any more become tombstones, or are removed."""
        with self._database.write() as connection:
            check_fence(connection, lease)
            return self._sight.take(connection, layout, partition, keys, run_id, self._now(), remove=remove)

    def forget_sightings(self, partition: Partition, lease: Fenced) -> None:
        """Drop what a listing remembered as seen."""
        with self._database.write() as connection:
            check_fence(connection, lease)
            self._sight.forget(connection, partition)

    def _moment(self, now: datetime) -> str:
        return now.strftime("%Y-%m-%d %H:%M:%S.%f")

    def lease(self, name: str, seconds: float) -> SqlLease:
        """Take a lease."""
        return SqlLease(self._database, self._now, name, seconds, self._given_up)

    def claim(self, lease: Fenced, principal: str, company_id: int, resources: Collection[str]) -> frozenset[str]:
        """Claim those resources that no other run is reading; which these are."""
        return self._claims.take(lease, principal, company_id, resources)

    def disclaim(self, lease: Fenced, resources: Collection[str]) -> None:
        """Release claims."""
        self._claims.release(lease, resources)

    def interrupted(self, job: str, principal: str) -> Interrupted | None:
        """The job's last run, where it was broken off and was the same principal's."""
        return self._ledger.interrupted(job, principal)

    def beat(self, run_id: str) -> None:
        """Record that a run is alive."""
        self._ledger.beat(run_id)

    def open_run(self, run: RunRecord) -> None:
        """Record that a run began."""
        self._ledger.open_run(run)

    def close_run(self, report: RunReport) -> None:
        """Record how it ended."""
        self._ledger.close_run(report)

    def refusals(self, partitions: Sequence[Partition]) -> Mapping[Partition, Refusal]:
        """What is remembered of refused partitions; the others are absent."""
        return self._ledger.refusals(partitions)

    def refused(self, partition: Partition, status: int, reason: str, now: datetime) -> None:
        """Remember a refusal; the interval to the next probe doubles from an hour to a week."""
        self._ledger.refused(partition, status, reason, now)

    def allowed(self, partitions: Sequence[Partition]) -> None:
        """Forget the refusals of partitions that answered."""
        self._ledger.allowed(partitions)


def _root_block(write: Write, root: TableRows, constants: Sequence[Any], *, has_parent: bool) -> Block:
    """The rows of a resource's own table with the columns that syncd adds."""
    if root.packed is not None:
        return with_constants(root.packed, [*constants, *([write.partition.parent_text] if has_parent else ())])
    block = [*root.values, write.hashes, write.misfits, *([value] * len(root) for value in constants)]
    if has_parent:
        block.append([owner.parent_text for owner, size in write.owners for _ in range(size)])
    return block


def _child_block(rows: TableRows, constants: Collection[Any]) -> Block:
    """Child rows with columns of one value."""
    if rows.packed is not None:
        return with_constants(rows.packed, constants)
    return [*rows.values, *([value] * len(rows) for value in constants)]


def _owned(write: Write) -> Iterator[tuple[Partition, Key]]:
    """The keys of its rows, each with its partition."""
    return zip(chain.from_iterable(repeat(owner, size) for owner, size in write.owners), write.keys, strict=True)


def _parted(layouts: Mapping[str, Layout], writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """The writes in order, parted where order counts within a partition or record.

    A statement takes a record once, and the last word on it counts. How many rows stand is proved for what came before.
    """
    part: list[Write] = []
    touched: dict[tuple[Any, ...], set[Key]] = defaultdict(set)
    proved: set[Partition] = set()
    for write in writes:
        places = list(_places(layouts[write.partition.resource], write))
        if write.partition in proved or any(not keys.isdisjoint(touched[place]) for place, keys in places):
            yield part
            part = []
            touched.clear()
            proved.clear()
        part.append(write)
        for place, keys in places:
            touched[place] |= keys
        if write.proof is not None and write.proof.standing is not None:
            proved.add(write.partition)
    yield part


def _places(layout: Layout, write: Write) -> Iterator[tuple[tuple[Any, ...], set[Key]]]:
    """The keys of the records that it touches, by where they are keys."""
    keys = iter(write.keys)
    for partition, size in write.owners:
        scope = (getattr(partition, column.name) for column in layout.id_scope)
        yield (partition.resource, *scope), {*islice(keys, size), *write.seen, *write.gone}
