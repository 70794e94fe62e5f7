"""What a command costs: wall, CPU and memory of it and of all processes that it starts."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_INTERVAL = 0.1
_KIB = 1024


@dataclass(frozen=True)
class Cost:
    """What one execution cost.

    Attributes:
        wall: Seconds from start to end, the interpreter's start included.
        cpu: Seconds of user and system time, of the process and of those that it started and waited for.
        memory: Bytes that all its processes held at the same time, at most: the larger of what was seen in samples
            (proportional set size) and of what the kernel says of the largest of them (resident set size).
        output: What it wrote to stdout.
        errors: What it wrote to stderr.
        code: Exit code.
    """

    wall: float
    cpu: float
    memory: int
    output: str
    errors: str
    code: int


def run(command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> Cost:
    """Execute a command in a folder, and measure it."""
    out, err = folder / "stdout.txt", folder / "stderr.txt"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, cwd=folder, env={**os.environ, **(environ or {})}
        )
        watch = _Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.stop()
    return Cost(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=max(watch.peak, usage.ru_maxrss * _KIB),
        output=out.read_text(),
        errors=err.read_text(),
        code=process.returncode,
    )


def spent(pid: int) -> float:
    """Seconds of user and system time of a process, its descendants, and those of them that have ended."""
    ticks = 0
    for one in _tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


class _Watch(threading.Thread):
    """Looks at the memory of a process and its descendants, again and again."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.peak = 0

    def run(self) -> None:
        """Look until stopped."""
        while not self._over.wait(_INTERVAL):
            pids = _tree(self._pid)
            if len(pids) > 1:  # of a single process the kernel itself knows the peak
                self.peak = max(self.peak, sum(map(_held, pids)))

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()


def _tree(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found, queue = set(), [pid]
    while queue:
        one = queue.pop()
        found.add(one)
        queue += children.get(one, [])
    return found


def _held(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIB
    except OSError:
        pass
    return 0
