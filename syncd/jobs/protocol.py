"""What a job type is: a class found through the entry-point group `syncd.jobs`, named by `type:` in YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from syncd.engine.options import Options
from syncd.engine.plan import Resources
from syncd.engine.ports import Clock, Progress, Source, Store
from syncd.model import RunRecord, RunReport


class State(Protocol):
    """What a job remembers between its runs: one JSON object, kept in the database."""

    def load(self) -> Mapping[str, Any]:
        """What was saved last; empty before the first time."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace it, at once."""


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


@dataclass(frozen=True, slots=True)
class JobContext:
    """What a job is given for one run.

    Attributes:
        options: The job's own keys, as its `Options` model parsed them.
        company: The company of the job.
        source: The API as the job's principal sees it: authorised, paced, retried.
        store: The database.
        state: What the job remembers between runs.
        catalog: Resources by name.
        resource_names: Names of all resources.
        run: The run as it is opened; a job type other than the built-in one returns its report with `finish`.
        request: What is asked of this run.
        clock: Time.
        progress: Who is told how it goes.
        log: A structlog logger bound to the run.
        finish: Builds the report of a simple job: `context.finish(read=…, written=…)`.
    """

    options: Any
    company: int
    source: Source
    store: Store
    state: State
    catalog: Resources
    resource_names: frozenset[str]
    run: RunRecord
    request: Request
    clock: Clock
    progress: Progress
    log: Any
    pseudonym_key: Callable[[], bytes]


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


__all__ = ["JobContext", "JobType", "Options", "Request", "State"]
