"""Signals, handled in a thread of their own: a handler that runs between two bytecodes may take no lock."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

Handlers = Mapping[signal.Signals, Callable[[], None]]


@contextlib.contextmanager
def handled(handlers: Handlers) -> Iterator[None]:
    """Call handlers, one at a time, in a thread. To be used in the main thread.

    Args:
        handlers: By signal.
    """
    inlet, outlet = socket.socketpair()
    outlet.setblocking(False)
    thread = threading.Thread(target=_dispatch, args=(inlet, handlers), name="signals", daemon=True)
    thread.start()
    before = {number: signal.signal(number, lambda *_: None) for number in handlers}
    old = signal.set_wakeup_fd(outlet.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)
        outlet.close()
        thread.join(1.0)
        inlet.close()


def _dispatch(inlet: socket.socket, handlers: Handlers) -> None:
    while data := inlet.recv(64):
        for number in data:
            handler = handlers.get(signal.Signals(number))
            if handler is not None:
                handler()
