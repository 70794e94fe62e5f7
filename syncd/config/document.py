"""A YAML file as plain values that remember their lines, with references to the outside filled in.

Plain scalars are read as YAML 1.2 has them (no `no` that is false, no `1:30` that is ninety), so that editors and syncd
agree, and a number is one only where its text can be had back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Loc = tuple[str | int, ...]
"""Keys and indexes from the top of a file to a value."""

_LARGEST_FILE = 1 << 20
_DEEPEST = 30
_MOST_VALUES = 20_000
_CORE = "tag:yaml.org,2002:"
_REFERENCE = re.compile(r"\$?\$\{(?P<inside>[^{}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to replace those of YAML 1.1


_Loader.add_implicit_resolver(f"{_CORE}null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(f"{_CORE}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(f"{_CORE}int", re.compile(r"^-?(?:0|[1-9][0-9]{0,29})$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    f"{_CORE}float", re.compile(r"^-?(?:0|[1-9][0-9]{0,29})\.[0-9]{1,30}$"), list("-0123456789")
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at one line of one file, as the rest of a sentence that begins with the key."""

    path: Path
    line: int
    key: str
    what: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        end = "" if self.what.endswith(("?", ".")) else "."
        return f"{place}: {self.key} {self.what}{end}" if self.key else f"{place}: {self.what}{end}"


@dataclass(slots=True)
class Document:
    """One file, read as far as it can be.

    Attributes:
        path: As it is shown to people.
        data: Its top mapping.
        lines: The line of each value's key, counted from 1.
        problems: What is wrong with it as a file.
        unresolved: Where a reference led nowhere, so that nobody complains about the value a second time.
        filled: What references brought; never to be shown.
    """

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unresolved: set[Loc] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)

    def line(self, loc: Loc) -> int:
        """The line of a value, or of the nearest thing around it that stands in the file."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)

    def problem(self, loc: Loc, what: str) -> Problem:
        """A problem of the value at `loc`."""
        return Problem(self.path, self.line(loc), key_of(loc), what)


def key_of(loc: Loc) -> str:
    """A place in words: `procore.client_id`, `resources[2]`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """Read a file. Everything that is wrong with it stands in the document's problems; nothing is raised."""
    document = Document(path)
    text = _text(document)
    if text is None:
        return document
    try:
        if _too_deep(text):
            document.problems.append(Problem(path, 1, "", f"nests more than {_DEEPEST} levels"))
            return document
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.problem, error.context) if part)
        document.problems.append(Problem(path, mark.line + 1 if mark else 1, "", f"this is not YAML: {what}"))
        return document
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.append(Problem(path, line, "", "holds a control character"))
        return document
    if node is None or (isinstance(node, yaml.MappingNode) and not node.value):
        document.problems.append(Problem(path, 1, "", "the file is empty"))
    elif not isinstance(node, yaml.MappingNode):
        document.problems.append(Problem(path, node.start_mark.line + 1, "", "needs `key: value` lines at its top"))
    else:
        builder = _Builder(document, environ)
        document.data = builder.mapping(node, ())
    return document


def _text(document: Document) -> str | None:
    path = document.path
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        document.problems.append(Problem(path, 0, "", f"cannot be read: {error.strerror or error}"))
        return None
    if len(raw) > _LARGEST_FILE:
        document.problems.append(Problem(path, 0, "", "is larger than a configuration can be (1 MiB)"))
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        document.problems.append(Problem(path, line, "", "is not UTF-8; save the file in that encoding"))
        return None


def _too_deep(text: str) -> bool:
    """Whether composing would recurse far; libyaml's events do not."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                return True
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return False


class _Builder:
    """Makes plain values of nodes."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document = document
        self._environ = environ
        self._values = 0

    def mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == f"{_CORE}null" or not key_node.value:
                self._report(line, loc, "needs words as keys")
                continue
            key = key_node.value
            inner = (*loc, key)
            if key in made:
                self._report(line, inner, f"stands twice; the first is in line {self._document.lines[inner]}")
                continue
            self._document.lines[inner] = line
            made[key] = self._value(value_node, inner)
        return made

    def _value(self, node: yaml.Node, loc: Loc) -> Any:
        self._values += 1
        if len(loc) > _DEEPEST or self._values > _MOST_VALUES:
            if self._values <= _MOST_VALUES + 1:
                self._report(node.start_mark.line + 1, loc, "refers to itself, or to too much")
                self._values = _MOST_VALUES + 1
            self._document.unresolved.add(loc)
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self.mapping(node, loc)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self._item(item, (*loc, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, loc)
        return self._unknown_tag(node, loc)

    def _item(self, node: yaml.Node, loc: Loc) -> Any:
        self._document.lines[loc] = node.start_mark.line + 1
        return self._value(node, loc)

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        kind, text = node.tag.removeprefix(_CORE), node.value
        if kind == "str":
            return _REFERENCE.sub(lambda found: self._fill(found, loc), text)
        if kind == "null":
            return None
        try:
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind in {"int", "float"}:
                return int(text) if kind == "int" else float(text)
        except (KeyError, ValueError):
            return self._unknown_tag(node, loc)
        return self._unknown_tag(node, loc)

    def _unknown_tag(self, node: yaml.Node, loc: Loc) -> None:
        self._report(node.start_mark.line + 1, loc, "has a YAML tag (`!...`) that means nothing here; quote the value")
        self._document.unresolved.add(loc)

    def _fill(self, found: re.Match[str], loc: Loc) -> str:
        if found[0].startswith("$$"):
            return found[0][1:]
        try:
            value = resolve(found["inside"] if found["end"] else None, self._document.path.parent, self._environ)
        except LookupError as error:
            self._report(self._document.line(loc), loc, str(error.args[0]))
            self._document.unresolved.add(loc)
            return found[0]
        self._document.filled.add(value)
        return value

    def _report(self, line: int, loc: Loc, what: str) -> None:
        self._document.problems.append(Problem(self._document.path, line, key_of(loc), what))


def resolve(inside: str | None, folder: Path, environ: Mapping[str, str]) -> str:
    """What a reference `${inside}` brings.

    Args:
        inside: The text in the braces, or None where they are not closed.
        folder: Where relative paths begin.
        environ: The environment.

    Raises:
        LookupError: It brings nothing; the message is the rest of a sentence about the key.
    """
    if inside is None:
        raise LookupError("has a `${` that is not closed; write $${ for these two characters themselves")
    kind, colon, name = inside.partition(":")
    if colon and kind == "file" and name:
        return _content(folder / name, f"needs the file {name}")
    if colon and kind == "credential" and name and "/" not in name and name not in {".", ".."}:
        place = environ.get("CREDENTIALS_DIRECTORY")
        if not place:
            raise LookupError(
                f"needs the systemd credential {name}, but CREDENTIALS_DIRECTORY is not set: "
                "syncd was not started by a unit with LoadCredential"
            )
        return _content(Path(place) / name, f"needs the systemd credential {name}")
    if not colon and _NAME.fullmatch(inside):
        if inside not in environ:
            raise LookupError(f"needs the environment variable {inside}, which is not set")
        return environ[inside]
    raise LookupError("has a reference that is none of ${NAME}, ${file:PATH} and ${credential:NAME}")


def _content(path: Path, needs: str) -> str:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise LookupError(f"{needs}, which cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise LookupError(f"{needs}, which is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")
