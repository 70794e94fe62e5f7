"""What is told to a service manager."""

from __future__ import annotations

import socket
from pathlib import Path

from syncd.daemon.sdnotify import Notifier


def test_a_manager_that_takes_nothing_does_not_hold_the_daemon_up(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        fill(address)
        Notifier({"NOTIFY_SOCKET": address}).ready("This is dropped.")
        manager.setblocking(False)
        assert manager.recv(100) == b"x"


def fill(address: str) -> None:
    """Send until there is no more room."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.connect(address)
        out.setblocking(False)
        try:
            while True:
                out.send(b"x")
        except BlockingIOError:
            return
