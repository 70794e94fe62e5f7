"""The tables of one resource during a run: shared by all its partitions, widened once when a new field appears."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

import structlog

from syncd.catalog.layout import Layout
from syncd.catalog.resource import Resource
from syncd.engine.discover import Labels
from syncd.engine.minimise import Minimiser
from syncd.engine.ports import Store
from syncd.engine.prepare import Recipe
from syncd.engine.shape import Shaped, Shaper
from syncd.model import Key, Owners, Record

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Widening:
    """How columns are added during a run.

    Attributes:
        store: Where.
        run_id: Recorded with them.
        labels: Labels of custom fields, to name columns by.
    """

    store: Store
    run_id: str
    labels: Labels


class Session:
    """A resource's current layout and the shaper compiled for it.

    Args:
        resource: The catalog's entry, without what the job keeps out.
        minimiser: What the job keeps out.
        layout: The tables as they stand.
        layouts: Where the current layout of every resource is kept for the writer.
        widening: How columns are added.
    """

    def __init__(
        self,
        resource: Resource,
        minimiser: Minimiser,
        layout: Layout,
        layouts: MutableMapping[str, Layout],
        widening: Widening,
    ) -> None:
        self.resource = resource
        self.minimiser = minimiser
        self._layouts = layouts
        self._widening = widening
        self._lock = threading.Lock()
        self._shaper = Shaper(layout, widening.labels)
        self._recipe: Recipe | None = None
        layouts[layout.resource] = layout

    @property
    def layout(self) -> Layout:
        """The tables as they stand."""
        return self._shaper.layout

    @property
    def recipe(self) -> Recipe:
        """What another process needs to know to make its pages ready."""
        with self._lock:
            if self._recipe is None:
                self._recipe = Recipe.of(self.resource, self.layout, self._widening.store.packing)
            return self._recipe

    def shape(self, owners: Owners, records: Sequence[Record], keys: Sequence[Key], *, plain: bool = False) -> Shaped:
        """Rows of these records; new fields become columns first. The arguments are those of `Shaper.shape`."""
        shaped = self._shaper.shape(owners, records, keys, plain=plain)
        if shaped.unknown:
            self._widen(records)
            shaped = self._shaper.shape(owners, records, keys, plain=plain)
        return shaped

    def _widen(self, records: Sequence[Record]) -> None:
        with self._lock:
            additions = self._shaper.additions(records)
            if not additions:
                return
            layout = self._widening.store.widen(self._shaper.layout, additions, self._widening.run_id)
            new = [".".join(addition.path) for addition in additions]
            _log.info("new fields became columns", resource=layout.resource, fields=new)
            self._layouts[layout.resource] = layout
            self._shaper = Shaper(layout, self._widening.labels)
            self._recipe = None
