"""What was said on the command line besides the command: which configuration, and how much to log."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    import typer

    from syncd.config.settings import LogSettings, Settings

LogFormat = Literal["auto", "console", "json", "logfmt"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that every command has.

    Attributes:
        config: `--config`, a file or a folder, or None.
        verbose: Log debugging lines, tracebacks included.
        log_format: `--log-format`, or None: as configured.
        environ: The environment; nothing below the command line reads it by itself.
    """

    config: Path | None = None
    verbose: bool = False
    log_format: LogFormat | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @classmethod
    def of(cls, context: typer.Context) -> Invocation:
        """That of a command's context."""
        return cast(Invocation, context.find_object(cls) or cls())

    def configuration_file(self) -> Path:
        """The file `syncd.yaml` that is meant.

        Raises:
            ConfigError: There is none.
        """
        from syncd.config.folders import find_configuration

        return find_configuration(self.config, self.environ)

    def settings(self) -> Settings:
        """`syncd.yaml` alone, without the jobs; logging follows it from here on.

        Raises:
            ConfigError: It is not there, or wrong.
        """
        from syncd.config.load import load_settings

        settings = load_settings(self.configuration_file(), self.environ)
        self.start_logging(settings.log)
        return settings

    def start_logging(self, settings: LogSettings | None = None, redact: Any = None) -> None:
        """Set logging up: flags win over settings, settings over defaults.

        Args:
            settings: The section `log`, once it is known.
            redact: Takes secrets out of every line; None: one that knows how secrets look, but none by heart.
        """
        from syncd import log
        from syncd.auth.secret import Redactor

        log.configure(
            "debug" if self.verbose else settings.level if settings else "info",
            self.log_format or (settings.format if settings else "auto"),
            color=not self.environ.get("NO_COLOR"),
            redact=redact or Redactor(),
        )
