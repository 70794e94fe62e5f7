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

from support.commands import Command, parent
from syncd.app import App, Kit, read_configuration
from syncd.auth.secret import Redactor
from syncd.clock import SystemClock
from syncd.jobs.registry import Registry
from syncd.sandbox.server import Sandbox

QUOTA = ((360_000, 3600.0), (5_000, 10.0))
"""So generous that no test waits for it."""
Program = subprocess.Popen[str] | Command
"""A command under way."""
_PATIENCE = 120.0
"""Seconds after which a command is killed."""


def execute(
    *words: str, environ: Mapping[str, str], folder: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Execute a command to its end. Arguments as `begin`, and what it reads."""
    with begin(*words, environ=environ, folder=folder) as process:
        try:
            out, err = process.communicate(stdin, _PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(list(words), process.wait(), out, err)


def begin(
    *words: str, environ: Mapping[str, str], folder: Path | None = None, quiet: bool = False, anew: bool = False
) -> Program:
    """Begin a command.

    Args:
        words: After `syncd`.
        environ: All of its environment.
        folder: Where it works; None: here.
        quiet: Whether what it writes is not kept.
        anew: Whether Python itself is started, as it is anyway where it is to import from elsewhere than here, and
            on systems where a fork of a program with libraries is not safe.
    """
    if not anew and sys.platform == "linux" and environ.get("PYTHONPATH") == os.environ.get("PYTHONPATH"):
        return parent().start(words, environ, folder or Path.cwd(), quiet=quiet)
    output = subprocess.DEVNULL if quiet else subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", "syncd", *words],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        text=True,
        cwd=folder,
        env=environ,
    )


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
        return execute(*words, environ=self.environment(environ), stdin=stdin)

    def start(
        self, *words: str, environ: Mapping[str, str] | None = None, quiet: bool = False, anew: bool = False
    ) -> Program:
        """Begin a command; the rest as in `begin`."""
        return begin(*words, environ=self.environment(environ), quiet=quiet, anew=anew)

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
