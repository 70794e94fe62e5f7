"""The recipes of well-known lists; a handful of made-up records for the others."""

from __future__ import annotations

from syncd.sandbox.catalog import Entry
from syncd.sandbox.directory import DIRECTORY
from syncd.sandbox.field import FIELD
from syncd.sandbox.financials import FINANCIALS
from syncd.sandbox.recipe import Recipe

_FEW = Recipe()
_TABLE = DIRECTORY | FIELD | FINANCIALS


def recipe_of(entry: Entry) -> Recipe:
    """The recipe of a list."""
    return _TABLE.get(entry.name, _FEW)
