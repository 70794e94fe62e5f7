"""What a job asks of the engine, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Guard:
    """When a shrunken listing is not believed at once: more than this share of the rows, and more than so many."""

    share: float = 0.3
    rows: int = 20


@dataclass(frozen=True, slots=True)
class Options:
    """One job's wishes, and those of one run of it.

    Attributes:
        company: Sent as Procore-Company-Id.
        projects: `active`, `all`, or ids.
        resources: Names of the catalog, globs and groups resolved.
        full_refresh: How often all of a partition is read again; zero: every run.
        find_deleted: How often Procore's own lists of deleted records are asked for between complete readings.
        remove: Whether deleted records' rows are removed instead of marked.
        lookback: How far increments overlap.
        logs_from: How far back the first load of dated logs goes.
        logs_lookback: How far back each run reads dated logs again.
        ignore_refusals: Whether 403 and 404 leave a run `ok`.
        guard: When a shrunken listing is not believed.
        exclude: Fields to keep out, per resource.
        pseudonyms: Fields to replace by a keyed hash, per resource.
        pseudonym_key: That hash's key.
        details: Whether changed records are read singly too, where that gives more fields.
        workers: Partitions read at the same time.
        interactive: Whether somebody waits for the run.
        full: Read all again, now.
        only: Restrict the run to these resources; empty: all of the job's.
        retry_refused: Probe refused partitions now.
        accept_deletes: Believe shrunken listings now.
    """

    company: int
    projects: Literal["active", "all"] | tuple[int, ...]
    resources: tuple[str, ...]
    full_refresh: timedelta = timedelta(days=7)
    find_deleted: timedelta = timedelta(hours=1)
    remove: bool = False
    lookback: timedelta = timedelta(minutes=5)
    logs_from: timedelta = timedelta(days=365)
    logs_lookback: timedelta = timedelta(days=30)
    ignore_refusals: bool = False
    guard: Guard = field(default_factory=Guard)
    exclude: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pseudonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pseudonym_key: bytes = b""
    details: bool = False
    workers: int = 8
    interactive: bool = False
    full: bool = False
    only: tuple[str, ...] = ()
    retry_refused: bool = False
    accept_deletes: bool = False
