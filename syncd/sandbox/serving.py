"""A quiet HTTP/1.1 server with keep-alive, on werkzeug's."""

from __future__ import annotations

import io
import socket
import struct
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.test import run_wsgi_app


class Handler(WSGIRequestHandler):
    """Answers requests one after the other on the same connection.

    werkzeug's own `run_wsgi` closes every connection, because an unread request body would be taken for the next
    request; this one reads the body first.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 120

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        length = self.headers.get("Content-Length", "0")
        body = self.rfile.read(int(length)) if length.isdecimal() else b""
        environ["wsgi.input"] = io.BytesIO(body)
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
        try:
            pieces, status, headers = run_wsgi_app(self.server.app, environ)
            self._head(status, headers)
            if environ["REQUEST_METHOD"] != "HEAD":
                for piece in pieces:
                    self.wfile.write(piece)
            self.wfile.flush()
        except (ConnectionError, TimeoutError):
            self._break()

    def _head(self, status: str, headers: Any) -> None:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Connection", "close")
        self.end_headers()

    def _break(self) -> None:
        """End the connection by a reset, as a failing network does (SO_LINGER of zero seconds)."""
        self.close_connection = True
        try:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Nothing: what was asked is in the statistics."""

    def handle(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            return


def listen(host: str, port: int, app: Any) -> BaseWSGIServer:
    """A server that already listens.

    Raises:
        OSError: The port is taken.
    """
    listener = socket.create_server((host, port), backlog=128)
    try:
        server = make_server(
            host, listener.getsockname()[1], app, threaded=True, request_handler=Handler, fd=listener.fileno()
        )
    finally:
        listener.close()
    server.daemon_threads = True  # type: ignore[attr-defined]  # of socketserver.ThreadingMixIn
    server.block_on_close = False  # type: ignore[attr-defined]  # keep-alive connections outlive the last request
    return server
