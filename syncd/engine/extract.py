"""One partition from the API to the writer: its listings, page after page, and the proof that each was complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from syncd.engine.batch import Item, Late, compared, stands, with_rows
from syncd.engine.cursor import Cursor, Listing, begin, dump, later
from syncd.engine.identity import Identified, Identifier, key_text
from syncd.engine.prepare import Prepared, is_deleted
from syncd.engine.reach import Moment, reached
from syncd.engine.reading import Outcome, Reading, Tools
from syncd.engine.session import Session
from syncd.engine.settle import Settled, agrees, settle
from syncd.engine.shape import Shaped
from syncd.engine.strategy import Spec, catch_up, fill, listings
from syncd.errors import BadAnswer, RequestRejected, Stopped, Unavailable
from syncd.model import (
    Continuation,
    Counts,
    CursorState,
    Key,
    Known,
    Page,
    Partition,
    Proof,
    Reader,
    Record,
    Write,
)

_log = structlog.get_logger(__name__)

_READINGS = 3
"""How often a listing that does not agree with itself is read before the partition is reported instead."""
_FEW = 50
"""Records of a page of changes that are compared with the store together with other pages'."""
_ARRAYS = ("array", "data")
"""Envelopes in which a page is an array, or has one under `data`."""
_TOO_MUCH = frozenset({400, 408, 413, 422})
"""Statuses with which endpoints refuse a range of days that is too long."""


class Drift(Exception):
    """The pages of a listing do not fit together."""


