"""Helpers without processes: what a page is made ready of passes through the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from syncd.engine.prepare import Prepared, Preparer, Recipe
from syncd.helpers.process import dumps, loads
from syncd.model import Partition, Reader


def read(records: Sequence[Any], reader: Reader | None) -> Sequence[Any]:
    """A page's records as a source gives them: read by the reader where it can."""
    made = None if reader is None else reader(json.dumps(records).encode())
    return records if made is None else made


class Beside:
    """An `Assistance` that works in the caller's place."""

    def __init__(self) -> None:
        self.made = 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        yield

    def prepare(self, recipe: Recipe, partition: Partition, text: bytes, seam: str) -> Prepared | None:
        try:
            parts = Preparer(recipe).prepare(partition, text, seam)
        except (ValueError, KeyError, TypeError):
            return None
        if parts is None:
            return None
        self.made += 1
        return loads(bytearray(dumps(parts)), text)
