"""Texts that must never be shown: they travel as `Secret`, and every log line is searched for them."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, MutableMapping
from typing import Any

_MASK = "***"
_SHORTEST = 6
_PATTERNS = (
    re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"),
    re.compile(r"(?i)((?:access_token|refresh_token|client_secret|password)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+"),
    re.compile(r"(?i)(\b(?:code|state)=)[A-Za-z0-9._~+/%-]{16,}"),
)


class Secret:
    """A text that shows itself only to who asks for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Redactor:
    """Masks the secrets it knows, and what looks like one, in anything that is to be logged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()

    def learn(self, *secrets: Secret | str | None) -> None:
        """Remember secrets; very short ones would mask ordinary words and are left to the patterns."""
        texts = {one.reveal() if isinstance(one, Secret) else one for one in secrets if one is not None}
        with self._lock:
            self._known |= {text for text in texts if len(text) >= _SHORTEST}

    def text(self, text: str) -> str:
        """The text with its secrets masked."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, _MASK)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\1{_MASK}", text)
        return text

    def value(self, value: Any) -> Any:
        """Any value of a log line, with its secrets masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(one) for key, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(one) for one in value]
        if value is None or isinstance(value, int | float):
            return value
        return self.text(str(value))

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """As a structlog processor."""
        del logger, method
        return {key: self.value(one) for key, one in event.items()}
