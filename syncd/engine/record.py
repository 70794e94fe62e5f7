"""A run on record: leased, opened, closed with its report, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog
from structlog.contextvars import bound_contextvars

from syncd.engine.ports import Clock, Lease, Store
from syncd.engine.resume import goes_on
from syncd.errors import Stopped, SyncdError
from syncd.model import Counts, RunRecord, RunReport, Status
from syncd.threads import background

_log = structlog.get_logger(__name__)

_LEASE_SECONDS = 60.0


def recorded(
    store: Store,
    record: RunRecord,
    clock: Clock,
    work: Callable[[Lease, RunRecord], RunReport],
    *,
    may_resume: bool = True,
) -> RunReport:
    """Execute a job once, on record, while no other process does.

    Args:
        store: Where runs and leases stand.
        record: The run as it is asked for.
        clock: For the time of its end.
        work: Does it, under the lease; is given the run as it was opened.
        may_resume: Whether it may go on where an interrupted run stopped.

    Raises:
        JobBusy: Another process runs this job; nothing was recorded.
        StoreError: The run could not be opened or closed.
    """
    lease = store.lease(f"job:{record.job}", _LEASE_SECONDS)
    try:
        record = _opened(store, record, may_resume=may_resume)
        with bound_contextvars(job=record.job, run_id=record.id):
            report = _worked(store, record, clock, lease, work)
        store.close_run(report)
    finally:
        lease.release()
    return report


def _worked(
    store: Store, record: RunRecord, clock: Clock, lease: Lease, work: Callable[[Lease, RunRecord], RunReport]
) -> RunReport:
    heart = _Heart(store, lease, record.id, _LEASE_SECONDS / 4)
    heart.start()
    try:
        return work(lease, record)
    except SyncdError as error:
        return _failed(record, clock, error)
    except Exception as error:  # noqa: BLE001 - a job type of somebody else's must not end the daemon
        _log.exception("a job ended with an unexpected error")
        why = SyncdError(f"Job {record.job} crashed ({type(error).__name__}: {error}).", "The log has the details.")
        return _failed(record, clock, why)
    finally:
        heart.stop()


def _opened(store: Store, record: RunRecord, *, may_resume: bool) -> RunRecord:
    found = store.interrupted(record.job, record.principal) if may_resume else None
    if found is not None and goes_on(found, record.started_at):
        record = replace(record, resumes=found.origin)
    store.open_run(record)
    if found is not None and found.read and record.resumes is not None:
        _log.info(
            f"goes on where run {found.run_id} stopped: {found.read:,} partitions are already read",
            job=record.job,
            run_id=record.id,
        )
    return record


def _failed(record: RunRecord, clock: Clock, error: SyncdError) -> RunReport:
    stopped = isinstance(error, Stopped)
    return RunReport(
        job=record.job,
        run_id=record.id,
        status=Status.PARTIAL if stopped else Status.FAILED,
        started_at=record.started_at,
        finished_at=clock.now(),
        requests=0,
        rows=Counts(),
        resources=(),
        exit_code=3 if stopped else error.exit_code,
        error=error.message,
        remedy=error.remedy,
    )


class _Heart:
    """Renews a lease while a run lasts, and says that it lives; a lease that is lost shows at the next commit."""

    def __init__(self, store: Store, lease: Lease, run_id: str, seconds: float) -> None:
        self._store = store
        self._lease = lease
        self._run_id = run_id
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = background("lease", self._beat)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._lease.renew()
                self._store.beat(self._run_id)
            except SyncdError as error:
                _log.warning("the lease could not be renewed", lease=self._lease.name, error=str(error))
