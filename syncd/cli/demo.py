"""`syncd demo`: the whole path against the bundled sandbox, ending in tables to look at."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from syncd.app import App

_SETTINGS = """\
# Written by `syncd demo`: the sandbox in place of Procore.
procore:
  environment: custom
  login_url: {url}
  api_url: {url}
  client_id: demo
  client_secret: demo
database:
  url: sqlite:///syncd.db
jobs: jobs/*.yaml
"""
_JOB = """\
name: demo
company: 4266
projects: all
resources: [tier1]
"""

QUERIES = {
    "Overdue RFIs by ball in court": """\
SELECT ball_in_court_name AS ball_in_court, COUNT(*) AS overdue,
       CAST(MAX(julianday('now') - julianday(due_date)) AS INTEGER) AS oldest_days
FROM rfis
WHERE status = 'open' AND due_date < date('now') AND _syncd_deleted_at IS NULL
GROUP BY 1 ORDER BY overdue DESC, oldest_days DESC LIMIT 8""",
    "Commitments against budget by cost code": """\
WITH budget AS (
  SELECT project_id, cost_code_id, MAX(cost_code) AS cost_code, SUM(original_budget_amount) AS budget
  FROM budget_detail_rows WHERE _syncd_deleted_at IS NULL GROUP BY 1, 2),
committed AS (
  SELECT project_id, cost_code_id, SUM(amount) AS committed FROM (
    SELECT project_id, cost_code_id, amount FROM work_order_contract_line_items WHERE _syncd_deleted_at IS NULL
    UNION ALL
    SELECT project_id, cost_code_id, amount FROM purchase_order_contract_line_items WHERE _syncd_deleted_at IS NULL)
  GROUP BY 1, 2)
SELECT cost_code, ROUND(SUM(budget)) AS budget, ROUND(SUM(committed)) AS committed,
       ROUND(100 * SUM(committed) / SUM(budget)) AS percent
FROM budget JOIN committed USING (project_id, cost_code_id)
GROUP BY 1 HAVING SUM(budget) > 0 ORDER BY percent DESC LIMIT 8""",
    "Manpower hours per week": """\
SELECT date(date, 'weekday 0', '-6 days') AS week, SUM(num_workers) AS workers,
       ROUND(SUM(num_workers * num_hours)) AS hours
FROM manpower_logs WHERE _syncd_deleted_at IS NULL
GROUP BY 1 ORDER BY 1 DESC LIMIT 8""",
}
"""What a construction analyst asks first."""


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", help="Where configuration and database are written, anew each time.")
    ] = Path("demo"),
) -> None:
    """Start the bundled Procore sandbox, sync it into a fresh SQLite file, and show what arrived. No account needed."""
    from syncd.app import App, Kit, read_configuration
    from syncd.auth.secret import Redactor
    from syncd.cli.output import print_line
    from syncd.cli.progress import progress_for
    from syncd.clock import SystemClock
    from syncd.jobs.protocol import Request
    from syncd.jobs.registry import Registry

    with _sandbox() as url:
        path = _written(folder, url)
        registry = Registry.installed()
        configuration, catalog = read_configuration(path, {}, registry)
        app = App(configuration, catalog, Kit(SystemClock(), Redactor(), registry))
        try:
            app.prepare()
            print_line(f"A Procore sandbox answers at {url}; syncing its tier 1 resources into {folder / 'syncd.db'}.")
            with progress_for() as progress:
                report = app.run_job("demo", Request(interactive=True), trigger="manual", progress=progress)
            seconds = (report.finished_at - report.started_at).total_seconds()
            _summary(app, report.requests, seconds)
            for title, query in QUERIES.items():
                _show(app, title, query)
            print_line()
            print_line("A second run reads only what changed:")
            again = app.run_job("demo", Request(interactive=True), trigger="manual")
            rows = again.rows
            print_line(
                f"  {again.requests:,} requests, {rows.read:,} records read, {rows.inserted + rows.updated + rows.deleted:,} "
                f"written, {rows.unchanged:,} found unchanged, in {(again.finished_at - again.started_at).total_seconds():.1f} s."
            )
            print_line()
            print_line(f"The database: {(folder / 'syncd.db').absolute()}")
            print_line(f"Look around:  sqlite3 {folder / 'syncd.db'}, or any SQL tool. Next: syncd init config")
        finally:
            app.close()
    raise typer.Exit(max(report.exit_code, again.exit_code))


@contextmanager
def _sandbox() -> Iterator[str]:
    """The sandbox in a process of its own."""
    from syncd.errors import SyncdError

    command = [sys.executable, "-m", "syncd", "sandbox", "--port", "0", "--spike", "5000", "--hourly", "360000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            if not url:
                raise SyncdError("The sandbox did not start.", "Try it alone: syncd sandbox --port 0")
            yield url
        finally:
            process.terminate()


def _written(folder: Path, url: str) -> Path:
    from syncd.errors import ConfigError, SyncdError

    path = folder / "syncd.yaml"
    try:
        if folder.exists() and any(folder.iterdir()) and not (path.is_file() and "syncd demo" in path.read_text()):
            raise ConfigError(f"The folder {folder} holds something else.", "Choose another one with --folder.")
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "jobs").mkdir(parents=True)
        path.write_text(_SETTINGS.format(url=url))
        (folder / "jobs" / "demo.yaml").write_text(_JOB)
    except OSError as error:
        raise SyncdError(
            f"{folder} cannot be written: {error.strerror}.", "Choose another folder with --folder."
        ) from None
    return path


def _summary(app: App, requests: int, seconds: float) -> None:
    from syncd.cli.output import print_line, print_table

    counts = app.views.table_counts()
    filled = {name: count for name, count in counts.items() if count}
    print_line()
    largest = sorted(filled.items(), key=lambda item: -item[1])[:12]
    print_table(
        ["table", "rows"], [[name, f"{count:,}"] for name, count in largest], numeric=(1,), title="Largest tables"
    )
    quota = "; ".join(
        f"{one.limit - one.remaining:,} of {one.limit:,} per {one.name}" for one in app.views.overview().quota
    )
    roots = [name for name in app.catalog.select(["tier1"]) if counts.get(name)]
    print_line(
        f"{len(roots)} resources in {len(filled)} tables, {sum(filled.values()):,} rows; {requests:,} requests in {seconds:.1f} s "
        f"({requests / max(seconds, 0.1):.0f} per second). Quota used: {quota or 'none reported'}."
    )


def _show(app: App, title: str, query: str) -> None:
    from syncd.cli.output import print_line, print_table

    with app.database.read() as connection:
        result = connection.exec_driver_sql(query)
        columns = list(result.keys())
        rows = [["" if value is None else _cell(value) for value in row] for row in result]
    print_line()
    for line in query.splitlines():
        print_line(f"    {line}", style="dim")
    print_table(columns, rows, numeric=range(1, len(columns)), title=title)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
