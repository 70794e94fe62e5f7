"""Leases: who may run a job, and a fencing number so that nobody else writes for it."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, and_, insert, select, update

from syncd.errors import JobBusy, LeaseLost
from syncd.storage import tables as own
from syncd.storage.database import Database, Now

_PROC = Path("/proc")
_OF_JOBS = "job:"


@dataclass(frozen=True, slots=True)
class Process:
    """A process, told from every other one that has or had its number.

    Attributes:
        host: Name of its machine.
        pid: Its number.
        world: Boot of the kernel and namespace that the number belongs to; empty where the system does not say.
        started: When it started, in ticks since the boot; empty where the system does not say.
    """

    host: str
    pid: int
    world: str
    started: str

    @classmethod
    def own(cls) -> Process:
        """This one."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, _world(), _started(pid) or "")

    def has_ended(self) -> bool:
        """Whether it surely runs no more; False where this process cannot know."""
        if self.host != socket.gethostname() or not self.world or self.world != _world() or not self.started:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # somebody else's: it exists
        started = _started(self.pid)
        return started is not None and started != self.started


def _world() -> str:
    """The boot and the process namespace: only where both are the same does a number mean the same process."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When a process started; empty for one that ended and waits for its parent, None where that cannot be read."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name, in parentheses, may hold anything; the state follows it, and the start is the 22nd field.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


class SqlLease:
    """A row of `syncd_locks`: whose, until when, and the fencing number that grows with every owner.

    A job's lease ends with its process where that is known to have ended: a restart need not wait. Every other lease
    runs out, because it guards an exchange of tokens that the other side may still be busy with.

    Args:
        database: Where.
        now: The wall clock, UTC.
        name: What it is for.
        seconds: After which it runs out, unless it is renewed.
        given_up: Owners of this process that gave up a lease which the database, away at that moment, still shows: no
            reason to wait.

    Raises:
        JobBusy: Somebody else has it.
    """

    def __init__(self, database: Database, now: Now, name: str, seconds: float, given_up: set[str]) -> None:
        self.name = name
        self._database = database
        self._now = now
        self._seconds = seconds
        self._given_up = given_up
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
            process = Process.own()
            values = {
                "owner": self._owner,
                "host": process.host,
                "pid": process.pid,
                "world": process.world,
                "started": process.started,
                "acquired_at": now,
                "expires_at": self._expiry(now),
            }
            if held is None:
                connection.execute(insert(locks).values(name=self.name, fence=1, **values))
                return 1
            died = self.name.startswith(_OF_JOBS) and Process(held.host, held.pid, held.world, held.started).has_ended()
            ended = held.owner in self._given_up or died
            if held.owner and held.expires_at > now and not ended:
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
        """Give it up; harmless when it is lost. Where the database is away, this process knows it nevertheless."""
        locks = own.locks
        self._given_up.add(self._owner)
        with self._database.write() as connection:
            mine = and_(locks.c.name == self.name, locks.c.owner == self._owner, locks.c.fence == self.fence)
            connection.execute(update(locks).where(mine).values(owner=""))
        self._given_up.discard(self._owner)


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
