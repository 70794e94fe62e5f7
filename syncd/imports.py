"""Imports of libraries without what they take along where it is installed, and syncd does not need of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(name: str) -> Iterator[None]:
    """Import what follows as if a package were not installed; one that is imported already stays.

    Args:
        name: The package.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # how Python is told that there is none
    try:
        yield
    finally:
        del sys.modules[name]
