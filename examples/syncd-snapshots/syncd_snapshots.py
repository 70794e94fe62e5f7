"""A job type that keeps a history which Procore does not have: how many records each project's list has, day by day."""

from typing import ClassVar

from pydantic import BaseModel

from syncd.catalog.resource import Resource
from syncd.jobs.protocol import JobContext
from syncd.model import ListRequest, RunReport

TABLE = Resource(
    name="list_snapshots",
    title="Length of a list per project and day",
    tool="Example",
    path="",
    scope="company",
    key=("day", "project"),
    fields={"day": "string", "project": "integer", "list": "string", "records": "integer"},
)


class SnapshotOptions(BaseModel, extra="forbid", frozen=True):
    """The keys of such a job besides those of every job."""

    projects: tuple[int, ...]
    list: str = "rfis"


class Snapshots:
    """Asks for one record of each project's list, and keeps what Procore says the list's length is."""

    Options: ClassVar[type[BaseModel]] = SnapshotOptions

    def run(self, context: JobContext) -> RunReport:
        """Write today's row of every project."""
        day = context.clock.now().date().isoformat()
        rows = []
        for project in context.options.projects:
            path = f"/rest/v1.0/projects/{project}/{context.options.list}"
            page = next(context.source.pages(ListRequest(context.company, path, page_size=1)))
            rows.append({"day": day, "project": project, "list": context.options.list, "records": page.total})
        counts = context.write(TABLE, rows)
        context.state.save({"last_day": day})
        context.log.info("lists counted", projects=len(rows))
        return context.report(counts)
