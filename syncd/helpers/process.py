"""A process that makes pages ready for another one (`syncd.helpers.pool`), and ends with it.

It is run with a socket as its standard input, and imports as little as it can: it is started while work waits.
"""

from __future__ import annotations

import marshal
import signal
import socket
from typing import Any

from syncd.engine.prepare import Parts, Prepared, Preparer, Recipe
from syncd.engine.shape import Shaped
from syncd.helpers import frames
from syncd.model import Partition, TableRows

_PLAIN = 2
"""The format of `marshal` that looks for no object twice: faster, as there are none."""


def serve(work: socket.socket) -> None:
    """Make page after page ready, until the other side is gone."""
    preparers: dict[bytes, Preparer] = {}
    frames.send(work, [b""])
    while (message := frames.receive(work, 3)) is not None:
        about, content, text = message
        digest, partition, seam = _loads(about)
        if digest not in preparers:
            preparers[digest] = Preparer(Recipe(digest, bytes(content)))
        try:
            parts = preparers[digest].prepare(Partition(*partition), text, seam)
        except Exception:  # noqa: BLE001 - the other side will meet the same, and has somebody to tell
            parts = None
        frames.send(work, [b"" if parts is None else dumps(parts)])


def order(recipe: Recipe, partition: Partition, text: bytes, seam: str, *, known: bool) -> list[bytes]:
    """A message that asks for a page; the recipe's content goes along where it is not known there."""
    whose = (
        partition.principal, partition.resource, partition.company_id, partition.project_id, partition.parent
    )  # fmt: skip
    about = marshal.dumps((recipe.digest, whose, seam), _PLAIN)
    return [about, b"" if known else recipe.content, text]


def dumps(parts: Parts) -> bytes:
    """As bytes, for `loads`."""
    shaped = parts.shaped
    tables = [(rows.table, rows.columns, rows.values, rows.packed) for rows in (shaped.root, *shaped.children)]
    content: Any = (parts.skipped, parts.keys, parts.hashes, tables, shaped.misfits, shaped.misfit_count)
    return marshal.dumps(content, _PLAIN)


def loads(content: bytearray, text: bytes) -> Prepared:
    """What `dumps` made bytes of, and the page itself."""
    skipped, keys, hashes, tables, misfits, misfit_count = _loads(content)
    root, *children = [TableRows(*one) for one in tables]
    return Prepared(text, skipped, keys, hashes, Shaped(root, misfits, tuple(children), misfit_count, unknown=False))


def _loads(content: bytearray) -> Any:
    return marshal.loads(content)  # noqa: S302 - of the process that this one started, or was started by


if __name__ == "__main__":
    # The terminal and systemd signal the whole group; this one ends when the one that it works for closes the socket.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    serve(socket.socket(fileno=0))
