"""What reading a partition works with, and how far it has come: the partition's outcome, and its listing under way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from syncd.engine.batch import Item
from syncd.engine.options import Options
from syncd.engine.ports import Assistance, Clock, Lease, Progress, Source, Store
from syncd.engine.writer import Writer
from syncd.model import Counts, Key, Mode, Status


@dataclass(frozen=True, slots=True)
class Tools:
    """What every partition of a run works with.

    Attributes:
        run_id: Written to the rows.
        origin: The run that this one counts as one with: the first of those it goes on with, or itself.
    """

    source: Source
    store: Store
    assistance: Assistance
    writer: Writer
    clock: Clock
    progress: Progress
    options: Options
    run_id: str
    origin: str
    lease: Lease


@dataclass(slots=True)
class Outcome:
    """How reading a partition went.

    Attributes:
        mode: How it was read.
        forward: Told of every committed batch.
        set_aside: Told of values that did not fit their column: how many more.
        counts: Filled as batches commit.
        rejected: Records that could not be stored.
        notes: In words, why it is not `ok`.
    """

    mode: Mode
    forward: Callable[[Counts], None]
    set_aside: Callable[[int], None]
    counts: Counts = field(default_factory=Counts)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, counts: Counts) -> None:
        """Count a committed batch."""
        self.counts = self.counts + counts
        self.forward(counts)

    @property
    def status(self) -> Status:
        """`partial` where a listing was not believed or does not agree with itself, or records were rejected."""
        return Status.PARTIAL if self.notes or self.rejected else Status.OK

    @property
    def note(self) -> str:
        """Why it is not `ok`, or an empty string."""
        rejected = [f"{self.rejected} records were rejected, see syncd_rejects"] if self.rejected else []
        return "; ".join([*dict.fromkeys(self.notes), *rejected])


@dataclass(slots=True)
class Reading:
    """One listing as far as it has been read.

    Attributes:
        before: Live rows when it began, or None where it goes on from an earlier run.
        seen: Records listed.
        rejected: Of these, rejected.
        stored: Of these, with a key of their own.
        fresh: Of these, not yet live rows of this principal when their page came.
        total: What Procore says the listing has, or None.
        seam: Identity of the last record.
        sighted: Whether the keys seen are remembered in the store, for the sweep.
        keys: Keys seen, where one page is all of it, else None.
        last: The last page's batch, held back so that it commits together with what the listing proved.
    """

    started_at: datetime | None = None
    before: int | None = None
    seen: int = 0
    rejected: int = 0
    stored: int = 0
    fresh: int = 0
    total: int | None = None
    seam: str = ""
    sighted: bool = False
    keys: frozenset[Key] | None = None
    last: Item | None = None
