"""What all models of the configuration share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError


class Keys(BaseModel):
    """A mapping of known keys; it never changes once it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def digits_are_text(value: Any) -> Any:
    """A whole number's digits; everything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(digits_are_text), Field(min_length=1)]
"""Text that is not empty; a whole number stands for its digits, as YAML needs no quotes to write one."""


_LABEL = r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}$"


def _label(text: str) -> str:
    if not re.fullmatch(_LABEL, text):
        raise ValueError("needs at most 64 letters, digits and . _ - @ +, the first a letter or digit")
    return text


Label = Annotated[Text, AfterValidator(_label), WithJsonSchema({"type": "string", "pattern": _LABEL})]
"""The name of a job, or of a user who has consented: it stands in tables, logs and commands."""


def wrong_key(key: str, what: str) -> PydanticCustomError:
    """An error of one key, raised by a validator of the whole mapping.

    Args:
        key: As it stands in YAML.
        what: The rest of the sentence: `needs ...`, `is ...`.
    """
    return PydanticCustomError("wrong_key", "{what}", {"key": key, "what": what})
