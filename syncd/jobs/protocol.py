"""What a job type is: a class found through the entry-point group `syncd.jobs`, named by `type:` in YAML."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from syncd.catalog.load import Catalog
from syncd.catalog.resource import Resource
from syncd.engine.load import load_records
from syncd.engine.ports import Assistance, Clock, Lease, Progress, Source, State, Store
from syncd.model import Counts, Partition, RunRecord, RunReport, Status


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one run besides the job's own configuration.

    Attributes:
        interactive: Whether somebody waits for it.
        full: Read all again.
        only: Restrict it to these resources; empty: all.
        retry_refused: Ask again for what was refused.
        accept_deletes: Believe shrunken listings.
    """

    interactive: bool = False
    full: bool = False
    only: tuple[str, ...] = ()
    retry_refused: bool = False
    accept_deletes: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked but to sync: what an interrupted run has done answers it, too."""
        return not (self.full or self.only or self.retry_refused or self.accept_deletes)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job is given for one run.

    Attributes:
        options: The job's own keys, an instance of its `Options` model.
        company: The company of the job; goes with every request.
        source: The API as the job's principal sees it: authorised, paced, retried.
        store: The database.
        state: What the job remembers between runs.
        catalog: Resources by name.
        resource_names: Names of all resources.
        record: The run as it is opened.
        lease: The right to write.
        request: What is asked of this run.
        clock: Time; its `sleep` ends early when the program is asked to stop.
        progress: Who is told how it goes.
        log: A structlog logger that names the run and the job.
        pseudonym_key: Gives the key of pseudonyms.
        assistance: Others who make pages ready while the job waits.
    """

    options: Any
    company: int
    source: Source
    store: Store
    state: State
    catalog: Catalog
    resource_names: frozenset[str]
    record: RunRecord
    lease: Lease
    request: Request
    clock: Clock
    progress: Progress
    log: Any
    pseudonym_key: Callable[[], bytes]
    assistance: Assistance

    def write(self, resource: Resource, records: Iterable[Any]) -> Counts:
        """Upsert records into the table that `resource` describes; it is made where it does not exist."""
        partition = Partition(self.record.principal, resource.name, self.company)
        return load_records(self.store, resource, partition, records, self.record.id, self.lease)

    def report(self, rows: Counts) -> RunReport:
        """The report of a run that worked."""
        return RunReport(
            job=self.record.job,
            run_id=self.record.id,
            status=Status.PARTIAL if rows.rejected else Status.OK,
            started_at=self.record.started_at,
            finished_at=self.clock.now(),
            requests=self.source.requests,
            rows=rows,
            resources=(),
            exit_code=3 if rows.rejected else 0,
        )


class JobType(Protocol):
    """A job type.

    Attributes:
        Options: pydantic model of its own keys in YAML.
    """

    Options: ClassVar[type[BaseModel]]

    def run(self, context: JobContext) -> RunReport:
        """Execute the job once.

        Raises:
            SyncdError: It could not be done; the message is for the operator.
        """
