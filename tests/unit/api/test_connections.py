"""Connections to one origin, against real servers: what is used again, what is given up, and who is believed."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.fake import FakeClock

from syncd.api.connections import Connections
from syncd.api.ports import NoAnswer, Transport

CLOSE = b"close"
BODY = b'{"a":1}'
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"


Said = bytes | list[bytes] | None


class Server:
    """Answers requests with bytes of a script, or with pieces: None hangs up in place of an answer, CLOSE after one."""

    def __init__(self, *script: Said, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = list(script)
        self._tls = tls
        self._closing = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self._listening.getsockname()[1]}"
        self.ended = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                if self._tls is None:
                    self.connections += 1
                    self._answer(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as secured:
                        self.connections += 1
                        self._answer(secured)
            self.ended.release()

    def _answer(self, connection: socket.socket) -> None:
        while self._script:
            request = b""
            while b"\r\n\r\n" not in request or (request.startswith(b"POST") and not request.endswith(BODY)):
                piece = connection.recv(65536)
                if not piece:
                    return
                request += piece
            self.requests.append(request)
            answer = self._script.pop(0)
            if answer is None:
                return
            for piece in [answer] if isinstance(answer, bytes) else answer:
                connection.sendall(piece)
            if self._script[:1] == [CLOSE]:
                self._script.pop(0)
                return

    def close(self) -> None:
        self._closing.set()
        self._listening.close()


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as servers:

        def start(*script: Said, tls: ssl.SSLContext | None = None) -> Server:
            return servers.enter_context(contextlib.closing(Server(*script, tls=tls)))

        yield start


@contextmanager
def connected(
    server: Server, tls: ssl.SSLContext | None = None, *, clock: FakeClock | None = None
) -> Iterator[Transport]:
    way = Connections(server.origin, clock or FakeClock(), tls, step_seconds=0.5)
    try:
        yield way
    finally:
        way.close()


def asked(way: Transport, target: str = "/x") -> bytes:
    """A whole answer's body."""
    reply = way.send("GET", target, {"Accept": "application/json"}, None)
    try:
        return b"".join(reply.pieces())
    finally:
        reply.close()


def test_a_connection_is_used_again(serve: Serve) -> None:
    server = serve(EMPTY, EMPTY, EMPTY)
    with connected(server) as way:
        assert [asked(way) for _ in range(3)] == [b"[]"] * 3
    assert (server.connections, len(server.requests)) == (1, 3)


def test_many_threads_share_connections_and_each_gets_its_own_answer() -> None:
    class Echo(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    way = Connections(f"http://127.0.0.1:{server.server_port}", FakeClock())
    try:
        targets = [f"/{number}" for number in range(160)]
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda target: asked(way, target), targets))
        assert answers == [target.encode() for target in targets]
    finally:
        way.close()
        server.shutdown()
        server.server_close()


def test_an_answer_in_chunks_is_read_whole_and_its_connection_used_again(serve: Serve) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1,\r\n2\r\n2]\r\n0\r\n\r\n"
    server = serve(chunked, EMPTY)
    with connected(server) as way:
        assert [asked(way), asked(way)] == [b"[1,2]", b"[]"]
    assert server.connections == 1


@pytest.mark.parametrize("cuts", [(1,), (9, 16, 17, 18, 19), (40, 64, 65), (66, 67, 68, 69), tuple(range(1, 90))])
def test_an_answer_is_the_same_however_it_comes(serve: Serve, cuts: tuple[int, ...]) -> None:
    whole = b"HTTP/1.1 200 \r\nX-Empty:\r\nLink: a\r\nlink: b\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\n[1,\r\n2\r\n2]\r\n0\r\nT: t\r\n\r\n"
    places = [0, *cuts, len(whole)]
    server = serve([whole[start:end] for start, end in pairwise(places)], EMPTY)
    with connected(server) as way:
        reply = way.send("GET", "/x", {}, None)
        assert b"".join(reply.pieces()) == b"[1,2]"
        reply.close()
        assert reply.headers == {"x-empty": "", "link": "a, b", "transfer-encoding": "chunked"}
        assert asked(way) == b"[]"
    assert server.connections == 1


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_an_answer_without_a_length_ends_with_its_connection(serve: Serve, version: bytes) -> None:
    server = serve(b"HTTP/" + version + b" 200 OK\r\n\r\n[1]", CLOSE, EMPTY)
    with connected(server) as way:
        assert [asked(way), asked(way)] == [b"[1]", b"[]"]
    assert server.connections == 2


def test_interim_answers_are_passed_over(serve: Serve) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=next\r\nContent-Length: 7\r\n\r\n"
    server = serve(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + EMPTY, EMPTY)
    with connected(server) as way:
        reply = way.send("GET", "/x", {}, None)
        assert (reply.status, dict(reply.headers), b"".join(reply.pieces())) == (200, {"content-length": "2"}, b"[]")
        reply.close()
        asked(way)
    assert server.connections == 1


