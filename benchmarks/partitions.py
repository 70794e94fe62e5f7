"""What an increment costs besides its requests: the engine's CPU per partition where nothing has changed.

500 projects with 10 resources each, answered by a source that has nothing to list and takes no time. Ends with 1 where
a partition takes a millisecond or more, or more than one request.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import postgres_server

from syncd.app.kit import Silent
from syncd.catalog.load import Catalog
from syncd.engine.options import Options
from syncd.engine.record import recorded
from syncd.engine.run import Ports, Run
from syncd.model import ListRequest, Page, Priority, Reader, RunRecord, Status
from syncd.storage.database import Database
from syncd.storage.migrate import verify
from syncd.storage.state import JobState
from syncd.storage.store import SqlStore

RESOURCES = 10
MOST = 1_000
"""Microseconds of CPU per partition."""


class Clock:
    """The machine's."""

    def now(self) -> datetime:
        """The wall clock, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def stopping(self) -> bool:
        """Nobody asks."""
        return False


class Nothing:
    """A source whose lists are all empty."""

    def __init__(self) -> None:
        self.requests = 0

    def pages(self, request: ListRequest, reader: Reader | None = None) -> Iterator[Page]:
        """One empty page."""
        del request, reader
        self.requests += 1
        yield Page(
            records=[], overlap=0, total=0, next=None, server_time=datetime.now(UTC), requests=1, size=2, plain=True
        )

    def get(self, company_id: int, path: str, params: Any = (), priority: Priority = Priority.INCREMENT) -> Any:
        """Nothing."""
        del company_id, path, params, priority
        return []


def main() -> int:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=500)
    given = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder)) as postgres:
        urls = (f"sqlite:///{folder}/bench.db", postgres.url.replace("postgresql://", "postgresql+psycopg://"))
        for url in urls:
            good &= measure(url, given.projects)
    return 0 if good else 1


def measure(url: str, projects: int) -> bool:
    """Print what an increment costs, and say whether it is little enough."""
    database = Database(url, "procore")
    verify(database)
    catalog, clock = Catalog(), Clock()
    store = SqlStore(database, clock.now)
    found = (one.name for one in catalog.headers() if one.scope == "project" and one.incremental and not one.parents)
    resources = tuple(name for name, _ in zip(found, range(RESOURCES), strict=False))
    options = Options(company=1, projects=tuple(range(1, projects + 1)), resources=resources)
    spent, requests = 0.0, 0
    for number in range(2):
        source = Nothing()
        record = RunRecord(f"run-{number}", "partitions", "resources", "service", "manual", None, clock.now())
        ports = Ports(source, store, JobState(database, "partitions"), clock, Silent(), catalog)
        began = time.process_time()
        report = recorded(
            store, record, clock,
            lambda lease, opened, ports=ports: Run(ports, options, opened, frozenset(catalog.names())).execute(lease),
            may_resume=False,
        )  # fmt: skip
        spent, requests = time.process_time() - began, source.requests
        assert report.status is Status.OK, report.error
    partitions = projects * len(resources)
    each = spent / partitions * 1e6
    kind = database.url.get_backend_name()
    print(f"{kind}: {partitions:,} partitions, {requests:,} requests, {each:.0f} microseconds of CPU each", flush=True)
    database.close()
    return each < MOST and requests <= partitions


if __name__ == "__main__":
    sys.exit(main())
