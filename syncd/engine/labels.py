"""Labels of custom fields, asked for once in a run, and only when a custom field turns up that has no column yet."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import structlog

from syncd.engine.plan import Resources
from syncd.engine.ports import Source
from syncd.engine.strategy import fill
from syncd.errors import ApiError
from syncd.model import ListRequest, Partition, Priority

DEFINITIONS = "custom_field_definitions"

_log = structlog.get_logger(__name__)


class CustomFieldLabels:
    """Label of a custom field definition, by its id.

    Args:
        catalog: Where the endpoint of the definitions stands.
        source: The API.
        company: Whose definitions.
    """

    def __init__(self, catalog: Resources, source: Source, company: int) -> None:
        self._catalog = catalog
        self._source = source
        self._company = company
        self._lock = threading.Lock()
        self._labels: dict[int, str] | None = None

    def __call__(self, definition: int) -> str | None:
        """The label, or None where it is unknown or may not be read."""
        with self._lock:
            if self._labels is None:
                self._labels = self._load()
        return self._labels.get(definition)

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
