"""The tools that are compared: how each is installed, started, and where it leaves its rows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dataset import COMPANY, RESOURCES

HERE = Path(__file__).parent
_CONFIG = """\
procore:
  environment: custom
  login_url: {api}
  api_url: {api}
  client_id: demo
  client_secret: demo
  quota_share: 1
database:
  url: {database}
jobs: jobs/*.yaml
"""
_JOB = """\
name: bench
type: resources
company: {company}
projects: all
resources: [projects, {resources}]
"""


@dataclass(frozen=True)
class Target:
    """A database, for one tool alone.

    Attributes:
        kind: postgresql or sqlite.
        url: SQLAlchemy URL.
        folder: Where the tool works.
    """

    kind: str
    url: str
    folder: Path


class Runner(Protocol):
    """A tool that syncs once per execution."""

    name: str

    def install(self) -> None:
        """Make its environment."""

    def prepare(self, api: str, target: Target) -> None:
        """Write the files that it needs."""

    def command(self, api: str, target: Target) -> Sequence[str]:
        """What is executed for each sync."""

    def tables(self, target: Target) -> tuple[str, str | None, str]:
        """URL and schema of the tables, and what joins a child table's name to its parent's."""

    def trouble(self, output: str, phase: str) -> str | None:
        """What is wrong with what it wrote to stdout, if anything."""


class Syncd:
    """The real command with a configuration."""

    name = "syncd"

    def install(self) -> None:
        """It is what this environment holds."""

    def prepare(self, api: str, target: Target) -> None:
        """A configuration with one job."""
        (target.folder / "jobs").mkdir()
        (target.folder / "syncd.yaml").write_text(_CONFIG.format(api=api, database=target.url))
        job = _JOB.format(company=COMPANY, resources=", ".join(RESOURCES))
        (target.folder / "jobs" / "bench.yaml").write_text(job)

    def command(self, api: str, target: Target) -> Sequence[str]:  # noqa: ARG002 - the configuration says it
        """As an operator would."""
        config = str(target.folder / "syncd.yaml")
        return [str(Path(sys.executable).with_name("syncd")), "sync", "bench", "--json", "--config", config]

    def tables(self, target: Target) -> tuple[str, str | None, str]:
        """Beside its own."""
        return target.url, "procore" if target.kind == "postgresql" else None, "_"

    def trouble(self, output: str, phase: str) -> str | None:
        """Its report: all of it worked, and nothing was written where nothing had changed."""
        run = json.loads(output)["runs"][0]
        if run["status"] != "ok":
            return f"status {run['status']}: {[one['error'] for one in run['resources']]}"
        written = {key: run["rows"][key] for key in ("inserted", "updated", "deleted")}
        return f"rows written: {written}" if phase.startswith("nothing") and any(written.values()) else None


class Script:
    """A script of this folder in an environment of its own.

    Args:
        name: How it is called.
        script: File.
        environment: Name of its environment and its requirements file.
    """

    def __init__(self, name: str, script: str, environment: str) -> None:
        self.name = name
        self._script = HERE / script
        self._environment = HERE / ".venvs" / environment
        self._requirements = HERE / f"requirements-{environment}.txt"

    def install(self) -> None:
        """Make its environment, where it is not there or older than its requirements."""
        stamp = self._environment / ".installed"
        if stamp.exists() and stamp.stat().st_mtime >= self._requirements.stat().st_mtime:
            return
        print(f"installing {self._requirements.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(self._environment)], check=True)
        pip = [str(self._environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", "--requirement", str(self._requirements)], check=True)
        stamp.touch()

    def prepare(self, api: str, target: Target) -> None:
        """It needs nothing."""

    def command(self, api: str, target: Target) -> Sequence[str]:
        """Where from and where to."""
        return [str(self._environment / "bin" / "python"), str(self._script), api, target.url]

    def tables(self, target: Target) -> tuple[str, str | None, str]:
        """As named in `tables.py`."""
        return target.url, None, "_"

    def trouble(self, output: str, phase: str) -> str | None:  # noqa: ARG002 - scripts report nothing
        """An exit code is all that it has to say."""
        return None


class Dlt(Script):
    """dlt, whose tables stand in a dataset of their own."""

    def tables(self, target: Target) -> tuple[str, str | None, str]:
        """As dlt names them."""
        return target.url, "bench" if target.kind == "postgresql" else None, "__"


RUNNERS: dict[str, Runner] = {
    runner.name: runner
    for runner in (
        Syncd(),
        Dlt("dlt", "dlt_peer.py", "dlt"),
        Script("plain", "plain.py", "plain"),
        Script("floor", "floor.py", "plain"),
    )
}
