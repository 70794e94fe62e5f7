"""Labels of custom fields, asked for once in a run, and only when a custom field turns up that has no column yet.

A run that goes on where another was interrupted has the other's: it counts as one with it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog

from syncd.engine.plan import Resources
from syncd.engine.ports import Source, State
from syncd.engine.strategy import fill
from syncd.errors import ApiError
from syncd.model import ListRequest, Partition, Priority

DEFINITIONS = "custom_field_definitions"
_KEPT = "custom_field_labels"

_log = structlog.get_logger(__name__)


class CustomFieldLabels:
    """Label of a custom field definition, by its id.

    Args:
        catalog: Where the endpoint of the definitions stands.
        source: The API.
        state: Keeps them for the runs that go on with this one.
        company: Whose definitions.
        origin: The run that this one counts as one with.
    """

    def __init__(self, catalog: Resources, source: Source, state: State, company: int, origin: str) -> None:
        self._catalog = catalog
        self._source = source
        self._state = state
        self._company = company
        self._origin = origin
        self._lock = threading.Lock()
        self._labels: dict[int, str] | None = None

    def __call__(self, definition: int) -> str | None:
        """The label, or None where it is unknown or may not be read."""
        with self._lock:
            if self._labels is None:
                self._labels = self._kept() or self._asked()
        return self._labels.get(definition)

    def _kept(self) -> dict[int, str]:
        kept = self._state.load().get(_KEPT, {})
        return {int(number): label for number, label in kept["labels"]} if kept.get("run") == self._origin else {}

    def _asked(self) -> dict[int, str]:
        labels = self._load()
        kept = {"run": self._origin, "labels": list(labels.items())}
        self._state.save({**self._state.load(), _KEPT: kept})
        return labels

    def _load(self) -> dict[int, str]:
        try:
            resource = self._catalog[DEFINITIONS]
            path, params = fill(resource.path, resource, Partition("", DEFINITIONS, self._company))
            request = ListRequest(
                company_id=self._company,
                path=path,
                params=params,
                paging=resource.paging,
                page_size=resource.page_size,
                envelope=resource.envelope,
                priority=Priority.INTERACTIVE,
            )
            items = [item for page in self._source.pages(request) for item in page.records if isinstance(item, Mapping)]
        except ApiError as error:
            _log.info("custom fields are named by their ids: their definitions cannot be read", why=str(error))
            return {}
        return {
            item["id"]: item["label"]
            for item in items
            if isinstance(item.get("id"), int) and isinstance(item.get("label"), str)
        }
