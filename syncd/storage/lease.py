"""Leases: who may run a job, and a fencing number so that nobody else writes for it."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, and_, insert, select, update

from syncd.errors import JobBusy, LeaseLost
from syncd.storage import tables as own
from syncd.storage.database import Database, Now


class SqlLease:
    """A row of `syncd_locks`: whose, until when, and the fencing number that grows with every owner.

    Raises:
        JobBusy: Somebody else has it.
    """

    def __init__(self, database: Database, now: Now, name: str, seconds: float) -> None:
        self.name = name
        self._database = database
        self._now = now
        self._seconds = seconds
        self._owner = uuid.uuid4().hex
        self.fence = self._acquire()

    def _expiry(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._seconds)

    def _acquire(self) -> int:
        locks = own.locks
        with self._database.write() as connection:
            now = self._now()
            query = select(locks).where(locks.c.name == self.name).with_for_update()
            held = connection.execute(query).first()
            values = {
                "owner": self._owner,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "acquired_at": now,
                "expires_at": self._expiry(now),
            }
            if held is None:
                connection.execute(insert(locks).values(name=self.name, fence=1, **values))
                return 1
            if held.owner and held.expires_at > now:
                what = self.name.partition(":")[2] or self.name
                raise JobBusy(
                    f"Job {what} is already run by process {held.pid} on {held.host}, since {held.acquired_at:%Y-%m-%d %H:%M:%S} UTC.",
                    "Wait until it ends, or stop that process.",
                )
            connection.execute(update(locks).where(locks.c.name == self.name).values(fence=held.fence + 1, **values))
            return int(held.fence) + 1

    def renew(self) -> None:
        """Extend it."""
        with self._database.write() as connection:
            check_fence(connection, self)
            expiry = self._expiry(self._now())
            connection.execute(update(own.locks).where(own.locks.c.name == self.name).values(expires_at=expiry))

    def release(self) -> None:
        """Give it up; harmless when it is lost."""
        locks = own.locks
        with self._database.write() as connection:
            mine = and_(locks.c.name == self.name, locks.c.owner == self._owner, locks.c.fence == self.fence)
            connection.execute(update(locks).where(mine).values(owner=""))


class Fenced(Protocol):
    """A lease, by its name and fencing number."""

    name: str
    fence: int


def check_fence(connection: Connection, lease: Fenced) -> None:
    """Refuse to write for an owner that was replaced; holds the row until the transaction ends.

    Raises:
        LeaseLost: Another owner has it.
    """
    locks = own.locks
    query = select(locks.c.owner, locks.c.fence).where(locks.c.name == lease.name).with_for_update()
    held = connection.execute(query).first()
    if held is None or not held.owner or held.fence != lease.fence:
        raise LeaseLost(
            f"Another process has taken over {lease.name.partition(':')[2] or lease.name}: nothing more was written.",
            "Look which process runs it now: syncd status.",
        )
