"""Commands as processes that need not import the program first: each is forked from one that has.

Python and all of syncd take most of a second of a processor to start, a fork takes milliseconds. The command is a
process of its own all the same, with its own words, environment, folder, streams and exit code. What a start itself
does, and what a command imports for itself, is for tests that start the program anew.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import syncd

_MESSAGE = 1 << 17
"""Bytes of an order at most."""
_NEWS = 3
"""The pipe that tells of a command, after its own three."""
_LATE_IMPORTS = (
    "alembic.command",
    "alembic.script",
    "cryptography.fernet",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
"""What syncd's modules import when they come to need it."""


class Command:
    """A command under way, to be handled like a `subprocess.Popen`.

    Args:
        words: After the program's name.
        news: Tells its process id, and at its end its exit code.
        stdin: To it.
        stdout: From it.
        stderr: From it.
    """

    def __init__(self, words: Sequence[str], news: TextIO, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> None:
        self.args = list(words)
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self._news = news
        self.pid = int(news.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it works."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended.

        Raises:
            subprocess.TimeoutExpired: It works on.
        """
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = int(self._news.readline())
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, given: str = "", timeout: float | None = None) -> tuple[str, str]:
        """Give it all of its input; all that it writes.

        Raises:
            subprocess.TimeoutExpired: It was not ready, and was killed.
        """
        written = ["", ""]

        def read(number: int, stream: TextIO) -> None:
            written[number] = stream.read()

        readers = [threading.Thread(target=read, args=pair) for pair in enumerate((self.stdout, self.stderr))]
        for reader in readers:
            reader.start()
        with suppress(BrokenPipeError):
            self.stdin.write(given)
            self.stdin.close()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            for reader in readers:
                reader.join()
        return written[0], written[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait for its end, and close what leads to it."""
        with suppress(BrokenPipeError):
            self.stdin.close()
        self.stdout.close()
        self.stderr.close()
        self.wait()
        self._news.close()


class Parent:
    """The process that commands are forked from."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # Not the module by its name: the folder of the tests is no place that a program imports from.
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__], stdin=theirs.fileno(), stdout=subprocess.DEVNULL
            )

    def start(self, words: Sequence[str], environ: Mapping[str, str], folder: Path, *, quiet: bool = False) -> Command:
        """Begin `syncd` with these words.

        Args:
            words: After the program's name.
            environ: All of its environment.
            folder: Where it works.
            quiet: Whether what it writes is not kept.
        """
        order = json.dumps({"words": list(words), "environ": dict(environ), "folder": str(folder)})
        with ExitStack() as sent:

            def pipe(mode: str) -> TextIO:
                reads, writes = os.pipe()
                ours, theirs = (writes, reads) if mode == "w" else (reads, writes)
                if quiet and mode == "r" and len(streams) < _NEWS:
                    os.close(theirs)
                    theirs = os.open(os.devnull, os.O_WRONLY)
                sent.callback(os.close, theirs)
                streams.append(theirs)
                return os.fdopen(ours, mode, encoding="utf-8")  # type: ignore[return-value] # a text mode

            streams: list[int] = []
            ends = [pipe(mode) for mode in ("w", "r", "r", "r")]
            socket.send_fds(self._socket, [order.encode()], streams)
        stdin, stdout, stderr, news = ends
        return Command(words, news, stdin, stdout, stderr)

    def close(self) -> None:
        """Let it end."""
        self._socket.close()
        self._process.wait()


@cache
def parent() -> Parent:
    """The one of this process, which ends with it."""
    made = Parent()
    atexit.register(made.close)
    return made


def _import_all() -> None:
    modules = [module.name for module in pkgutil.walk_packages(syncd.__path__, "syncd.")]
    for name in (*modules, *_LATE_IMPORTS):
        if not name.endswith("__main__"):
            importlib.import_module(name)


def _serve(channel: socket.socket) -> list[str] | None:
    """Fork a command at each order; in the command, return its words, and None when no more orders come."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, streams, _, _ = socket.recv_fds(channel, _MESSAGE, 4)
        if not message:
            return None
        if not os.fork():
            channel.detach()
            return _keep(json.loads(message), streams)
        for stream in streams:
            os.close(stream)


def _keep(order: Mapping[str, Any], streams: Sequence[int]) -> list[str] | None:
    """Fork the command, and tell of its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *streams, news = streams
    pid = os.fork()
    if pid:
        for stream in (0, 1, 2, *streams):
            os.close(stream)
        with suppress(BrokenPipeError):
            os.write(news, b"%d\n" % pid)
            _, status = os.waitpid(pid, 0)
            os.write(news, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(news)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those that are there know of the streams of before, whether one can seek in them for instance.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    words: list[str] = order["words"]
    return words


if __name__ == "__main__":
    _import_all()
    # What is here now is never freed: looking through it would copy its pages into every command.
    gc.collect()
    gc.freeze()
    words = _serve(socket.socket(fileno=0))
    if words is not None:
        from syncd.cli.main import main

        sys.argv = ["syncd", *words]
        main(words)
