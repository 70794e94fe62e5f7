"""Tells the service manager how the daemon does: sd_notify(3), without libsystemd."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

_PATIENCE = 2.0
"""Seconds that a message waits for room in the manager's queue before it is dropped."""


class Notifier:
    """Sends states to `$NOTIFY_SOCKET`; silent where there is none.

    Args:
        environ: The environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        self.watchdog = _watchdog(environ)

    def ready(self, status: str) -> None:
        """The daemon works, or works again after a reload."""
        self._status = status
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """The daemon is about to end."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """What goes on, in a line; sent where it has changed."""
        if status != self._status:
            self._status = status
            self._send(f"STATUS={status}")

    def patience(self, seconds: float) -> None:
        """The start takes that much longer."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def alive(self) -> None:
        """The watchdog need not act."""
        if self.watchdog is not None:
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A manager that does not listen, or does not take what waits for it, is no reason to fail or to stand still.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(_PATIENCE)
            out.connect(self._address)
            out.send(message.encode())


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds after which the manager acts, or None where it does not watch this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(environ.get("WATCHDOG_USEC", "")) / 1e6 or None
    except ValueError:
        return None
