"""What the engine needs from outside, as Protocols. Each has a twin in memory and one contract suite for both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from syncd.catalog.layout import Addition, Layout
from syncd.catalog.resource import Resource
from syncd.engine.prepare import Packing, Prepared, Recipe
from syncd.model import (
    Counts,
    CursorState,
    Id,
    Interrupted,
    Key,
    Known,
    ListRequest,
    Page,
    Partition,
    Priority,
    Reader,
    Refusal,
    RunRecord,
    RunReport,
    Window,
    Write,
)


class Clock(Protocol):
    """Time, and waiting that ends early when the program is asked to stop."""

    def now(self) -> datetime:
        """The wall clock, UTC, aware."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: The program was asked to stop; at once, also when it was asked before.
        """

    def stopping(self) -> bool:
        """Whether the program was asked to stop."""


class Source(Protocol):
    """The API as one principal sees it."""

    def pages(self, request: ListRequest, reader: Reader | None = None) -> Iterator[Page]:
        """The pages of a listing from `request.start` on, paced, authorised and retried.

        Args:
            request: The listing.
            reader: May read pages in place of the source, where they are an array, or one under `data`.

        Raises:
            Refused, RequestRejected, Unauthorized, BadAnswer, Unavailable: See `syncd.errors`.
            ConsentNeeded, CredentialsRefused: No token is to be had.
            Stopped: Asked to stop while waiting.
        """

    def get(
        self,
        company_id: int,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        priority: Priority = Priority.INCREMENT,
    ) -> Any:
        """One GET request's parsed JSON. Raises as `pages`."""

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, refused and repeated ones included."""


class Lease(Protocol):
    """The right of one process to run one job, with a fencing number that writes are checked against.

    Attributes:
        name: What is leased (`job:<name>`).
        fence: Grows with every owner; a write under an older one is refused.
    """

    name: str
    fence: int

    def renew(self) -> None:
        """Extend it.

        Raises:
            LeaseLost: Another owner has it.
        """

    def release(self) -> None:
        """Give it up; harmless when it is lost."""


class Store(Protocol):
    """The database, as far as the engine writes to it. Safe to call from several threads.

    Attributes:
        packing: How rows may be packed for it beforehand, or None where it takes columns only.
    """

    @property
    def packing(self) -> Packing | None:
        """See above."""

    def open(self, resource: Resource, table_names: frozenset[str]) -> Layout:
        """Make the resource's tables as the catalog has them, or bring them up to it, additively.

        Args:
            resource: The catalog's entry.
            table_names: Names of all resources, which child tables must not take.

        Returns:
            The layout as it stands: with the additions recorded before, and with the types of columns that exist.

        Raises:
            ConfigError: Its table is a child table of another resource.
        """

    def widen(self, layout: Layout, additions: Sequence[Addition], run_id: str) -> Layout:
        """Add columns and child tables at once, and record them in `syncd_schema_changes`."""

    def cursors(self, partitions: Sequence[Partition]) -> Mapping[Partition, CursorState]:
        """What is remembered of these partitions; those never read are absent."""

    def parent_ids(
        self, layout: Layout, columns: Sequence[str], company_id: int, project_id: int | None, principal: str
    ) -> Iterator[tuple[Id, ...]]:
        """Values of these columns in the live rows of a parent resource that a principal sees, distinct, streamed."""

    def known(self, layout: Layout, asked: Sequence[tuple[Partition, Sequence[Key]]]) -> Sequence[Mapping[Key, Known]]:
        """What the store has of records, for each of these partitions; those it does not have are absent."""

    def commit(
        self, layouts: Mapping[str, Layout], writes: Sequence[Write], run_id: str, lease: Lease
    ) -> Sequence[Counts]:
        """Store batches, whole, in one transaction: rows, children as sets, sightings, rejects, cursors, proofs.

        Args:
            layouts: Layout of every resource that the writes name.
            writes: In order: where a record or a partition comes twice, the last one counts.
            run_id: Written to the rows.
            lease: Checked inside the transaction.

        Returns:
            Counts per write: its own, with `deleted` from `gone` added.

        Raises:
            LeaseLost: Nothing was written.
            Unstorable: Nothing was written: the database refuses a value.
            StoreUnavailable: Nothing was written, for now.
        """

    def live(self, layout: Layout, partition: Partition, window: Window | None = None) -> int:
        """How many rows of this partition stand without tombstone and are seen by its principal."""

    def missing(
        self, layout: Layout, partition: Partition, window: Window | None, seen: frozenset[Key] | None
    ) -> Iterator[Key]:
        """Keys of the partition's live rows, seen by its principal, that a complete listing did not bring.

        Args:
            layout: The resource's tables.
            partition: Its scope, parents included.
            window: Only rows of these days, where the listing was of these days.
            seen: Keys of the listing, or None where they were stored as sightings.
        """

    def sweep(
        self,
        layout: Layout,
        partition: Partition,
        keys: Sequence[Key],
        run_id: str,
        lease: Lease,
        *,
        remove: bool,
    ) -> int:
        """Take this principal's sight from rows; those that nobody sees any more become tombstones, or are removed.

        Rows that another parent's partition has brought since are left alone.

        Returns:
            How many rows became tombstones (or were removed).

        Raises:
            LeaseLost: Nothing was written.
        """

    def forget_sightings(self, partition: Partition, lease: Lease) -> None:
        """Drop what a listing remembered as seen.

        Raises:
            LeaseLost: Nothing was dropped: another owner may have a listing of this partition under way.
        """

    def lease(self, name: str, seconds: float) -> Lease:
        """Take a lease.

        Raises:
            JobBusy: Another process has it; the message says who, since when, and until when.
        """

    def claim(self, lease: Lease, principal: str, company_id: int, resources: Collection[str]) -> frozenset[str]:
        """Claim those resources that no other run is reading for this principal and company; which these are.

        A claim stands until it is released or the lease ends; a lease that has run out ends when its claim is taken.

        Raises:
            LeaseLost: Nothing was claimed.
        """

    def disclaim(self, lease: Lease, resources: Collection[str]) -> None:
        """Release claims."""

    def interrupted(self, job: str, principal: str) -> Interrupted | None:
        """The job's last run, where it was broken off and was the same principal's; to be asked under its lease."""

    def beat(self, run_id: str) -> None:
        """Record that a run is alive."""

    def open_run(self, run: RunRecord) -> None:
        """Record that a run began; runs of its job that nobody closed were interrupted, and have failed."""

    def close_run(self, report: RunReport) -> None:
        """Record how it ended."""

    def refusals(self, partitions: Sequence[Partition]) -> Mapping[Partition, Refusal]:
        """What is remembered of refused partitions; the others are absent."""

    def refused(self, partition: Partition, status: int, reason: str, now: datetime) -> None:
        """Remember a refusal; the interval to the next probe doubles from an hour to a week."""

    def allowed(self, partitions: Sequence[Partition]) -> None:
        """Forget the refusals of partitions that answered."""


class Assistance(Protocol):
    """Others who make pages ready while the caller waits."""

    def at_work(self) -> AbstractContextManager[None]:
        """While a run is under way."""

    def prepare(self, recipe: Recipe, partition: Partition, text: bytes, seam: str) -> Prepared | None:
        """A page made ready; None where the caller has to do it.

        Args:
            recipe: What there is to know of its resource.
            partition: Whose it is.
            text: The page.
            seam: Identity of the last record before it, or an empty string: it and what stands before it are left out.
        """


class State(Protocol):
    """What a job or a duty remembers from one time to the next: one JSON object, kept in the database."""

    def load(self) -> Mapping[str, Any]:
        """What was saved last; empty before the first time."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace it, at once."""


class Progress(Protocol):
    """Who is told how a run goes; a progress bar, a status line, or nobody."""

    def planned(self, resource: str, partitions: int) -> None:
        """So many partitions of a resource are to be read."""

    def page(self, partition: Partition, records: int) -> None:
        """A page arrived."""

    def done(self, partition: Partition, counts: Counts) -> None:
        """A partition was finished."""

    def waiting(self, seconds: float, why: str) -> None:
        """The run waits, for `why`: quota, a retry, another job, the database."""
