"""Logging, set up once per process: structlog and the standard library's loggers end in the same lines on stderr.

Levels: *error* is what an operator must act upon, *warning* what he should know, *info* the course of events, *debug*
what helps to find a fault. `run_id`, `job`, `resource` and `project` stand on a line where they are bound, either on the
logger or as context variables.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import orjson

from syncd.imports import without

# For tracebacks of its own, which syncd does not print, structlog imports rich: 6 MB, and a fifth of a start.
with without("rich"):
    import structlog
    from structlog.typing import EventDict, Processor

Format = Literal["auto", "console", "json", "logfmt"]
Level = Literal["debug", "info", "warning", "error"]

_FIRST = ["timestamp", "level", "event", "job", "run_id", "resource", "project"]
_CHATTY = ("httpx", "httpcore", "hpack", "h2", "alembic", "apscheduler", "werkzeug", "urllib3", "asyncio", "apprise")
_MULTILINE = ("exception", "stack")
_CONTROLS: Mapping[int, str] = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROLS_BUT_LINES = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\n\t"}


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the time of writing: a progress display puts itself in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # a property, so that it is looked up each time
        return sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Say that a line is missing, but not what was in it; where stderr is gone there is nobody to tell."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f'level=error event="a line of the log could not be written" logger={record.name}\n')


def configure(
    level: Level = "info", form: Format = "auto", *, color: bool = True, redact: Processor | None = None
) -> None:
    """Set up logging for the whole process, anew if it was before.

    Args:
        level: The least level that is written.
        form: `auto` is for people at a terminal, and logfmt otherwise, so that `level=error` can be searched for.
        color: Whether people at a terminal want colours.
        redact: Takes secrets out of a line; it sees every line of every library, tracebacks included.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    after: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if redact is not None:
        after.append(redact)
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before, processors=[*after, *_renderers(form, color=color)]
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, _Stderr):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _renderers(form: Format, *, color: bool) -> list[Processor]:
    terminal = sys.stderr.isatty()
    if form == "auto":
        form = "console" if terminal else "logfmt"
    if form == "json":
        return [_json]
    if form == "logfmt":
        return [
            _printable,
            structlog.processors.LogfmtRenderer(key_order=_FIRST, drop_missing=True, bool_as_flag=False),
        ]
    console = structlog.dev.ConsoleRenderer(
        colors=terminal and color, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )
    return [_printable, console]


def _printable(_: Any, __: str, event: EventDict) -> EventDict:
    """Keys of one word, values that can neither begin a line of their own nor steer a terminal."""
    return {re.sub(r"[\s=\"\x00-\x1f]", "_", key): _shown(key, value) for key, value in event.items()}


def _shown(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).translate(_CONTROLS_BUT_LINES if key in _MULTILINE else _CONTROLS)


def _json(_: Any, __: str, event: EventDict) -> str:
    ordered = {**{key: event[key] for key in _FIRST if key in event}, **event}
    try:
        return orjson.dumps(ordered, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except (TypeError, ValueError):
        return json.dumps(ordered, default=str)
