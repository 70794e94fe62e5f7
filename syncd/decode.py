"""JSON as it comes over the network: also what strict parsers refuse or round."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONG_NUMBER = re.compile(rb"(?:^|[\s:,\[])-?[0-9]{19}")
"""What may be an integer beyond 64 bits, which orjson makes a float of."""
_AS_ZEROS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_LONG = b"0" * 19
_NUL = b"\\u0000"
"""The only way to write NUL in JSON."""


def parse(body: bytes | bytearray) -> tuple[Any, bool]:
    """JSON with NaN and infinities (as text), lone surrogates, and integers of any size.

    Returns:
        What it holds, and whether it is plain: all text in it is well-formed Unicode, and holds no NUL.

    Raises:
        ValueError: It is no JSON.
    """
    if not _has_long_number(body):
        try:
            return orjson.loads(body), _NUL not in body
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(body.decode("utf-8", "surrogatepass"), parse_constant=str), False
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _has_long_number(body: bytes | bytearray) -> bool:
    """The search for 19 zeros takes a fortieth of the expression's time, which was a quarter of a first load's CPU."""
    return _LONG in body.translate(_AS_ZEROS) and _LONG_NUMBER.search(body) is not None
