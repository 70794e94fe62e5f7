"""What a job may see: one small request per resource, and no row written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from syncd.engine.cursor import Cursor
from syncd.engine.options import Options
from syncd.engine.plan import PROJECTS, Resources, suppliers
from syncd.engine.ports import Source
from syncd.engine.strategy import listings
from syncd.errors import ApiError
from syncd.model import ListRequest, Partition, Priority


@dataclass(frozen=True, slots=True)
class Finding:
    """What one resource answered.

    Attributes:
        resource: Its name.
        permitted: True, False, or None where it could not be asked.
        place: Where it was asked: the company, a project, a parent record.
        records: How many Procore says there are, or None.
        note: Why it is not permitted, or could not be asked.
    """

    resource: str
    permitted: bool | None
    place: str = ""
    records: int | None = None
    note: str = ""


class Probe:
    """Asks each resource of a job once.

    Args:
        source: The API as the job's principal sees it.
        catalog: Resources by name.
        options: The job's.
        principal: The job's.
    """

    def __init__(self, source: Source, catalog: Resources, options: Options, principal: str) -> None:
        self._source = source
        self._catalog = catalog
        self._options = options
        self._principal = principal
        self._samples: dict[tuple[str, int | None], Any] = {}

    def findings(self, now: Callable[[], Any]) -> Iterator[Finding]:
        """One finding per resource, in the job's order."""
        project: int | None = None
        missing = ""
        if any(self._catalog[name].scope == "project" for name in self._options.resources):
            project, missing = self._project(now)
        for name in self._options.resources:
            if missing and self._catalog[name].scope == "project":
                yield Finding(name, None, note=missing)
            else:
                yield self._finding(name, project, now)

    def _project(self, now: Callable[[], Any]) -> tuple[int | None, str]:
        chosen = self._options.projects
        if isinstance(chosen, tuple):
            return chosen[0], ""
        try:
            sample = self._sample(PROJECTS, None, now)
        except ApiError as error:
            return None, f"the projects cannot be listed: {error.message}"
        if not isinstance(sample, dict) or not isinstance(sample.get("id"), int):
            return None, "there is no project that this principal can see"
        return sample["id"], ""

    def _finding(self, name: str, project: int | None, now: Callable[[], Any]) -> Finding:
        try:
            partition = self._partition(name, project, now)
        except ApiError as error:
            return Finding(name, None, note=f"a supplier of its ids cannot be read: {error.message}")
        if partition is None:
            missing = self._catalog[name].without_values
            return Finding(name, None, note=missing or "nothing supplies an id to ask with yet")
        try:
            total, sample = self._first(self._request(partition, now))
        except ApiError as error:
            return Finding(name, permitted=False, place=partition.place, note=error.message)
        self._samples[name, partition.project_id] = sample
        return Finding(name, permitted=True, place=partition.place, records=total)

    def _partition(self, name: str, project: int | None, now: Callable[[], Any]) -> Partition | None:
        resource = self._catalog[name]
        parents: list[tuple[str, Any]] = []
        for placeholder, given in suppliers(resource).items():
            for supplier, column in given:
                sample = self._sample(supplier, project, now)
                if isinstance(sample, dict) and sample.get(column) is not None:
                    parents.append((placeholder, sample[column]))
                    break
            else:
                return None
        for parameter, values in resource.enumerate.items():
            if not values:
                return None
            parents.append((parameter, values[0]))
        inside = project if resource.scope == "project" else None
        return Partition(self._principal, name, self._options.company, inside, tuple(parents))

    def _sample(self, name: str, project: int | None, now: Callable[[], Any]) -> Any:
        """One record of a supplier, asked for once."""
        inside = project if self._catalog[name].scope == "project" else None
        if (name, inside) not in self._samples:
            partition = self._partition(name, project, now)
            sample = self._first(self._request(partition, now))[1] if partition is not None else None
            self._samples[name, inside] = sample
        return self._samples[name, inside]

    def _request(self, partition: Partition, now: Callable[[], Any]) -> ListRequest:
        spec = next(listings(self._catalog[partition.resource], partition, Cursor(), self._options, now()))
        return replace(spec.request, page_size=1, overlap=False, priority=Priority.INTERACTIVE)

    def _first(self, request: ListRequest) -> tuple[int | None, Any]:
        pages = self._source.pages(request)
        page = next(pages)
        return page.total, page.records[0] if page.records else None
