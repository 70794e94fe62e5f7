"""How processes that work together speak over a socket: messages of several parts, each with its length before it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

_LENGTH = struct.Struct("<Q")


def send(to: socket.socket, parts: Sequence[bytes]) -> None:
    """Send a message.

    Raises:
        OSError: The other side is gone.
    """
    for part in parts:
        to.sendall(_LENGTH.pack(len(part)))
        to.sendall(part)


def receive(source: socket.socket, parts: int) -> list[bytearray] | None:
    """The next message of so many parts, or None where the other side has ended.

    Raises:
        OSError: The other side does not answer.
    """
    message: list[bytearray] = []
    for _ in range(parts):
        length = _exactly(source, _LENGTH.size)
        part = None if length is None else _exactly(source, *_LENGTH.unpack(length))
        if part is None:
            return None
        message.append(part)
    return message


def _exactly(source: socket.socket, size: int) -> bytearray | None:
    buffer = bytearray(size)
    view, have = memoryview(buffer), 0
    while have < size:
        count = source.recv_into(view[have:])
        if not count:
            return None
        have += count
    return buffer
