"""The built-in job type: resources of the catalog into their tables."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from syncd.catalog.load import Catalog
from syncd.engine.options import Guard, Options
from syncd.engine.run import Ports, Run
from syncd.jobs.protocol import JobContext, Request
from syncd.jobs.resources_options import ResourcesOptions
from syncd.model import RunReport


class ResourcesJob:
    """Keeps tables equal to what the principal can list."""

    Options: ClassVar[type[BaseModel]] = ResourcesOptions

    def run(self, context: JobContext) -> RunReport:
        """Sync every partition of the job once."""
        ports = Ports(
            source=context.source,
            store=context.store,
            state=context.state,
            clock=context.clock,
            progress=context.progress,
            catalog=context.catalog,
            assistance=context.assistance,
        )
        keys: ResourcesOptions = context.options
        key = context.pseudonym_key() if keys.hash else b""
        options = engine_options(keys, context.company, context.catalog, context.request, key)
        return Run(ports, options, context.record, context.resource_names).execute(context.lease)


def engine_options(
    keys: ResourcesOptions, company: int, catalog: Catalog, request: Request, pseudonym_key: bytes
) -> Options:
    """The job's keys and what is asked of this run, as the engine takes them."""
    return Options(
        company=company,
        projects=keys.projects,
        resources=tuple(catalog.select(keys.resources)),
        full_refresh=keys.full_refresh.every,
        find_deleted=keys.find_deleted.every,
        remove=keys.deletes == "remove",
        lookback=keys.lookback,
        logs_from=keys.logs_from,
        logs_lookback=keys.logs_lookback,
        ignore_refusals=keys.refusals == "ignore",
        guard=Guard(keys.delete_guard.share, keys.delete_guard.rows),
        exclude={name: tuple(fields) for name, fields in keys.exclude.items()},
        pseudonyms={name: tuple(fields) for name, fields in keys.hash.items()},
        pseudonym_key=pseudonym_key,
        details=keys.details,
        workers=keys.workers,
        interactive=request.interactive,
        full=request.full,
        only=request.only,
        retry_refused=request.retry_refused,
        accept_deletes=request.accept_deletes,
    )
