"""The daemon as a process, with what it tells its manager and what it logs."""

from __future__ import annotations

import queue
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.program import Site

PATIENCE = 40.0
"""Seconds after which a test gives up."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class Daemon:
    """A daemon, what it tells its manager, and what it logs.

    Args:
        site: Its configuration.
        folder: For the socket that it tells its manager at.
        anew: As in `support.program.begin`.
        environ: More of its environment.
    """

    def __init__(self, site: Site, folder: Path, *, anew: bool = False, **environ: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = folder / f"notify-{time.monotonic_ns()}"
        self.socket.bind(str(address))
        self.process = site.start("run", environ={"NOTIFY_SOCKET": str(address), **environ}, anew=anew)
        self.lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.messages: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.put(line)

    def _listen(self) -> None:
        """Take every message at once, as a service manager does: senders wait where its queue is full."""
        while message := self.socket.recv(4096):
            self.messages.put(message.decode())

    def told(self, word: str) -> str:
        """Wait until the manager is told something; the whole message."""
        while True:
            try:
                message = self.messages.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"never told {word}; log: {''.join(self.log)}") from None
            if word in message:
                return message

    def logged(self, *words: str) -> str:
        """Wait for a line of the log that holds all words."""
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"never logged {words}; log: {''.join(self.log)}") from None
            self.log.append(line)
            if all(word in line for word in words):
                return line

    def collect(self) -> None:
        """Take into the log what has been logged by now."""
        while not self.lines.empty():
            self.log.append(self.lines.get())

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Signal it; its exit code, and the seconds that it took."""
        began = time.monotonic()
        self.send(number)
        code = self.process.wait(PATIENCE)
        return code, time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self._reader.join()
        with self.process:
            self.process.wait()
        self.socket.shutdown(socket.SHUT_RD)
        self._listener.join()
        self.socket.close()


Begin = Callable[..., Daemon]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    begun: list[Daemon] = []

    def start(site: Site, *, anew: bool = False, **environ: str) -> Daemon:
        begun.append(Daemon(site, tmp_path, anew=anew, **environ))
        return begun[-1]

    yield start
    for daemon in begun:
        daemon.close()
