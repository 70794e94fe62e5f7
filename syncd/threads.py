"""Threads that log as the one that made them: with its run, job, resource and project on each line."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


def background(name: str, work: Callable[..., object], *args: object) -> threading.Thread:
    """A thread, not yet begun, that does not keep the process alive.

    Args:
        name: Its name.
        work: What it does.
        args: For `work`.
    """
    context = contextvars.copy_context()
    return threading.Thread(target=context.run, args=(work, *args), name=name, daemon=True)
