"""One run: resources in stages, partitions side by side, counts and an honest status at the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import structlog
from structlog.contextvars import bind_contextvars

from syncd.catalog.layout import Layout
from syncd.catalog.resource import Resource
from syncd.engine.batch import Item
from syncd.engine.cursor import Cursor, load
from syncd.engine.extract import Extract
from syncd.engine.labels import CustomFieldLabels
from syncd.engine.minimise import Minimiser
from syncd.engine.options import Options
from syncd.engine.plan import PROJECTS, Planner, Resources, stages, suppliers
from syncd.engine.ports import Assistance, Clock, Lease, Progress, Source, State, Store
from syncd.engine.prepare import Alone
from syncd.engine.reading import Outcome, Tools
from syncd.engine.resume import is_read
from syncd.engine.session import Session, Widening
from syncd.engine.strategy import mode_of
from syncd.engine.writer import REFUSED_BY_DATABASE, Writer
from syncd.errors import STOPPED, ApiError, Refused, Stopped, SyncdError
from syncd.model import (
    Counts,
    Mode,
    Partition,
    Proof,
    ResourceReport,
    RunRecord,
    RunReport,
    Status,
    Write,
)
from syncd.threads import background

_log = structlog.get_logger(__name__)

_CHUNK = 200
"""Partitions whose cursors are read in one query."""
_PARTIAL_EXIT = 3
_LOOK_AGAIN = 1.0
"""Seconds until a claim that another run holds is asked for again."""
_NOTES = 3
"""Different reasons told per resource; all of them stand in `syncd_partitions`."""


class _Tally:
    """What a run did for one resource so far; told by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.partitions = 0
        self.full = 0
        self.misfits = 0
        self.worked = 0
        self.broken = 0
        self.ended = 0
        self.rejected = 0
        self.counts = Counts()
        self.remedy = ""
        self._notes: dict[str, int] = {}

    def planned(self, partitions: int) -> None:
        """So many more partitions."""
        with self._lock:
            self.partitions += partitions

    def add(self, counts: Counts) -> None:
        """A batch was committed."""
        with self._lock:
            self.counts = self.counts + counts

    def set_aside(self, misfits: int) -> None:
        """So many more values did not fit their columns."""
        with self._lock:
            self.misfits += misfits

    def worked_out(self, outcome: Outcome) -> None:
        """A partition was read to its end."""
        with self._lock:
            self.ended += 1
            self.worked += 1
            self.rejected += outcome.rejected
            self.full += outcome.mode is Mode.FULL
            if outcome.note:
                self._note(outcome.note)

    def was_read(self) -> None:
        """An interrupted run that this one goes on with has read a partition to its end."""
        with self._lock:
            self.ended += 1
            self.worked += 1
            self.full += 1

    def failed(self, note: str, *, refused: bool, remedy: str = "") -> None:
        """A partition could not be read; `note` is empty where that is as the operator wants it."""
        with self._lock:
            self.ended += 1
            self.broken += not refused
            if note:
                self._note(note)
                self.remedy = self.remedy or remedy

    def lost(self) -> None:
        """A batch was not committed."""
        with self._lock:
            self._note("the run ended before all of it was stored")

    @property
    def status(self) -> Status:
        """How it stands so far."""
        if not self._notes:
            return Status.OK
        return Status.FAILED if self.broken and not self.worked else Status.PARTIAL

    def _note(self, text: str) -> None:
        self._notes[text] = self._notes.get(text, 0) + 1

    def report(self, resource: str, missing: str, *, cut: bool) -> ResourceReport:
        """How it ended.

        Args:
            resource: Its name.
            missing: Says where nothing could be asked for, which is no failure.
            cut: Whether the run was cut short.
        """
        if cut and (not self.ended or self.ended < self.partitions):
            self._note("the run ended before all of it was read")
        if not cut and self.counts.rejected > self.rejected:
            self._note(REFUSED_BY_DATABASE)
        notes = [text if times == 1 else f"{text} ({times} times)" for text, times in self._notes.items()]
        more = f"; and {len(notes) - _NOTES} more, see syncd_partitions" if len(notes) > _NOTES else ""
        return ResourceReport(
            resource=resource,
            status=self.status,
            mode=Mode.FULL if self.full or not self.worked else Mode.INCREMENTAL,
            partitions=self.partitions,
            rows=self.counts,
            error="; ".join(notes[:_NOTES]) + more if notes else missing or None,
        )


@dataclass(frozen=True, slots=True)
class Ports:
    """What a run is given from outside."""

    source: Source
    store: Store
    state: State
    clock: Clock
    progress: Progress
    catalog: Resources
    assistance: Assistance = field(default_factory=Alone)