def test_what_follows_an_answer_unasked_belongs_to_nobody(serve: Serve) -> None:
    forged = b"HTTP/1.1 500 No\r\nLink: forged\r\nContent-Length: 6\r\n\r\nforged"
    server = serve(EMPTY + forged, EMPTY)
    with connected(server) as way:
        reply = way.send("GET", "/x", {}, None)
        assert (reply.status, b"".join(reply.pieces()), "link" in reply.headers) == (200, b"[]", False)
        reply.close()
        assert asked(way) == b"[]"
    assert server.connections == 2


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_that_can_have_no_body_ends_with_its_head(serve: Serve, status: bytes) -> None:
    server = serve(b"HTTP/1.1 " + status + b"\r\nContent-Encoding: gzip\r\n\r\n", EMPTY)
    with connected(server) as way:
        assert [asked(way), asked(way)] == [b"", b"[]"]
    assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_costs_no_request(serve: Serve) -> None:
    server, clock = serve(EMPTY, CLOSE, EMPTY), FakeClock()
    with connected(server, clock=clock) as way:
        asked(way)
        server.ended.acquire(timeout=10)
        clock.advance(seconds=1)
        assert asked(way) == b"[]"
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_connection_that_has_rested_long_is_not_trusted(serve: Serve) -> None:
    server, clock = serve(EMPTY, EMPTY), FakeClock()
    with connected(server, clock=clock) as way:
        asked(way)
        clock.advance(seconds=61)
        asked(way)
    assert server.connections == 2


def test_an_answer_that_is_let_go_of_unread_does_not_become_the_next_ones(serve: Serve) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1]", EMPTY)
    with connected(server) as way:
        way.send("GET", "/first", {}, None).close()
        assert asked(way, "/second") == b"[]"
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + EMPTY,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nX: " + b"y" * 1_000_000,
    ],
)
def test_what_is_no_answer_is_a_broken_connection(serve: Serve, answer: bytes | None) -> None:
    with connected(serve(answer)) as way, pytest.raises(NoAnswer, match="the connection broke"):
        asked(way)


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n[1",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[1",
    ],
)
def test_an_answer_that_ends_too_early_is_not_taken_for_whole(serve: Serve, cut: bytes) -> None:
    with connected(serve(cut)) as way, pytest.raises(NoAnswer, match="the connection broke"):
        asked(way)


def test_a_server_that_says_nothing_is_not_waited_for_without_end(serve: Serve) -> None:
    with connected(serve(b"", b"")) as way, pytest.raises(NoAnswer, match="did not answer in time"):
        asked(way)


def test_a_head_that_comes_drop_by_drop_is_not_waited_for_without_end(serve: Serve) -> None:
    class Passing(FakeClock):
        def monotonic(self) -> float:
            self.advance(seconds=0.2)
            return super().monotonic()

    server = serve([bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000])
    with connected(server, clock=Passing()) as way, pytest.raises(NoAnswer, match="did not answer in time"):
        asked(way)


def test_a_server_that_is_not_there_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        origin = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(NoAnswer, match="cannot be reached"):
        asked(Connections(origin, FakeClock()))


def test_what_is_sent_goes_to_its_origin_as_it_is(serve: Serve) -> None:
    server = serve(EMPTY)
    with connected(server) as way:
        reply = way.send("POST", "/rest/x?a=b%20c", {"Accept-Encoding": "gzip"}, BODY)
        list(reply.pieces())
        reply.close()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().lower().split("\r\n")
    assert line == "post /rest/x?a=b%20c http/1.1"
    assert sorted(headers) == ["accept-encoding: gzip", "content-length: 7", f"host: {server.origin[7:]}"]
    assert body == BODY


@pytest.mark.parametrize("header", ["one\r\nX-Injected: two", "\u20ac"])
def test_a_header_that_cannot_be_sent_is_not_sent(serve: Serve, header: str) -> None:
    server = serve(EMPTY)
    with connected(server) as way, pytest.raises(NoAnswer):
        way.send("GET", "/x", {"Authorization": header}, None)
    assert not server.requests


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate of 127.0.0.1 that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    return path


def test_over_tls_the_server_has_to_be_the_one_that_it_says(serve: Serve, authority: Path) -> None:
    its = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    its.load_cert_chain(authority)
    trusting = ssl.create_default_context(cafile=str(authority))
    server = serve(EMPTY, EMPTY, EMPTY, tls=its)
    with connected(server, ssl.create_default_context()) as way, pytest.raises(NoAnswer, match="cannot be reached"):
        asked(way)
    with connected(server, trusting) as way:
        assert [asked(way), asked(way)] == [b"[]", b"[]"]
    assert server.connections == 1