class Extract:
    """Reads one partition.

    Args:
        session: Its resource and tables, shared with the resource's other partitions.
        partition: What to read.
        cursor: How far it was read.
        tools: What every partition of the run works with.
    """

    def __init__(self, session: Session, partition: Partition, cursor: Cursor, tools: Tools) -> None:
        self._resource = session.resource
        self._session = session
        self._partition = partition
        # A listing that was begun before this run, and before those that it goes on with.
        self._foreign = cursor.listing is not None and cursor.listing.by != tools.origin
        self._cursor = cursor
        self._days_since: datetime | None = None
        self._minimiser = session.minimiser
        self._tools = tools
        salt = self._minimiser.salt + (b"details" if self._details else b"")
        self._identifier = Identifier(self._resource, session.layout, partition, salt)

    @property
    def _details(self) -> bool:
        return self._tools.options.details and self._resource.detail is not None

    def read(self, outcome: Outcome) -> None:
        """Bring the partition up to date.

        Raises:
            SyncdError: What the source or the store raise; what was committed stays, and the next run goes on there.
        """
        now = self._tools.clock.now()
        if self._foreign and not self._can_catch_up:
            self._cursor = begin(self._cursor)
        if self._cursor.refreshed_by != self._tools.origin:
            # Days that an earlier run read may have changed before this one began.
            self._cursor = self._cursor.whole()
        try:
            self._read_all(listings(self._resource, self._partition, self._cursor, self._tools.options, now), outcome)
        except (RequestRejected, Unavailable) as error:
            if self._resource.window is None or error.status not in _TOO_MUCH:
                raise
            _log.info(
                "a long range of days was refused, asking by month",
                parent=self._partition.parent_text or None,
                status=error.status,
            )
            again = listings(
                self._resource, self._partition, self._cursor, self._tools.options, now, month=True
            )  # fmt: skip
            self._read_all(again, outcome)

    @property
    def _can_catch_up(self) -> bool:
        """Whether a listing that an earlier run began can be gone on with.

        What changed in its first pages since must be right after this run, and only some lists tell what changed.
        """
        return self._resource.incremental and self._resource.window is None

    def _read_all(self, specs: Iterator[Spec], outcome: Outcome) -> None:
        for spec in list(specs):
            if not self._read_listing(spec, outcome):
                return
        if self._foreign:
            now = self._tools.clock.now()
            spec = catch_up(self._resource, self._partition, self._cursor, self._tools.options, now)
            self._read_listing(spec, outcome)

    def _read_listing(self, spec: Spec, outcome: Outcome) -> bool:
        """Read one listing to its end, again where it moves meanwhile; whether it was believed."""
        reading = self._resumed(spec) or self._fresh(spec)
        outcome.rejected += reading.rejected
        for attempt in range(1, _READINGS + 1):
            try:
                self._read_pages(spec, reading, outcome)
            except Drift as drift:
                _log.warning(
                    "a listing moved while it was read",
                    parent=self._partition.parent_text or None,
                    why=str(drift),
                    attempt=attempt,
                )
                self._cursor = replace(self._cursor, listing=None)
                self._release(reading)
                self._tools.writer.flush()
                if attempt == _READINGS:
                    outcome.notes.append(f"{drift}, {_READINGS} times over")
                    self._conclude(outcome, reading, str(drift))
                    return False
                reading = self._fresh(spec)
            except BadAnswer:
                # What came before may be as spoilt as this: the next run begins anew.
                self._cursor = begin(self._cursor)
                if self._cursor.stored:
                    self._tools.writer.put(Item(Write(self._partition, cursor=dump(self._cursor)), done=outcome.add))
                raise
            else:
                return self._finish(spec, reading, outcome)
        return False

    def _resumed(self, spec: Spec) -> Reading | None:
        listing = self._cursor.listing
        days = spec.days or ("", "")
        if listing is None or not spec.complete or listing.kind != spec.kind or (listing.first, listing.last) != days:
            return None
        return Reading(
            started_at=listing.started_at,
            seen=listing.seen,
            rejected=listing.rejected,
            stored=listing.seen - listing.rejected,
            seam=listing.seam,
            sighted=listing.sighted,
        )

    def _fresh(self, spec: Spec) -> Reading:
        self._cursor = begin(self._cursor)
        self._foreign = False
        if not spec.complete:
            return Reading()
        if not self._cursor.stored:
            return Reading(before=0)
        return Reading(before=self._tools.store.live(self._session.layout, self._partition, spec.window))

    def _read_pages(self, spec: Spec, reading: Reading, outcome: Outcome) -> None:
        listing = self._cursor.listing
        request = spec.request if listing is None else replace(spec.request, start=listing.next)
        for page in self._tools.source.pages(request, self._reader(spec, reading)):
            if reading.started_at is None:
                reading.started_at = page.server_time
                if page.next is None:
                    reading.keys = frozenset()
                elif spec.complete and reading.before:
                    self._tools.store.forget_sightings(self._partition, self._tools.lease)
                    reading.sighted = True
            reading.total = reading.total if page.total is None else page.total
            records = self._page(spec, reading, page, outcome)
            if spec.since is not None and _reached(records, spec.since):
                return
            if page.next is not None and self._tools.clock.stopping():
                raise Stopped("The run was asked to stop.")
        if reading.total is not None and reading.seen != reading.total:
            raise Drift(f"Procore announced {reading.total} records and listed {reading.seen}")

    def _page(self, spec: Spec, reading: Reading, page: Page, outcome: Outcome) -> Sequence[Record]:
        count, found, shaped = self._look(reading, page)
        reading.seen += count
        if spec.kind == "deleted":
            self._gone(found, outcome)
            return found.records
        live, gone = _split(found) if spec.with_deleted and shaped is None else (found, [])
        reading.stored += len(found.keys)
        reading.rejected += len(found.rejects)
        if reading.keys is not None:
            reading.keys = frozenset(found.keys)
        outcome.rejected += len(found.rejects)
        write = Write(
            self._partition,
            counts=Counts(read=count, rejected=len(found.rejects)),
            gone=gone,
            rejects=found.rejects,
            sightings=found.keys if reading.sighted else (),
            cursor=None if page.next is None else self._advance(spec, reading, page.next),
            remove=self._tools.options.remove,
        )
        late = None
        if live.keys and len(live.keys) <= _FEW and not (spec.complete or self._details):
            late = Late(self._session, live, page.plain, outcome.set_aside)
        item = Item(write, done=outcome.add, late=late)
        if late is None and live.keys:
            item = self._compared(item, live, shaped, outcome, plain=page.plain)
            reading.fresh += item.write.arrived
        if page.next is None:
            reading.last = item if count else None
        elif count or write.cursor is not None:
            self._cursor = self._cursor.kept()
            self._tools.writer.put(item)
        self._tools.progress.page(self._partition, count)
        return found.records

    def _look(self, reading: Reading, page: Page) -> tuple[int, Identified, Shaped | None]:
        """How many records a page adds, which they are, and their rows where they are made ready."""
        items = page.records
        repeats = page.overlap if reading.seam else 0
        if isinstance(items, Prepared):
            skip = self._covered(items.marks(repeats), reading.seam) if repeats else 0
            if skip == len(items.skipped):
                reading.seam = key_text(items.found.keys[-1])
                return len(items.found.keys), items.found, items.shaped
        if self._minimiser.active:
            items = [self._minimiser.record(item) for item in items]
        if repeats:
            items = items[self._covered([self._identifier.mark(item) for item in items[:repeats]], reading.seam) :]
        found = self._identifier.identify(items)
        if items:
            reading.seam = self._identifier.mark(items[-1])
        return len(items), found, None

    def _reader(self, spec: Spec, reading: Reading) -> Reader | None:
        """Who reads the pages of a listing that is likely to be all new."""
        request = spec.request
        has_array = request.paging in ("page", "none") and request.group is None and request.envelope in _ARRAYS
        if not has_array or spec.kind == "deleted" or self._minimiser.active or self._details:
            return None
        tools = self._tools

        def read(text: bytes) -> Prepared | None:
            if reading.before != 0 or reading.fresh != reading.stored:
                return None
            return tools.assistance.prepare(self._session.recipe, self._partition, text, reading.seam)

        return read

    def _gone(self, found: Identified, outcome: Outcome) -> None:
        if not found.keys:
            return
        known = self._known(found.keys)
        gone = [key for key in found.keys if stands(known.get(key))]
        if gone:
            write = Write(self._partition, gone=gone, remove=self._tools.options.remove)
            self._tools.writer.put(Item(write, done=outcome.add))

    def _known(self, keys: Sequence[Key]) -> Mapping[Key, Known]:
        return self._tools.store.known(self._session.layout, [(self._partition, keys)])[0] if keys else {}

    def _covered(self, marks: Sequence[str], seam: str) -> int:
        """How many of a page's first records earlier pages have covered.

        Args:
            marks: Identities of as many of its first as it should repeat at most.
            seam: The last record before the page.

        Raises:
            Drift: The seam is not among them. Where it stands further on, it moved itself, or something came in before
                it, and what stands before it may be new.
        """
        if seam not in marks:
            raise Drift("A page does not begin where the page before it ended")
        return marks.index(seam) + 1

    def _compared(self, item: Item, found: Identified, shaped: Shaped | None, outcome: Outcome, *, plain: bool) -> Item:
        """A page's batch with what it changes in the store.

        Args:
            item: What else goes with its records.
            found: Its records.
            shaped: Their rows, where they are made already.
            outcome: Is told of misfits.
            plain: As `Shaper.shape` takes it.
        """
        write, changed = compared(item.write, found, self._known(found.keys))
        if not changed:
            return replace(item, write=write)
        records, keys = found.records, write.keys
        if shaped is None or len(changed) < len(found.keys):
            chosen = found.records[:]
            records = [chosen[row] for row in changed]
            if self._details:
                records = [self._detailed(record, key) for record, key in zip(records, keys, strict=True)]
            shaped = self._session.shape(write.owners, records, keys, plain=plain and not self._details)
        outcome.set_aside(shaped.misfit_count)
        return replace(item, write=with_rows(write, shaped), records=records, shape=lambda: self._again(records, keys))

    def _again(self, records: Sequence[Record], keys: Sequence[Key]) -> Shaped:
        return self._session.shape([(self._partition, len(keys))], records[:], keys)

    def _detailed(self, record: Record, key: Key) -> Record:
        assert self._resource.detail is not None
        path, params = fill(self._resource.detail.replace("{id}", str(key[-1])), self._resource, self._partition)
        detail = self._tools.source.get(self._partition.company_id, path, params)
        if isinstance(detail, Mapping) and isinstance(detail.get("data"), Mapping):
            detail = detail["data"]
        if not isinstance(detail, Mapping):
            return record
        return self._minimiser.record({**detail, **record}) if self._minimiser.active else {**detail, **record}

    def _advance(self, spec: Spec, reading: Reading, following: Continuation) -> CursorState:
        assert reading.started_at is not None
        first, last = spec.days or ("", "")
        listing = Listing(
            kind=spec.kind,
            started_at=reading.started_at,
            next=following,
            seam=reading.seam,
            seen=reading.seen,
            rejected=reading.rejected,
            sighted=reading.sighted,
            by=self._cursor.listing.by if self._cursor.listing else self._tools.origin,
            first=first,
            last=last,
        )
        self._cursor = replace(self._cursor, listing=listing)
        return dump(self._cursor)

    def _finish(self, spec: Spec, reading: Reading, outcome: Outcome) -> bool:
        started = reading.started_at or self._tools.clock.now()
        settled = self._settle(spec, reading, outcome) if spec.complete else Settled(reading.stored)
        reading.stored = settled.stored
        if settled.believed:
            self._cursor = reached(self._cursor, spec, self._moment(spec, started, outcome))
            if settled.note:
                _log.warning("rows were deleted", parent=self._partition.parent_text or None, why=settled.note)
        else:
            outcome.notes.append(settled.note)
            by = None if settled.doubt is None else self._tools.origin
            self._cursor = replace(self._cursor, listing=None, doubt=settled.doubt, doubt_by=by)
        if spec.kind == "deleted":
            self._tools.writer.put(Item(Write(self._partition, cursor=dump(self._cursor)), done=outcome.add))
        else:
            whole = spec.kind == "all" and settled.believed
            self._conclude(outcome, reading, settled.note, standing=settled.stored if whole else None)
        return settled.believed

    def _moment(self, spec: Spec, started: datetime, outcome: Outcome) -> Moment:
        today = self._tools.clock.now().date().isoformat()
        if spec.kind == "days":
            self._days_since = self._days_since or started
        return Moment(
            started=started,
            origin=self._tools.origin,
            proved=not outcome.note and not self._foreign,
            today=today,
            earliest=later(today, -self._tools.options.logs_from.days),
            days_since=self._days_since,
        )

    def _settle(self, spec: Spec, reading: Reading, outcome: Outcome) -> Settled:
        if reading.sighted or not agrees(reading):
            self._release(reading)
            self._tools.writer.flush()
        return settle(self._session, self._partition, self._cursor, self._tools, spec, reading, outcome)

    def _conclude(self, outcome: Outcome, reading: Reading, note: str, *, standing: int | None = None) -> None:
        """Commit the cursor as it stands and what the listing proved."""
        proof = Proof(
            mode=outcome.mode,
            api_total=reading.total,
            seen=reading.seen,
            stored=reading.stored,
            rejected=reading.rejected,
            status=outcome.status,
            note=note,
            checked_at=reading.started_at or self._tools.clock.now(),
            standing=standing,
        )
        last, reading.last = reading.last, None
        self._cursor = self._cursor.kept()
        cursor = dump(self._cursor)
        if last is None:
            item = Item(Write(self._partition, cursor=cursor, proof=proof), done=outcome.add)
        else:
            item = replace(last, write=replace(last.write, cursor=cursor, proof=proof))
        self._tools.writer.put(item)

    def _release(self, reading: Reading) -> None:
        """Commit the last page before what the listing proved is known."""
        if reading.last is not None:
            self._cursor = self._cursor.kept()
            write = replace(reading.last.write, cursor=dump(self._cursor))
            self._tools.writer.put(replace(reading.last, write=write))
            reading.last = None


def _split(found: Identified) -> tuple[Identified, list[Key]]:
    """Live records, and keys of those that Procore shows as deleted."""
    gone = [row for row, record in enumerate(found.records) if is_deleted(record)]
    if not gone:
        return found, []
    dead = set(gone)
    keep = [row for row in range(len(found.records)) if row not in dead]
    live = replace(
        found,
        records=[found.records[row] for row in keep],
        keys=[found.keys[row] for row in keep],
        hashes=[found.hashes[row] for row in keep],
    )
    return live, [found.keys[row] for row in gone]


def _reached(records: Sequence[Record], since: datetime) -> bool:
    """Whether the oldest change of a page is before the cursor."""
    stamps = [record.get("updated_at") for record in records]
    oldest = min((stamp for stamp in stamps if isinstance(stamp, str)), default=None)
    if oldest is None:
        return False
    try:
        return datetime.fromisoformat(oldest) < since
    except (ValueError, TypeError):
        return False
