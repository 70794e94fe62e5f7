"""The nouns that every room shares, frozen. Meanings stand in the glossary of `syncd`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Id = int | str
"""A record's identifier: 64-bit integers in v1 of the API, strings in v2."""

Key = tuple[Id, ...]
"""What identifies a record inside its scope: the values of the resource's key fields, in the catalog's order."""

Record = Mapping[str, Any]
"""One parsed object of a page."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token speaks for: the app's service account, or one user who has consented.

    Attributes:
        user: The label given at `syncd auth login`, or None for the service account.
    """

    user: str | None = None

    def __str__(self) -> str:
        return "service" if self.user is None else f"user:{self.user}"


@dataclass(frozen=True, slots=True)
class Partition:
    """One resource within one scope, as one principal sees it.

    Attributes:
        principal: `str(Principal)`.
        resource: The catalog's name.
        company_id: The company that the requests name.
        project_id: Set where the resource is read per project.
        parent: Placeholder and id of each parent record, in the path's order; empty where there is none.
    """

    principal: str
    resource: str
    company_id: int
    project_id: int | None = None
    parent: tuple[tuple[str, Id], ...] = ()

    @property
    def parent_text(self) -> str:
        """The parents as one stable text, as stored: `rfi_id=5`, several joined by `&`."""
        return "&".join(f"{name}={value}" for name, value in self.parent)

    @property
    def place(self) -> str:
        """The scope in words, for messages: `project 101, rfi_id 5`."""
        parts = [f"company {self.company_id}" if self.project_id is None else f"project {self.project_id}"]
        parts += [f"{name} {value}" for name, value in self.parent]
        return ", ".join(parts)


class Priority(enum.IntEnum):
    """Who goes first when the quota is short; lower goes first."""

    INTERACTIVE = 0
    INCREMENT = 1
    FIRST_LOAD = 2
    RECONCILE = 3


class Mode(enum.StrEnum):
    """How a partition is read: all of it, or what changed since its cursor."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Status(enum.StrEnum):
    """How a run, or one resource of it, ended."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Counts:
    """Records, child rows not included."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.deleted + other.deleted,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What the engine asks of the API: one listing, page after page.

    Attributes:
        company_id: Sent as Procore-Company-Id.
        path: With all placeholders filled, `/rest/...`.
        params: Query parameters besides paging, in order; a name may repeat.
        method: GET, or POST for the few reads that are POSTs.
        body: JSON body of a POST.
        paging: `page`, `cursor`, `offset` or `none`.
        page_size: Largest useful page; the server may cap it.
        page_params: Names of the query parameters for the page (or cursor) and for its size.
        envelope: `array`, `data`, `object:<key.key>` or `object`.
        group: Key of the list inside each item where items are groups (meetings), else None.
        start: Where to go on after an interruption, else None.
        priority: Who goes first when the quota is short.
        overlap: Ask for successive pages that overlap by at least one record, so that page seams can be compared.
    """

    company_id: int
    path: str
    params: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: Mapping[str, Any] | None = None
    paging: str = "page"
    page_size: int = 100
    page_params: tuple[str, str] = ("page", "per_page")
    envelope: str = "array"
    group: str | None = None
    start: Continuation | None = None
    priority: Priority = Priority.INCREMENT
    overlap: bool = True


Reader = Callable[[bytes], Sequence[Any] | None]
"""Reads the records of a page from its body; None where that takes a parser that knows the unusual, too."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where a listing goes on: enough to ask for the next page from another process.

    Attributes:
        page: Number of the next page (paging `page`), or 0.
        page_size: Page size to ask for with it.
        covered: How many records from the front the pages before it cover.
        token: Opaque cursor or offset (paging `cursor`, `offset`), or None.
        params: Further query parameters that the server's own next link carried.
    """

    page: int = 0
    page_size: int = 0
    covered: int = 0
    token: str | None = None
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One API response of a listing.

    Attributes:
        records: The items, out of their envelope and group; anything JSON can hold.
        overlap: How many of the first records should repeat the end of the page before (0: pages abut or unknown).
        total: The `Total` header, or None.
        next: Where the listing goes on, or None at its end.
        server_time: When the request was sent, by the server's clock (Date header), UTC.
        requests: How many HTTP requests this page took, retries included.
        size: Bytes of the decoded body.
        plain: Whether it is known that no text in it holds what databases refuse: NUL, or half a surrogate pair.
    """

    records: Sequence[Any]
    overlap: int
    total: int | None
    next: Continuation | None
    server_time: datetime
    requests: int = 1
    size: int = 0
    plain: bool = False


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows of one table, column by column: what is done to a whole column at once costs little per value.

    Attributes:
        table: The table's name.
        columns: Names; syncd's bookkeeping columns are the store's to add.
        values: Of each column, in that order, its value in every row, as `syncd.catalog.layout` says for its type.
        packed: In place of values: a line per row, as the store's `packing` made it. Lines of a resource's own table
            end with the columns for content hash and misfits, which `columns` does not name.
    """

    table: str
    columns: tuple[str, ...]
    values: Sequence[Sequence[Any]]
    packed: bytes | None = None

    def __len__(self) -> int:
        return len(self.values[0]) if self.packed is None else self.packed.count(b"\n")

    def only(self, rows: Sequence[int]) -> TableRows:
        """The rows of these numbers."""
        return TableRows(self.table, self.columns, [[column[row] for row in rows] for column in self.values])


