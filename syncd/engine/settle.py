"""A complete listing compared with the store: whether it is believed, and what is gone."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.engine.cursor import Cursor
from syncd.engine.reading import Outcome, Reading, Tools
from syncd.engine.session import Session
from syncd.engine.strategy import Spec
from syncd.engine.sweep import judge
from syncd.model import Counts, Key, Partition

_SWEEP = 1_000
"""Rows that become tombstones in one transaction."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A complete listing compared with the store.

    Attributes:
        stored: Live rows now.
        note: What does not agree, or what was deleted all the same; empty where nothing is to be said.
        believed: Whether the partition is proved.
        doubt: How many rows were not listed, where that waits for a second listing.
    """

    stored: int
    note: str = ""
    believed: bool = True
    doubt: int | None = None


def agrees(reading: Reading) -> bool:
    """Whether the rows that stood before and those that came since are as many as were listed, by counting alone."""
    return reading.before is not None and reading.before + reading.fresh == reading.stored


def settle(
    session: Session, partition: Partition, cursor: Cursor, tools: Tools, spec: Spec, reading: Reading, outcome: Outcome
) -> Settled:
    """Compare a complete listing with the store, and take from the store what is gone.

    Args:
        session: The partition's resource.
        partition: Whose listing it is.
        cursor: Tells whether the listing before it was doubted.
        tools: Of the run.
        spec: What was listed.
        reading: What came of it; all of it is committed, unless counting alone shows that it agrees.
        outcome: Rows that are gone are counted there.
    """
    layout = session.layout
    if agrees(reading):
        if reading.sighted:
            tools.store.forget_sightings(partition, tools.lease)
        return Settled(reading.stored)
    live = tools.store.live(layout, partition, spec.window)
    missing = 0
    if live != reading.stored and (reading.sighted or reading.keys is not None):
        missing = sum(1 for _ in tools.store.missing(layout, partition, spec.window, reading.keys))
    verdict = judge(
        before=live,
        missing=missing,
        seen=reading.seen,
        doubt=None if cursor.doubt_by == tools.origin else cursor.doubt,
        accept=tools.options.accept_deletes,
        guard=tools.options.guard,
    )
    if not verdict.believed:
        return Settled(live, verdict.note, believed=False, doubt=missing)
    if missing:
        outcome.add(Counts(deleted=_sweep(session, partition, tools, spec, reading.keys)))
        live -= missing
    if reading.sighted:
        tools.store.forget_sightings(partition, tools.lease)
    if live != reading.stored:
        note = f"{reading.stored} records were listed and {live} rows stand in the table"
        return Settled(live, note, believed=False)
    return Settled(live, verdict.note)


def _sweep(session: Session, partition: Partition, tools: Tools, spec: Spec, keys: frozenset[Key] | None) -> int:
    gone = list(tools.store.missing(session.layout, partition, spec.window, keys))
    return sum(
        tools.store.sweep(
            session.layout,
            partition,
            gone[start : start + _SWEEP],
            tools.run_id,
            tools.lease,
            remove=tools.options.remove,
        )
        for start in range(0, len(gone), _SWEEP)
    )
