"""Make the pictures in `docs/`: two weeks of a simulated company, looked at in a real browser and in a terminal.

Usage::

    python tools/screenshots.py [FOLDER]

It needs Chromium (Debian: `apt-get install chromium`), and no network.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import browser
import httpx
import structlog
from rich.console import Console
from rich.text import Text

from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.cli.status import show
from syncd.daemon.http import StatusServer
from syncd.errors import SyncdError
from syncd.jobs.protocol import Request
from syncd.jobs.registry import Registry
from syncd.sandbox.server import Sandbox

DAYS = 14
WIDTH = 116
"""Of the terminal, in characters."""

SETTINGS = """\
procore: {environment: custom, login_url: "http://127.0.0.1:8900", api_url: "http://127.0.0.1:8900", client_id: demo, client_secret: demo}
database: {url: "sqlite:///syncd.db"}
"""
JOBS = {
    "field": """\
name: field
company: 4266
projects: active
resources: [projects, company_users, vendors, rfis, submittals, punch_items, meetings, observations]
schedule: {every: 2h}
freshness: 3h
""",
    "financials": """\
name: financials
company: 4266
projects: all
resources: [prime_contracts, commitment_contracts, change_events, requisitions, budget_views, budget_detail_rows, direct_costs]
schedule: {cron: "5 2 * * *", timezone: America/Los_Angeles}
freshness: 2d
""",
    "daily-logs": """\
name: daily-logs
company: 4266
projects: active
resources: [manpower_logs, notes_logs, weather_logs, equipment_logs, delay_logs]
schedule: {every: 6h}
logs_from: 30d
logs_lookback: 7d
""",
    "as-alice": """\
name: as-alice
as_user: alice
company: 4266
projects: active
resources: [rfis]
""",
}


class MovingClock:
    """A clock that is set, and that sleeping moves.

    Args:
        start: The time at first.
    """

    def __init__(self, start: datetime) -> None:
        self.time = start

    def __call__(self) -> float:
        """Unix seconds, for the sandbox. A request takes a moment."""
        self.time += timedelta(milliseconds=1)
        return self.time.timestamp()

    def now(self) -> datetime:
        """The wall clock, UTC, aware."""
        return self.time

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        """Move."""
        self.time += timedelta(seconds=seconds)

    def stopping(self) -> bool:
        """Never."""
        return False


class Company:
    """Two weeks of jobs against the sandbox, with what goes wrong in two weeks.

    Args:
        folder: For configuration and database.
        end: When the two weeks end.
    """

    def __init__(self, folder: Path, end: datetime) -> None:
        self._end = end
        self.clock = MovingClock(end - timedelta(days=DAYS))
        quota = ((3_600, 3600.0), (100, 10.0))
        self.box = Sandbox(seed=11, projects=6, scale=0.15, clock=self.clock, quota=quota)
        (folder / "jobs").mkdir(parents=True)
        (folder / "syncd.yaml").write_text(SETTINGS)
        for name, text in JOBS.items():
            (folder / "jobs" / f"{name}.yaml").write_text(text)
        registry = Registry.installed()
        configuration, catalog = read_configuration(folder / "syncd.yaml", {}, registry)
        transport = httpx.WSGITransport(app=self.box.wsgi)
        self.app = App(configuration, catalog, Kit(self.clock, Redactor(), registry), transport)
        self.app.prepare()

    def live(self) -> None:
        """Let the two weeks pass."""
        start = self._end - timedelta(days=DAYS)
        for hour in range(DAYS * 24):
            at = start + timedelta(hours=hour, minutes=5)
            if at.hour % 2 == 0:
                self._run("field", at)
            if at.hour % 6 == 1:
                self._run("daily-logs", at)
            if at.hour == 10:  # noqa: PLR2004 - 2 in the morning in Los Angeles
                self._run("financials", at)
            self._trouble(DAYS - hour // 24, at.hour)
            self.box.stir(3)
        self._run("as-alice", self._end - timedelta(minutes=50))
        self.clock.time = self._end

    def _run(self, job: str, at: datetime) -> None:
        self.clock.time = max(self.clock.time, at)
        try:
            report = self.app.run_job(job, Request(interactive=False), trigger="schedule", due_at=at)
        except SyncdError as error:
            print(f"{at:%d %H:%M} {job}: {error}")
            return
        if report.status != "ok":
            print(f"{at:%d %H:%M} {job}: {report.status}: {report.error or ''}")

    def _trouble(self, days_left: int, hour: int) -> None:
        """What goes wrong and comes right again."""
        project = self.box.active_projects[0]
        match days_left, hour:
            case 11, 3:
                self.box.fault("status", status=503, path="GET /rest/")
            case 11, 12:
                self.box.faults.clear()
            case 8, 9:
                self.box.fault("status", status=500, path="contracts")
            case 8, 12:
                self.box.faults.clear()
            case 6, 0:
                self.box.refuse("submittals", project)
            case 5, 2:
                self.box.grant()
            case 2, 20:
                self.box.refuse("manpower_logs", project, message="User does not have access to this tool")
            case _:
                return


def pictures(program: str, url: str, folder: Path) -> None:
    """The status page on a desk and on a phone.

    Args:
        program: The browser.
        url: The page.
        folder: For the files.
    """
    with browser.opened(program) as tab:
        for name, width, scheme, scale in (("desktop", 1240, "light", 1.5), ("phone", 375, "dark", 2.0)):
            tab.open(url, width, scheme=scheme, scale=scale)
            file = folder / f"status-{name}.png"
            file.write_bytes(tab.picture())
            print(file)


def terminal(app: App, file: Path) -> None:
    """`syncd status` as a terminal shows it.

    Args:
        app: Whose.
        file: An SVG.
    """
    master, slave = os.openpty()
    pieces: list[bytes] = []
    reader = threading.Thread(target=lambda: pieces.extend(iter(lambda: _read(master), b"")), daemon=True)
    reader.start()
    with open(slave, "w", encoding="utf-8") as screen, contextlib.redirect_stdout(screen):  # noqa: PTH123 - a descriptor
        show(app, app.views.overview())
    reader.join()
    os.close(master)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(b"".join(pieces).decode().replace("\r\n", "\n")))
    file.write_text(console.export_svg(title="syncd status"))
    print(file)


def _read(descriptor: int) -> bytes:
    """What a terminal was sent; nothing once its other side is closed."""
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""


def main(arguments: Sequence[str]) -> None:
    """Make all pictures."""
    folder = Path(arguments[0] if arguments else "docs").absolute()
    program = browser.find()
    if program is None:
        sys.exit("There is no Chromium here. On Debian: apt-get install chromium")
    folder.mkdir(exist_ok=True)
    os.environ |= {"COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with tempfile.TemporaryDirectory() as scratch:
        company = Company(Path(scratch) / "syncd", now)
        company.live()
        server = StatusServer("127.0.0.1", 0, company.app.views, lambda: (True, ""))
        server.start()
        try:
            pictures(program, server.url, folder)
        finally:
            server.stop()
        terminal(company.app, folder / "status-terminal.svg")
        company.app.close()


if __name__ == "__main__":
    main(sys.argv[1:])
