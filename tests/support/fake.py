"""Seams for tests of the engine: a clock that obeys, a source that lists what a test put there, a run put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from support.helping import Beside, read
from syncd.catalog.resource import Resource
from syncd.engine.options import Options
from syncd.engine.record import recorded
from syncd.engine.run import Ports, Run
from syncd.errors import STOPPED, RequestRejected, Stopped
from syncd.model import Continuation, Counts, ListRequest, Page, Partition, Priority, Reader, RunRecord, RunReport
from syncd.storage.database import Database
from syncd.storage.migrate import verify
from syncd.storage.state import JobState
from syncd.storage.store import SqlStore


class FakeClock:
    """Time that moves when told to, and when somebody sleeps."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.stopped = False

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        if self.stopped:
            raise Stopped(STOPPED)
        self.time += timedelta(seconds=seconds)

    def stopping(self) -> bool:
        return self.stopped

    def advance(self, **span: float) -> None:
        self.time += timedelta(**span)


class Silent:
    """Progress that nobody watches."""

    def planned(self, resource: str, partitions: int) -> None: ...

    def page(self, partition: Partition, records: int) -> None: ...

    def done(self, partition: Partition, counts: Counts) -> None: ...

    def waiting(self, seconds: float, why: str) -> None: ...


@dataclass
class FakeSource:
    """Lists of records by path, paged and filtered as the API does; `between` runs between pages.

    Listings of more than `most_days` are refused.
    """

    clock: FakeClock
    lists: dict[str, list[Any]] = field(default_factory=dict)
    page_size: int = 1000
    total: bool = True
    requests: int = 0
    asked: list[ListRequest] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    most_days: int | None = None
    between: Callable[[int], None] = lambda _: None

    def get(
        self,
        company_id: int,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        priority: Priority = Priority.INCREMENT,
    ) -> Any:
        self.requests += 1
        return self.lists[path][0]

    def pages(self, request: ListRequest, reader: Reader | None = None) -> Iterator[Page]:
        self.asked.append(request)
        start = request.start.covered if request.start else 0
        while True:
            self.requests += 1
            if request.path in self.errors:
                raise self.errors[request.path]
            check_range(request, self.most_days)
            records = self._filtered(request)
            first = max(0, start - 1) if start else 0
            page = records[first : first + self.page_size]
            covered = first + len(page)
            more = covered < len(records) and bool(page)
            yield Page(
                records=read(page, reader),
                overlap=start - first,
                total=len(records) if self.total else None,
                next=Continuation(page=2, covered=covered) if more else None,
                server_time=self.clock.now(),
            )
            if not more:
                return
            start = covered
            self.between(covered)

    def _filtered(self, request: ListRequest) -> list[Any]:
        params = dict(request.params)
        records = self.lists.get(request.path, [])
        if "filters[updated_at]" in params:
            low, high = params["filters[updated_at]"].split("...")
            records = [r for r in records if low <= r["updated_at"] <= high]
        if "start_date" in params:
            records = [r for r in records if params["start_date"] <= r["date"] <= params["end_date"]]
        return records


def check_range(request: ListRequest, most_days: int | None) -> None:
    """Refuse a listing of more days than a server gives at once."""
    params = dict(request.params)
    if most_days is None or "start_date" not in params:
        return
    if date.fromisoformat(params["end_date"]) - date.fromisoformat(params["start_date"]) >= timedelta(most_days):
        raise RequestRejected("Procore answered 422: too long a range.", status=422)


THINGS = Resource(
    name="things",
    title="Things",
    tool="Test/Things",
    path="/rest/v1.0/things",
    scope="company",
    updated_at="filters[updated_at]",
    fields={
        "id": "integer",
        "name": "string",
        "updated_at": "date-time",
        "parts": [{"id": "integer", "label": "string"}],
    },
)
PLAIN = replace(THINGS, name="plain", path="/rest/v1.0/plain", updated_at=None)
LOGS = replace(
    THINGS,
    name="logs",
    path="/rest/v1.0/logs",
    updated_at=None,
    fields={"id": "integer", "date": "date", "note": "string"},
)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Bench:
    """A database, a source and the engine between them."""

    def __init__(self, url: str, catalog: Mapping[str, Resource]) -> None:
        self.clock = FakeClock()
        self.source = FakeSource(self.clock)
        self.database = Database(url)
        verify(self.database)
        self.catalog = dict(catalog)
        self.store = SqlStore(self.database, self.clock.now)
        self.assistance = Beside()
        self.runs = 0

    def options(self, **changes: Any) -> Options:
        base = Options(company=1, projects="all", resources=tuple(self.catalog), workers=2)
        return replace(base, **changes)

    def run(self, *, principal: str = "service", **changes: Any) -> RunReport:
        self.runs += 1
        record = RunRecord(f"run-{self.runs}", "job", "resources", principal, "manual", None, self.clock.now())
        state = JobState(self.database, "job")
        ports = Ports(self.source, self.store, state, self.clock, Silent(), self.catalog, self.assistance)
        names = frozenset(self.catalog)
        options = self.options(**changes)
        plain = not (options.full or options.only or options.retry_refused or options.accept_deletes)
        return recorded(
            self.store,
            record,
            self.clock,
            lambda lease, opened: Run(ports, options, opened, names).execute(lease),
            may_resume=plain,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
