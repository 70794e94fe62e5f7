"""What goes wrong on purpose: which requests, how often, and in what way."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Kind = Literal[
    "status",  # another status, body and headers; nothing is done
    "delay",  # the answer comes so many seconds late, or when the fault is switched off
    "reset",  # the connection is reset, nothing is answered
    "truncate",  # the body ends half way, the connection with it
    "body",  # another body under the same status and headers
    "headers",  # headers set, or removed (null)
    "empty",  # a list without records, and a Total that says so
    "link",  # a Link header that leads elsewhere, in circles, or nowhere
    "drift",  # a record is deleted, created or edited after the answer, before the next page is asked for
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What.
        path: Regular expression searched for in method, path and query (`GET /rest/v1.0/me?`).
        nth: Only the nth match, from 1; None: all.
        every: Only every so many matches.
        count: At most so many times; None: always.
        probability: Of each match.
        status: Of kind `status`.
        seconds: Of kind `delay`.
        body: Text of kinds `status` and `body`.
        headers: Set, or removed where null; for `status` and `headers`.
        link: Of kind `link`: `loop`, `missing`, or the address of another host.
        change: Of kind `drift`: `delete`, `create` or `edit`, of the first record of the list.
        matched: How many requests it has matched.
        applied: How many it has spoilt.
        over: Set when it is switched off.
    """

    kind: Kind
    path: str = "/rest/"
    nth: int | None = None
    every: int = 1
    count: int | None = None
    probability: float = 1.0
    status: int = 503
    seconds: float = 0.0
    body: str = ""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    link: str = "loop"
    change: Literal["delete", "create", "edit"] = "delete"
    matched: int = 0
    applied: int = 0
    over: threading.Event = field(default_factory=threading.Event, init=False, repr=False, compare=False)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Fault:
        """A fault from a control request.

        Raises:
            ValueError: It has a key or kind that there is not.
        """
        unknown = set(document) - {one.name for one in fields(cls) if one.init} | ({document.get("kind")} - set(KINDS))
        if unknown:
            raise ValueError(f"Unknown in a fault: {', '.join(map(str, unknown))}; kinds are {', '.join(KINDS)}")
        re.compile(document.get("path", ""))
        return cls(**document)


class Faults:
    """All faults that are switched on.

    Args:
        seed: Of the dice for `probability`.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on; its counters tell what it did."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all off; answers that are late come now."""
        with self._lock:
            for fault in self._faults:
                fault.over.set()
            self._faults.clear()

    def match(self, request: str) -> list[Fault]:
        """The faults that a request meets, in the order in which they were switched on."""
        if not self._faults:
            return []
        with self._lock:
            return [fault for fault in self._faults if self._meets(fault, request)]

    def _meets(self, fault: Fault, request: str) -> bool:
        if not re.search(fault.path, request) or (fault.count is not None and fault.applied >= fault.count):
            return False
        fault.matched += 1
        if fault.nth is not None and fault.matched != fault.nth:
            return False
        if fault.matched % fault.every or self._rng.random() >= fault.probability:
            return False
        fault.applied += 1
        return True


def first(faults: Iterable[Fault], kind: Kind) -> Fault | None:
    """The first fault of a kind."""
    return next((fault for fault in faults if fault.kind == kind), None)
