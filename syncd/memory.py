"""Memory that is used for a while and not for long: given back to the system, where its C library can do that."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_ARENA_MAX = -8
"""Of mallopt(3), as glibc numbers it."""
_ARENAS = 1
"""Heaps that threads share. Each thread of a run would get its own, and leave it scattered with what lives on."""


def share_heaps() -> None:
    """Let all threads use one heap; to be called before there are threads."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Collect garbage, and return what is free to the system."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
