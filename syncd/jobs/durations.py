"""Durations as operators write them: `30s`, `15m`, `2h`, `7d`. None is too short; `0s` is one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PATTERN = r"^[0-9]+[smhd]$"

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST = timedelta(days=36_500)


def parse_duration(value: Any) -> timedelta:
    """A duration from its text.

    Raises:
        ValueError: It is none, or longer than a hundred years; the message never repeats the value.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(PATTERN, value.strip()):
        raise ValueError("needs a duration such as 30s, 15m, 2h or 7d")
    text = value.strip()
    try:
        duration = timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    except (OverflowError, ValueError):
        duration = timedelta.max
    if duration > _LONGEST:
        raise ValueError("needs a duration of at most 36500d")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest text that means this duration, in whole seconds."""
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["30s", "15m", "2h", "7d"]}),
]
"""A pydantic field that takes a duration's text and holds a `timedelta`."""