class Run:
    """Executes a job once.

    Args:
        ports: What it is given from outside.
        options: The job's wishes.
        record: The run as it is opened.
        table_names: Names of all resources, which child tables must not take.
    """

    def __init__(self, ports: Ports, options: Options, record: RunRecord, table_names: frozenset[str]) -> None:
        self._ports = ports
        self._options = options
        self._record = record
        self._table_names = table_names
        self._layouts: dict[str, Layout] = {}
        self._tallies: dict[str, _Tally] = {}
        self._refused: set[Partition] = set()
        self._abort: SyncdError | None = None

    def execute(self, lease: Lease) -> RunReport:
        """Run it under a lease that somebody renews; how it ended is in the report, errors too."""
        error: SyncdError | None = None
        try:
            with self._ports.assistance.at_work():
                self._work(lease)
        except SyncdError as caught:
            error = caught
        return self._report(error or self._abort)

    def _work(self, lease: Lease) -> None:
        ports = self._ports
        writer = Writer(ports.store, self._layouts, self._record.id, lease, ports.clock, ports.progress)
        tools = Tools(
            source=ports.source,
            store=ports.store,
            assistance=ports.assistance,
            writer=writer,
            clock=ports.clock,
            progress=ports.progress,
            options=self._options,
            run_id=self._record.id,
            origin=self._record.origin,
            lease=lease,
        )
        labels = CustomFieldLabels(ports.catalog, ports.source, ports.state, self._options.company, self._record.origin)
        widening = Widening(ports.store, self._record.id, labels)
        planner = Planner(self._record.principal, self._options, ports.store, self._layouts)
        writer.start()
        try:
            projects: list[int] | None = None
            for stage in stages(ports.catalog, self._wanted(), self._options):
                sessions = [self._session(name, widening) for name in stage]
                if projects is None and any(session.resource.scope == "project" for session in sessions):
                    projects = planner.projects()
                self._stage(sessions, planner, projects or [], tools)
                for session in sessions:
                    self._tell_unasked(session.resource)
        finally:
            try:
                writer.close()
            finally:
                for name in writer.lost:
                    self._tallies[name].lost()

    def _tell_unasked(self, resource: Resource) -> None:
        """A resource of which nothing could be asked for is not well where what it is read for was not read."""
        tally = self._tallies[resource.name]
        if tally.partitions:
            return
        names = [supplier for given in suppliers(resource).values() for supplier, _ in given]
        if resource.scope == "project" and not isinstance(self._options.projects, tuple):
            names.append(PROJECTS)
        for name in names:
            if name in self._tallies and name != resource.name and self._tallies[name].status is not Status.OK:
                failed = self._tallies[name].status is Status.FAILED
                tally.failed(
                    f"nothing could be asked for, because {name} could not be read as a whole", refused=not failed
                )
                return

    def _wanted(self) -> Sequence[str]:
        only = set(self._options.only)
        return [name for name in self._options.resources if not only or name in only]

    def _session(self, name: str, widening: Widening) -> Session:
        options = self._options
        minimiser = Minimiser(options.exclude.get(name, ()), options.pseudonyms.get(name, ()), options.pseudonym_key)
        resource = minimiser.resource(self._ports.catalog[name])
        self._tallies[name] = _Tally()
        return Session(
            resource, minimiser, self._ports.store.open(resource, self._table_names), self._layouts, widening
        )

    def _stage(self, sessions: Sequence[Session], planner: Planner, projects: Sequence[int], tools: Tools) -> None:
        """Read these resources; those that another run is reading, when it has done so."""
        store, principal, company = self._ports.store, self._record.principal, self._options.company
        left = {session.resource.name: session for session in sessions}
        told = False
        while left:
            mine = store.claim(tools.lease, principal, company, left.keys())
            if not mine:
                if not told:
                    _log.info("waiting for another job that reads the same resources", resources=sorted(left))
                told = True
                self._ports.progress.waiting(_LOOK_AGAIN, "another job reads the same resources")
                self._ports.clock.sleep(_LOOK_AGAIN)
                continue
            try:
                self._read([left.pop(name) for name in list(left) if name in mine], planner, projects, tools)
                tools.writer.flush()
            finally:
                store.disclaim(tools.lease, mine)

    def _read(self, sessions: Sequence[Session], planner: Planner, projects: Sequence[int], tools: Tools) -> None:
        work = _Shared(self._planned(sessions, planner, projects))
        threads = [
            background(f"partition-{number}", self._worker, work, tools) for number in range(self._options.workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._abort is not None:
            raise self._abort

    def _planned(
        self, sessions: Sequence[Session], planner: Planner, projects: Sequence[int]
    ) -> Iterator[tuple[Session, Partition, Cursor]]:
        store, options, origin = self._ports.store, self._options, self._record.resumes
        now = self._ports.clock.now()
        for session in sessions:
            made = planner.partitions(session.resource, projects)
            tally = self._tallies[session.resource.name]
            ignore, probe = options.ignore_refusals, options.full or options.retry_refused
            while chunk := list(islice(made, _CHUNK)):
                refusals = store.refusals(chunk)
                self._refused |= refusals.keys()
                states = store.cursors(chunk)
                tally.planned(len(chunk))
                self._ports.progress.planned(session.resource.name, len(chunk))
                for partition in chunk:
                    refusal = refusals.get(partition)
                    if refusal is not None and not probe and refusal.probe_at > now:
                        why = f"not asked again before {refusal.probe_at:%Y-%m-%d %H:%M} UTC: {refusal.reason}"
                        remedy = f"Once Procore permits it: syncd sync {self._record.job} --retry-refused"
                        tally.failed("" if ignore else why, refused=True, remedy=remedy)
                        self._ports.progress.done(partition, Counts())
                        continue
                    cursor = load(states.get(partition))
                    if origin is not None and is_read(cursor, origin, options, now):
                        tally.was_read()
                        self._ports.progress.done(partition, Counts())
                        continue
                    yield session, partition, cursor

    def _worker(self, work: _Shared, tools: Tools) -> None:
        while self._abort is None:
            try:
                taken = work.take(tools.clock)
                if taken is None:
                    return
                bind_contextvars(resource=taken[1].resource, project=taken[1].project_id)
                self._partition(*taken, tools)
            except SyncdError as error:
                self._abort = self._abort or error
            except Exception as error:  # noqa: BLE001 - one partition must not end the process; it ends the run, loudly
                _log.exception("a partition ended with an unexpected error")
                message = f"An unexpected error ended the run ({type(error).__name__})."
                self._abort = self._abort or SyncdError(message, "The log has the details; please report them.")

    def _partition(self, session: Session, partition: Partition, cursor: Cursor, tools: Tools) -> None:
        tally = self._tallies[session.resource.name]
        mode = mode_of(session.resource, partition, cursor, self._options, tools.clock.now())
        outcome = Outcome(mode, tally.add, tally.set_aside)
        try:
            Extract(session, partition, cursor, tools).read(outcome)
        except Refused as refusal:
            tools.store.refused(partition, refusal.status or 0, refusal.reason, tools.clock.now())
            note = "" if self._options.ignore_refusals else refusal.message
            tally.failed(note, refused=True, remedy=refusal.remedy)
        except ApiError as error:
            _log.warning("a partition could not be read", error=str(error))
            proof = Proof(mode, None, 0, 0, 0, Status.FAILED, error.message, tools.clock.now())
            tools.writer.put(Item(Write(partition, proof=proof)))
            tally.failed(error.message, refused=False, remedy=error.remedy)
        else:
            if partition in self._refused:
                tools.store.allowed([partition])
            tally.worked_out(outcome)
        self._ports.progress.done(partition, outcome.counts)

    def _report(self, error: SyncdError | None) -> RunReport:
        missing = {name: self._ports.catalog[name].without_values for name in self._tallies}
        cut = error is not None
        resources = tuple(tally.report(name, missing[name], cut=cut) for name, tally in self._tallies.items())
        status, exit_code = _outcome([resource.status for resource in resources], error)
        for name, tally in self._tallies.items():
            if tally.misfits:
                _log.warning(
                    "values did not fit their columns and are kept in _syncd_misfits",
                    resource=name,
                    values=tally.misfits,
                )
        return RunReport(
            job=self._record.job,
            run_id=self._record.id,
            status=status,
            started_at=self._record.started_at,
            finished_at=self._ports.clock.now(),
            requests=self._ports.source.requests,
            rows=sum((resource.rows for resource in resources), Counts()),
            resources=resources,
            exit_code=exit_code,
            error=error.message if error else _first_error(resources),
            remedy=error.remedy if error else next((one.remedy for one in self._tallies.values() if one.remedy), ""),
        )


def _first_error(resources: Sequence[ResourceReport]) -> str | None:
    failed = [one for one in resources if one.status is not Status.OK]
    return next((f"{one.resource}: {one.error}" for one in failed if one.error), None)


def _outcome(statuses: Sequence[Status], error: SyncdError | None) -> tuple[Status, int]:
    """Status and exit code: a run fails where it was cut short by an error, or where nothing of it worked."""
    if isinstance(error, Stopped):
        return Status.PARTIAL, _PARTIAL_EXIT
    if error is not None:
        return Status.FAILED, error.exit_code
    if all(status is Status.OK for status in statuses):
        return Status.OK, 0
    if all(status is Status.FAILED for status in statuses):
        return Status.FAILED, 1
    return Status.PARTIAL, _PARTIAL_EXIT


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, items: Iterator[tuple[Session, Partition, Cursor]]) -> None:
        self._items = items
        self._lock = threading.Lock()

    def take(self, clock: Clock) -> tuple[Session, Partition, Cursor] | None:
        """The next item, or None at the end.

        Raises:
            Stopped: The program was asked to stop before the end.
        """
        with self._lock:
            item = next(self._items, None)
        if item is not None and clock.stopping():
            raise Stopped(STOPPED)
        return item
