"""The program as a process, with a configuration that points at a sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.clock import SystemClock
from syncd.jobs.registry import Registry
from syncd.sandbox.server import Sandbox

QUOTA = ((360_000, 3600.0), (5_000, 10.0))
"""So generous that no test waits for it."""


class Site:
    """A folder with a configuration.

    Args:
        folder: Where.
        box: The sandbox that it points at.
        database: The database's URL.
    """

    def __init__(self, folder: Path, box: Sandbox, database: str = "sqlite:///syncd.db") -> None:
        self.folder = folder
        self.box = box
        (folder / "jobs").mkdir(parents=True, exist_ok=True)
        self.settings: dict[str, Any] = {
            "procore": dict(box.settings()),
            "database": {"url": database},
            "jobs": "jobs/*.yaml",
        }
        self.write()

    def write(self) -> None:
        """Write `syncd.yaml`; JSON is YAML too."""
        (self.folder / "syncd.yaml").write_text(json.dumps(self.settings, indent=2))

    def job(self, name: str, **keys: Any) -> None:
        """Write a job."""
        defaults = {"name": name, "company": self.box.company_id, "projects": "all", "resources": ["rfis"]}
        (self.folder / "jobs" / f"{name}.yaml").write_text(json.dumps(defaults | keys, indent=2))

    def syncd(
        self, *words: str, environ: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Execute a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "syncd", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            input=stdin,
            env=self.environment(environ),
        )

    def start(
        self, *words: str, environ: Mapping[str, str] | None = None, quiet: bool = False
    ) -> subprocess.Popen[str]:
        """Begin a command; what a quiet one prints is not kept."""
        output = subprocess.DEVNULL if quiet else subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "syncd", *words],
            stdout=output,
            stderr=output,
            text=True,
            env=self.environment(environ),
        )

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a command: this one's, without what would lead it elsewhere."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PROCORE_", "SYNCD_"))}
        return clean | {"SYNCD_CONFIG": str(self.folder)} | dict(more or {})

    @contextmanager
    def app(self, given_up: set[str] | None = None) -> Iterator[App]:
        """The program in this process, its tables made.

        Args:
            given_up: As another program of this process left it.
        """
        registry = Registry.installed()
        configuration, catalog = read_configuration(self.folder / "syncd.yaml", {}, registry)
        app = App(
            configuration, catalog, Kit(SystemClock(), Redactor(), registry, set() if given_up is None else given_up)
        )
        try:
            app.prepare()
            yield app
        finally:
            app.close()
