"""What an answer says: numbers and dates of its headers, its body unpacked, the error that it stands for."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus

import orjson

from syncd.errors import ApiError, BadAnswer, Refused, RequestRejected, Unauthorized

_REASON_LENGTH = 200
_YEAR_2200 = 7_258_118_400.0
_REFUSED = frozenset({403, 404})
_GZIP = zlib.MAX_WBITS | 16
_UNPACKED = 2**20
"""Bytes that are unpacked at once, at most."""


def final_error(status: int, body: bytes, shown: str) -> ApiError:
    """The error of an answer that repetition would not change, with Procore's own words and a remedy."""
    reason = _reason(body)
    words = f": {reason}" if reason else ""
    if status in _REFUSED:
        return Refused(
            f"Procore answered {status} for {shown}{words}.",
            "Permit it in Procore, or write refusals: ignore into the job.",
            status=status,
            reason=reason,
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return Unauthorized(
            f"Procore does not accept the token for {shown}{words}.",
            "Check the app's credentials and company: syncd check",
            status=status,
            reason=reason,
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return BadAnswer(
            f"Procore answered {status} for {shown}: a redirect, which syncd does not follow.",
            "Check procore.api_url.",
            status=status,
        )
    return RequestRejected(f"Procore answered {status} for {shown}{words}.", status=status, reason=reason)


def _reason(body: bytes) -> str:
    """Procore's own words, safe to show: it gives `errors`, `error`, `message` or `reason`, in several shapes."""
    try:
        data = orjson.loads(body[:65536])
    except orjson.JSONDecodeError:
        return ""
    for name in ("error_description", "message", "reason", "errors", "error"):
        value = data.get(name) if isinstance(data, dict) else None
        if value:
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            return re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)[:_REASON_LENGTH].strip(" .")
    return ""


def date(headers: Mapping[str, str]) -> float | None:
    """When the server answered, by its own clock, as Unix seconds; None where it does not say so believably."""
    return _moment(headers.get("date"))


@lru_cache(maxsize=16)
def _moment(text: str | None) -> float | None:
    """An HTTP date as Unix seconds; None where it is none, or of no believable century.

    Dates are whole seconds: most answers bear that of the one before.
    """
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if 0 < seconds < _YEAR_2200 else None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3: a number, or a date)."""
    value = headers.get("retry-after")
    if value is None:
        return None
    seconds = number(value)
    if seconds is None:
        moment = _moment(value)
        seconds = None if moment is None else moment - now
    return None if seconds is None else max(0.0, seconds)


def number(text: str | None) -> float | None:
    """A plain number of a believable size, or None."""
    return float(text) if text is not None and re.fullmatch(r"\d{1,12}(\.\d+)?", text.strip()) else None


def integer(text: str | None) -> int | None:
    """A whole number of a believable size, or None."""
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,9}", text.strip()) else None


def unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A body that is packed by gzip (RFC 1952), in pieces of a bounded size however well it was packed.

    Raises:
        zlib.error: It is damaged, or ends too early.
    """
    unpacker, came = zlib.decompressobj(_GZIP), False
    for piece in pieces:
        came = came or bool(piece)
        yield unpacker.decompress(piece, _UNPACKED)
        while unpacker.unconsumed_tail:
            yield unpacker.decompress(unpacker.unconsumed_tail, _UNPACKED)
    if came and not unpacker.eof:
        raise zlib.error