@dataclass(frozen=True, slots=True)
class Known:
    """What the store has of one record.

    Attributes:
        hash: Content hash of what was written.
        deleted: Whether the row is a tombstone.
        seen: Whether this principal is among those that see it.
        placed: Whether the row stands in the partition asked about; False where it stands under another parent.
    """

    hash: bytes
    deleted: bool
    seen: bool
    placed: bool = True

    def holds(self, content: bytes) -> bool:
        """Whether the row need not be written again for a record of this content hash."""
        return self.hash == content and self.placed


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be stored, whole, with the reason."""

    reason: str
    record: Any
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A remembered 403 or 404.

    Attributes:
        reason: Status and Procore's words.
        probe_at: From when on to ask again, UTC.
    """

    reason: str
    probe_at: datetime


@dataclass(frozen=True, slots=True)
class CursorState:
    """What is remembered of a partition between runs.

    Attributes:
        watermark: Everything that changed before it (server's clock, UTC) is stored; None before a first load ended.
        full_at: Start of the last complete listing, or None.
        full_by: The run that read it to its end and found nothing amiss (of runs that went on with each other: the
            first of them), or None.
        state: The engine's own JSON: a listing under way, windows done, doubtful listings.
    """

    watermark: datetime | None = None
    full_at: datetime | None = None
    full_by: str | None = None
    state: str = "{}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a finished listing says about its partition, kept in `syncd_partitions`.

    Attributes:
        mode: How it was read.
        api_total: What the API said (`Total`), or None where it says nothing.
        seen: Records seen.
        stored: Records stored (or standing unchanged) of those seen.
        rejected: Records in `syncd_rejects`.
        status: ok, partial or failed.
        note: In words, what does not agree, or an empty string.
        checked_at: Start of the listing, server's clock.
        standing: Rows of the partition that stand now, where the listing tells, else None.
    """

    mode: Mode
    api_total: int | None
    seen: int
    stored: int
    rejected: int
    status: Status
    note: str
    checked_at: datetime
    standing: int | None = None


Owners = Sequence[tuple[Partition, int]]
"""Whose records are: partitions, and how many of the records, in their order, are of each."""


@dataclass(frozen=True, slots=True)
class Write:
    """A batch: what one page brings to the store, and the cursor that says so. Commits whole or not at all.

    Attributes:
        partition: Whose page it is.
        shared: Where `root` holds records of several pages: whose they are. Then `partition` is one of them, and what
            else the pages bring stands in batches of their own.
        root: New and changed records' rows of the resource's own table.
        children: Their child rows, table by table; they replace all child rows of the same records.
        keys: Keys of the records in `root`, in its order.
        hashes: Content hashes of the records in `root`, in its order.
        misfits: Values set aside for each record in `root`, in its order: JSON text, or None.
        counts: What this page adds to the run's counts.
        arrived: How many of its records did not stand before for this principal: new, restored, or unseen by it.
        seen: Keys of unchanged records that now get this principal's sight or lose their tombstone.
        sightings: Keys to remember as seen by the listing under way, for its sweep; empty where not needed.
        gone: Keys that Procore itself lists as deleted.
        rejects: Records that cannot be stored.
        cursor: The partition's cursor after this batch.
        proof: Set by the last batch of a listing.
        remove: Whether `gone` removes rows instead of marking them.
        fresh: Whether none of the records in `root` has been stored before.
    """

    partition: Partition
    shared: Owners = ()
    root: TableRows | None = None
    children: tuple[TableRows, ...] = ()
    keys: Sequence[Key] = ()
    hashes: Sequence[bytes] = ()
    misfits: Sequence[str | None] = ()
    counts: Counts = field(default_factory=Counts)
    arrived: int = 0
    seen: Sequence[Key] = ()
    sightings: Sequence[Key] = ()
    gone: Sequence[Key] = ()
    rejects: Sequence[Reject] = ()
    cursor: CursorState | None = None
    proof: Proof | None = None
    remove: bool = False
    fresh: bool = False

    @property
    def owners(self) -> Owners:
        """Whose the records in `root` are."""
        return self.shared or ((self.partition, len(self.keys)),)


@dataclass(frozen=True, slots=True)
class Window:
    """Days of a dated resource, both ends included, and the column that holds the day (ISO text)."""

    column: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it is opened in `syncd_runs`.

    Attributes:
        id: Sortable by time, unique.
        job: Its job's name.
        job_type: The job type's name.
        principal: `str(Principal)`.
        trigger: `schedule`, `manual`, `catch-up`.
        due_at: The instant of the schedule that it serves, or None.
        started_at: UTC.
        resumes: The first of the interrupted runs that it goes on with, or None.
    """

    id: str
    job: str
    job_type: str
    principal: str
    trigger: str
    due_at: datetime | None
    started_at: datetime
    resumes: str | None = None

    @property
    def origin(self) -> str:
        """The run that it counts as one with: the first of those it goes on with, or itself."""
        return self.resumes or self.id


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A run that was broken off: its process ended, or was asked to.

    Attributes:
        run_id: Which.
        origin: The first of the interrupted runs that it went on with, or itself.
        alive_at: When it was last known to run, UTC.
        read: Partitions that these runs have read to the end.
    """

    run_id: str
    origin: str
    alive_at: datetime
    read: int


@dataclass(frozen=True, slots=True)
class ResourceReport:
    """What a run did for one resource, as `syncd sync --json` prints it."""

    resource: str
    status: Status
    mode: Mode
    partitions: int
    rows: Counts
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """How a run ended, as `syncd sync --json` prints it.

    Attributes:
        exit_code: What the command line makes of it: 0, 1, 3 or 4.
        remedy: What an operator should do, or an empty string.
        quota_wait: Seconds spent waiting for quota.
    """

    job: str
    run_id: str
    status: Status
    started_at: datetime
    finished_at: datetime
    requests: int
    rows: Counts
    resources: tuple[ResourceReport, ...]
    exit_code: int
    error: str | None = None
    remedy: str = ""
    quota_wait: float = 0.0
