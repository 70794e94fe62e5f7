"""How a command ends: errors become a sentence on stderr and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from syncd.errors import SyncdError

INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C, as shells have it: 128 and the signal's number."""

_CONTROLS = dict.fromkeys((*range(10), *range(11, 32), *range(127, 160)), " ")
_PACKAGE = Path(__file__).resolve().parents[1]


def ended(command: Callable[[], object], *, verbose: bool = False) -> int:
    """Execute a command to its end.

    Args:
        command: May raise whatever it likes.
        verbose: Log the traceback of an error too.

    Returns:
        The process's exit code.
    """
    code = _code_of(command, verbose=verbose)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        say(f"The output cannot be written: {error.strerror}.")
        discard_stdout()
        return code or 1
    return code


def _code_of(command: Callable[[], object], *, verbose: bool) -> int:
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except SyncdError as error:
        _log(error, verbose=verbose)
        say(error.message, error.remedy)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_stdout()
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends here and in words
        _log(error, verbose=verbose)
        say(
            f"syncd failed in a way it does not know: {type(error).__name__} in {_place(error)}.",
            "This is a fault of syncd. Please report it to its maintainers, with what the same command prints with --verbose.",
        )
        return 1
    return 0


def say(message: str, remedy: str = "") -> None:
    """An error's sentences on stderr, the remedy on a line of its own."""
    color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    label = "\x1b[1;31merror:\x1b[0m" if color else "error:"
    lines = message.translate(_CONTROLS).splitlines()
    text = f"{label} {lines[0]}\n" if len(lines) == 1 else "".join(f"{label} {line}\n" for line in lines)
    sys.stderr.write(text)
    if remedy:
        sys.stderr.write(f"{remedy.translate(_CONTROLS)}\n")


def _log(error: Exception, *, verbose: bool) -> None:
    if verbose:
        import structlog

        structlog.get_logger("syncd").debug("the command failed", exc_info=error)


def _place(error: Exception) -> str:
    """The innermost line of syncd's own code that the error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    if not own:
        return "unknown code"
    path = Path(own[-1].filename)
    shown = path.relative_to(_PACKAGE.parent) if path.is_relative_to(_PACKAGE) else path.name
    return f"{shown}:{own[-1].lineno}"


def discard_stdout() -> None:
    """Point stdout elsewhere, so that the interpreter does not fail at it once more when it ends."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
