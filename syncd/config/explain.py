"""What pydantic found, as sentences for a person: file, line, key, what is wrong, what it may have meant.

A value is never repeated: any of them may be a secret that was put in the wrong place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from syncd.config.document import Document, Loc, Problem

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "needs text",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "model_type": "needs keys below it",
    "model_attributes_type": "needs keys below it",
    "dict_type": "needs keys below it",
    "tuple_type": "needs a list",
    "list_type": "needs a list",
    "path_type": "needs a path",
    "finite_number": "needs a number",
}
_FAMILIES = (("int_", "needs a whole number"), ("float_", "needs a number"), ("bool_", "needs true or false"))
_SHORTEST_SECRET = 4


def explain(error: ValidationError, document: Document, model: type[BaseModel]) -> Iterator[Problem]:
    """Problems for what a model found in a document, but for values that are reported already."""
    details = error.errors(include_url=False)
    meant: set[Loc] = set()
    for detail in details:
        loc = detail["loc"]
        if detail["type"] == "extra_forbidden":
            names = key_names(model, loc[:-1])
            meant |= {(*loc[:-1], name) for name in nearest(str(loc[-1]), names)}
            yield document.problem(loc, unknown_key(str(loc[-1]), names))
    for detail in details:
        loc = _whole_loc(detail)
        reported = any(loc[: len(known)] == known for known in document.unresolved)
        misspelt = detail["type"] == "missing" and loc in meant
        if detail["type"] != "extra_forbidden" and not reported and not misspelt:
            yield document.problem(_place(loc, document), _without(_what(detail), document.filled))


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known word that is most like this one, or none."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return [folded[name] for name in near]


def unknown_key(key: str, known: Sequence[str]) -> str:
    """That a key is not known, and which one may be meant."""
    return f"is no known key{suggestion(key, known)}"


def suggestion(word: str, known: Sequence[str]) -> str:
    """The end of a sentence: the nearest known word, or all of them."""
    near = nearest(word, known)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""


def key_names(model: type[BaseModel], loc: Loc) -> list[str]:
    """The keys that a mapping at `loc` below a model may have; empty where that is not a model."""
    current: type[BaseModel] | None = model
    for part in loc:
        if current is None:
            return []
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field.annotation for name, field in current.model_fields.items()}
        current = _model_in(fields.get(part))
    return [] if current is None else [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def _whole_loc(detail: ErrorDetails) -> Loc:
    key = detail.get("ctx", {}).get("key") if detail["type"] == "wrong_key" else None
    return (*detail["loc"], key) if key else detail["loc"]


def _place(loc: Loc, document: Document) -> Loc:
    """`loc` without what pydantic adds to it below the keys of the file, such as names of union members."""
    known = len(loc)
    while known and loc[:known] not in document.lines:
        known -= 1
    return loc if known >= len(loc) - 1 and not str(loc[-1:]).count("[key]") else loc[:known]


def _what(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind == "wrong_key":
        return str(context["what"])
    if kind == "literal_error":
        choices = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        near = nearest(str(detail["input"]), choices.split(", "))
        return f"needs one of {choices}" + (f"; did you mean {near[0]}?" if near else "")
    if kind in _WORDS:
        return _WORDS[kind]
    for prefix, words in _FAMILIES:
        if kind.startswith(prefix):
            return words
    return re.sub(r"^input should be", "needs to be", detail["msg"][:1].lower() + detail["msg"][1:]).rstrip(".")


def _without(text: str, filled: Iterable[str]) -> str:
    for value in filled:
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text
