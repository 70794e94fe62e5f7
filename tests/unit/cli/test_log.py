"""One form for all log lines, of syncd and of libraries; none forges another, none shows a secret."""

import io
import json
import logging
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
import structlog

from syncd import log
from syncd.cli.errors import ended

SECRET = "swordfish"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: str(value).replace(SECRET, "***") for key, value in event.items()}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(form: log.Format, level: log.Level = "info", stream: io.StringIO | None = None) -> list[str]:
    with redirect_stderr(stream or io.StringIO()) as err:
        log.configure(level, form, redact=redact)
        logger = structlog.get_logger("syncd.test").bind(job="field", run_id="r1")
        logger.debug("a detail")
        logger.info("run began", resource="rfis", project=101)
        logger.error("failed with %s", SECRET, note="two\nlevel=error")
        logging.getLogger("a.library").warning("a library's %s", SECRET)
        logging.getLogger("httpx").info("HTTP Request: GET")
        try:
            int(SECRET)
        except ValueError:
            logger.exception("unexpected")
        structlog.contextvars.bind_contextvars(resource="vendors")
        logger.info("bound")
        structlog.contextvars.clear_contextvars()
    return err.getvalue().splitlines()


def test_a_pipe_gets_logfmt_that_can_be_searched_for_errors() -> None:
    found = lines("auto")
    assert len(found) == 5
    assert ' level=info event="run began" job=field run_id=r1 resource=rfis project=101' in found[0]
    assert [line for line in found if "level=error" in line.split("event=")[0]] == [found[1], found[3]]
    assert 'level=warning event="a library\'s ***"' in found[2]
    assert "resource=vendors" in found[4]


def test_json_lines_are_json_with_the_same_words() -> None:
    found = [json.loads(line) for line in lines("json")]
    assert [line["level"] for line in found] == ["info", "error", "warning", "error", "info"]
    assert list(found[0])[:3] == ["timestamp", "level", "event"]
    assert found[0]["timestamp"].endswith("Z")
    assert found[3]["exception"].startswith("Traceback")


def test_a_terminal_gets_lines_for_people_with_colour_only_where_wanted() -> None:
    shown = "\n".join(lines("auto", stream=Terminal()))
    assert "\x1b[" in shown
    assert "run began" in shown
    with redirect_stderr(Terminal()) as err:
        log.configure(color=False)
        structlog.get_logger().info("plain")
    assert "\x1b[" not in err.getvalue()


@pytest.mark.parametrize("form", ["logfmt", "json", "console"])
def test_no_line_shows_a_secret_or_looks_like_another(form: log.Format) -> None:
    found = lines(form)
    assert not any(SECRET in line for line in found)
    assert not any(line.startswith("level=error") for line in found)


def test_the_level_decides_what_is_written() -> None:
    assert any("a detail" in line for line in lines("logfmt", "debug"))
    assert [line for line in lines("logfmt", "error") if "level=info" in line] == []


def test_libraries_that_chat_are_quiet_at_any_level() -> None:
    assert not any("HTTP Request" in line for line in lines("logfmt", "debug"))


def test_lines_follow_stderr_when_it_is_replaced() -> None:
    log.configure("info", "logfmt")
    with redirect_stderr(io.StringIO()) as err:
        structlog.get_logger().info("here")
    assert "event=here" in err.getvalue()


def test_set_up_twice_a_line_is_written_once() -> None:
    with redirect_stderr(io.StringIO()) as err:
        log.configure("info", "logfmt")
        log.configure("info", "logfmt")
        structlog.get_logger().info("once")
    assert err.getvalue().count("event=once") == 1


def test_values_of_any_kind_can_be_logged() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd one"

    for form in ("logfmt", "json", "console"):
        with redirect_stderr(io.StringIO()) as err:
            log.configure("info", form)
            structlog.get_logger().info("x", odd=Odd(), big=2**90, lone="\ud800", none=None, **{"a b=c": 1})
        assert "odd one" in err.getvalue()


def test_a_line_that_cannot_be_made_is_reported_without_its_content() -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(SECRET)

    with redirect_stderr(io.StringIO()) as err:
        log.configure("info", "logfmt", redact=broken)
        structlog.get_logger("syncd.x").info(SECRET)
    assert err.getvalue() == 'level=error event="a line of the log could not be written" logger=syncd.x\n'


def test_warnings_of_python_are_log_lines() -> None:
    with redirect_stderr(io.StringIO()) as err, warnings.catch_warnings():
        warnings.simplefilter("always")
        log.configure("info", "logfmt")
        warnings.warn("old thing", UserWarning, stacklevel=1)
    assert "level=warning" in err.getvalue()
    assert "old thing" in err.getvalue()


def test_a_verbose_command_that_fails_logs_the_traceback_without_its_secrets() -> None:
    def command() -> None:
        raise KeyError(SECRET)

    with redirect_stderr(io.StringIO()) as err, redirect_stdout(io.StringIO()) as out:
        log.configure("debug", "logfmt", redact=redact)
        code = ended(command, verbose=True)
    assert (code, out.getvalue()) == (1, "")
    assert "level=debug" in err.getvalue()
    assert "Traceback" in err.getvalue()
    assert "error: syncd failed in a way it does not know: KeyError" in err.getvalue()
    assert SECRET not in err.getvalue()
