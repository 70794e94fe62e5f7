"""APScheduler as a timer and nothing else: what is due is found out when it has rung."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger


class Timer:
    """Rings at a moment, late rather than never.

    Args:
        ring: Called in another thread; returns at once.
    """

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 8}
        )
        self._scheduler.start()

    def at(self, moment: datetime) -> None:
        """Ring then, instead of at the moment that was asked for before."""
        self._scheduler.add_job(self._ring, DateTrigger(moment), id="ring", replace_existing=True)

    def stop(self) -> None:
        """Ring no more."""
        self._scheduler.shutdown(wait=False)
