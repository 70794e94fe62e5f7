"""The words of a command line, and how a command ends."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from syncd.cli.errors import ended, say
from syncd.cli.main import COMMANDS, hoisted
from syncd.errors import ConfigError, ConsentNeeded, StoreError, SyncdError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    """A stdout whose reader has gone, or whose disk is full."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sync field", "sync field"),
        ("--config c sync field", "--config c sync field"),
        ("sync --config c field", "--config c sync field"),
        ("sync field --config=c --full -v", "--config=c -v sync field --full"),
        ("auth login --config c alice --log-format json", "--config c --log-format json auth login alice"),
        ("sync -- --config", "sync -- --config"),
        ("sync field --config", "--config"),
        ("--config a sync --config b", "--config a --config b sync"),
    ],
)
def test_common_options_may_stand_anywhere(words: str, expected: str) -> None:
    assert hoisted(words.split()) == expected.split()


def test_no_command_has_the_name_of_an_options_value() -> None:
    assert not set(COMMANDS) & {"auto", "console", "json", "logfmt"}


def run(error: BaseException | None, *, verbose: bool = False) -> tuple[int, str, str]:
    def command() -> None:
        if error is not None:
            raise error

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = ended(command, verbose=verbose)
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (SystemExit(3), 3),
        (SystemExit(None), 0),
        (SystemExit("words"), 1),
        (SyncdError("It failed."), 1),
        (StoreError("No database."), 1),
        (ConfigError("It is wrong."), 2),
        (ConsentNeeded("Sign in."), 4),
        (KeyboardInterrupt(), 130),
        (ValueError("swordfish"), 1),
    ],
)
def test_an_end_has_its_exit_code(error: BaseException | None, code: int) -> None:
    assert run(error)[0] == code


def test_an_error_is_a_sentence_and_a_remedy_on_stderr() -> None:
    assert run(ConfigError("a.yaml:1: x is wrong.\nb.yaml:2: y is wrong.", "Correct them.")) == (
        2,
        "",
        "error: a.yaml:1: x is wrong.\nerror: b.yaml:2: y is wrong.\nCorrect them.\n",
    )


def test_an_unexpected_error_tells_its_place_but_no_values_and_no_traceback() -> None:
    code, out, err = run(ValueError("swordfish"))
    assert (code, out) == (1, "")
    assert "ValueError in syncd/cli/errors.py:" in err or "ValueError in test_command_line.py:" in err
    assert "report" in err
    assert "swordfish" not in err
    assert "Traceback" not in err


def test_messages_cannot_steer_the_terminal() -> None:
    out = io.StringIO()
    with redirect_stderr(out):
        say("\x1b[2Jgone\x07", "\x9bremedy")
    assert out.getvalue() == "error:  [2Jgone \n remedy\n"


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    with redirect_stderr(Terminal()) as out:
        say("No.")
    assert out.getvalue() == "\x1b[1;31merror:\x1b[0m No.\n"
    monkeypatch.setenv("NO_COLOR", "1")
    with redirect_stderr(Terminal()) as out:
        say("No.")
    assert out.getvalue() == "error: No.\n"


def test_output_that_cannot_be_written_is_an_error_in_words() -> None:
    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(Pipe(OSError(28, "No space left on device"))):
        code = ended(lambda: sys.stdout.write("result"))
    assert code == 1
    assert err.getvalue() == "error: The output cannot be written: No space left on device.\n"
