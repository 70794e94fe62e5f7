"""The command line's entry point. Only the command that was asked for is imported."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from syncd import __version__
from syncd.cli.errors import ended
from syncd.cli.invocation import Invocation, LogFormat


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or a group of commands, that is imported when it is used.

    Attributes:
        target: `module:attribute` of a function, or of a Typer application.
        summary: What `syncd --help` says of it.
    """

    target: str
    summary: str


COMMANDS = {
    "demo": Command("syncd.cli.demo:demo", "See it work: the bundled sandbox into a fresh SQLite file."),
    "init": Command("syncd.cli.init:init", "Write a commented starter configuration."),
    "check": Command("syncd.cli.check:check", "Check configuration, credentials, database and permissions."),
    "run": Command("syncd.cli.run:run", "The daemon: schedule every job until SIGTERM."),
    "sync": Command("syncd.cli.sync:sync", "Run jobs now, once."),
    "status": Command("syncd.cli.status:status", "Show jobs, freshness, tokens and quota."),
    "plan": Command("syncd.cli.plan:plan", "Say what jobs will cost before they run."),
    "resources": Command("syncd.cli.resources:app", "List what can be synced, and show one with its columns."),
    "auth": Command("syncd.cli.auth:app", "Let users sign in, list them, sign them out, rotate the vault's key."),
    "purge": Command("syncd.cli.purge:purge", "Erase all trace of a company, a project or a person."),
    "db": Command("syncd.cli.db:app", "Look after syncd's own tables."),
    "install-service": Command("syncd.cli.install_service:install_service", "Write the systemd unit."),
    "sandbox": Command("syncd.cli.sandbox:sandbox", "Serve a look-alike of Procore on this machine."),
}
"""The commands, in the order of `syncd --help`."""

_VALUED = ("--config", "--log-format")
_FLAGS = ("--verbose", "-v")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Execute a command line and end the process.

    Args:
        argv: Words after the program's name; None: those of this process.
    """
    words = hoisted(sys.argv[1:] if argv is None else argv)
    _replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a locale must not end a command
    application = build(words)
    verbose = any(word in _FLAGS for word in words)
    code = ended(lambda: application(args=words, prog_name="syncd"), verbose=verbose)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    # Everything is closed by now. To take hundreds of modules apart before the end takes 50 ms more, and does no good.
    os._exit(code)


def _replace_closed_streams() -> None:
    """Put nothing in the place of standard streams that whoever started the program has closed.

    Their numbers are taken as well: the next file that is opened would get them, and whatever is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def hoisted(argv: Sequence[str]) -> list[str]:
    """The words with the options that every command has in front of the command, wherever they stood."""
    front: list[str] = []
    rest: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            return [*front, *rest, word, *words]
        if word in _FLAGS or word.startswith(tuple(f"{option}=" for option in _VALUED)):
            front.append(word)
        elif word in _VALUED:
            front += [word, *words[:1]]
            if not words:
                return front
            words.pop(0)
        else:
            rest.append(word)
    return [*front, *rest]


def build(words: Sequence[str]) -> typer.Typer:
    """The application, with the command that the words name in full and the others by their summary.

    Args:
        words: The command line, options in front.
    """
    application = typer.Typer(
        name="syncd",
        help="Keep a company's Procore data in a SQL database, correct and fresh.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich" if sys.stdout.isatty() else None,
        context_settings={"help_option_names": ["--help", "-h"]},
        epilog="Options of every command may stand before or after it. Exit codes: 0 all of it worked, 1 failed, "
        "2 usage or configuration, 3 some could not be synced, 4 consent is needed.",
    )
    application.callback()(_options)
    asked = _command_of(words)
    for name, command in COMMANDS.items():
        if name != asked:
            application.command(name, help=command.summary)(_unused)
            continue
        module, attribute = command.target.split(":")
        target: Any = getattr(importlib.import_module(module), attribute)
        if isinstance(target, typer.Typer):
            application.add_typer(target, name=name, help=command.summary)
        else:
            application.command(name)(target)
    return application


def _command_of(words: Sequence[str]) -> str | None:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _VALUED:
            skip = True
        elif not word.startswith("-"):
            return word
    return None


def _unused() -> None:
    """Stands for a command that was not asked for."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"syncd {__version__}")
        raise typer.Exit


def _options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="PATH", help="The file syncd.yaml, or its folder. Else SYNCD_CONFIG says."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log debugging lines and tracebacks to stderr.")
    ] = False,
    log_format: Annotated[
        LogFormat | None, typer.Option("--log-format", help="Form of the log on stderr, whatever is configured.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version
    invocation = Invocation(config, verbose, log_format, os.environ)
    context.obj = invocation
    invocation.start_logging()
