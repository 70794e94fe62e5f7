"""What a page changes in the store, found out page by page, or for many small pages together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from syncd.engine.identity import Identified
from syncd.engine.session import Session
from syncd.engine.shape import Shaped
from syncd.model import Counts, Key, Known, Record, Write

Committed = Callable[[Counts], None]
Compared = tuple["Item", "Late", Mapping[Key, Known]]
"""A batch, its records, and what the store has of them."""


@dataclass(frozen=True, slots=True)
class Item:
    """A batch on its way.

    Attributes:
        write: What to commit.
        records: The records of `write.root`, in its order, so that one that the database refuses is kept whole.
        done: Called with the counts after the commit.
        shape: Gives the rows as columns, where `write` has them packed.
        late: Records that are still to be compared with the store.
    """

    write: Write
    records: Sequence[Record] = ()
    done: Committed | None = None
    shape: Callable[[], Shaped] | None = None
    late: Late | None = None

    @property
    def size(self) -> int:
        """How many records it holds."""
        return len(self.write.keys if self.late is None else self.late.found.keys)


@dataclass(frozen=True, slots=True)
class Late:
    """Records of a small page: which of them have changed is found out when they are committed, together with others'.

    Attributes:
        session: Their resource's.
        found: The records.
        plain: As `Shaper.shape` takes it.
        set_aside: Told of values that did not fit their column: how many.
    """

    session: Session
    found: Identified
    plain: bool
    set_aside: Callable[[int], None]


def compared(write: Write, found: Identified, known: Mapping[Key, Known]) -> tuple[Write, Sequence[int]]:
    """A page's batch, but for the rows, and the numbers of those of its records that are new or changed.

    Args:
        write: What else goes with them.
        found: Its records.
        known: What the store has of them.
    """
    changed: list[int] = []
    seen: list[Key] = []
    for row, (key, content) in enumerate(zip(found.keys, found.hashes, strict=True)):
        have = known.get(key)
        if have is None or not have.holds(content):
            changed.append(row)
        elif not stands(have):
            seen.append(key)
    restored = sum(known[key].deleted for key in seen)
    keys = [found.keys[row] for row in changed]
    inserted = sum(key not in known for key in keys)
    counts = Counts(
        inserted=inserted,
        updated=len(changed) - inserted + restored,
        unchanged=len(found.keys) - len(changed) - restored,
    )
    whole = replace(
        write,
        counts=write.counts + counts,
        seen=seen,
        arrived=sum(not stands(known.get(key)) for key in found.keys),
        keys=keys,
        hashes=[found.hashes[row] for row in changed],
        fresh=inserted == len(changed),
    )
    return whole, changed


def with_rows(write: Write, shaped: Shaped) -> Write:
    """A batch with the rows of its keys."""
    return replace(write, root=shaped.root, children=shaped.children, misfits=shaped.misfits)


def alone(page: Compared) -> Item:
    """A whole batch of a late one."""
    item, late, known = page
    write, changed = compared(item.write, late.found, known)
    if not changed:
        return replace(item, write=write, late=None)
    records = [late.found.records[row] for row in changed]
    shaped = late.session.shape(write.owners, records, write.keys, plain=late.plain)
    late.set_aside(shaped.misfit_count)
    return replace(item, write=with_rows(write, shaped), records=records, late=None)


def together(pages: Sequence[Compared]) -> list[Item]:
    """Whole batches of late ones of one resource: where some have changes, a batch before them holds all their rows.

    What shaping a page takes for each column is then taken once. No record may be on two of the pages.
    """
    items: list[Item] = []
    changes: list[Write] = []
    records: list[Record] = []
    for item, late, known in pages:
        write, changed = compared(item.write, late.found, known)
        if changed:
            changes.append(write)
            records += [late.found.records[row] for row in changed]
            write = replace(write, keys=(), hashes=(), fresh=False)
        items.append(replace(item, write=write, late=None))
    if not changes:
        return items
    rows = Write(
        changes[0].partition,
        shared=[(write.partition, len(write.keys)) for write in changes],
        keys=list(chain.from_iterable(write.keys for write in changes)),
        hashes=list(chain.from_iterable(write.hashes for write in changes)),
        fresh=all(write.fresh for write in changes),
    )
    _, late, _ = pages[0]
    shaped = late.session.shape(rows.owners, records, rows.keys, plain=all(late.plain for _, late, _ in pages))
    return [Item(with_rows(rows, shaped), done=lambda _: late.set_aside(shaped.misfit_count)), *items]


def stands(known: Known | None) -> bool:
    """Whether a record is there for whom it was asked: a row in the partition, no tombstone, and seen."""
    return known is not None and known.seen and known.placed and not known.deleted
