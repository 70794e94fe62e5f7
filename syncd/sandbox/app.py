"""The sandbox as one WSGI application: quota, faults, gzip and the routes."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from syncd.sandbox.faults import Fault, Faults, first
from syncd.sandbox.quota import Quota
from syncd.sandbox.rest import answer, errors
from syncd.sandbox.stats import Stats
from syncd.sandbox.store import Store

CUT = "sandbox.cut"
"""WSGI environ key: `reset` or `truncate` where the connection is to break."""
_WORTH_COMPRESSING = 1400
"""Bytes; less fits one packet anyway."""

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


class Middle:
    """What happens to every request before and after its route.

    Args:
        store: The records, for page drift.
        quota: The app's windows.
        faults: What goes wrong.
        stats: Where requests are counted.
        clock: Gives Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        quota: Quota,
        faults: Faults,
        stats: Stats,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._quota = quota
        self._faults = faults
        self._stats = stats
        self._clock = clock

    def install(self, app: Flask) -> None:
        """Put it around an application's routes."""
        app.before_request(self._before)
        app.after_request(self._after)
        app.teardown_request(self._leave)

    def _before(self) -> Response | None:
        if request.path.startswith("/control/"):
            return None
        self._stats.enter()
        g.entered = True
        if request.path.startswith("/rest/"):
            verdict = self._quota.take()
            g.rate = verdict.headers
            if not verdict.allowed:
                return errors(429, "You have surpassed the max number of requests. Please try again later.")
        g.faults = faults = self._faults.match(f"{request.method} {request.full_path}")
        delay = first(faults, "delay")
        if delay:
            delay.over.wait(delay.seconds)
        if first(faults, "reset"):
            request.environ[CUT] = "reset"
            return Response(status=200)
        broken = first(faults, "status")
        return None if broken is None else _broken(broken)

    def _after(self, response: Response) -> Response:
        if request.path.startswith("/control/"):
            return response
        response.headers["Date"] = formatdate(self._clock(), usegmt=True)
        response.headers["X-Request-Id"] = uuid.uuid4().hex
        response.headers.update(g.get("rate", {}))
        for fault in g.get("faults", ()):
            self._spoil(fault, response)
        if request.path.startswith("/rest/"):
            agent = request.headers.get("User-Agent", "")
            self._stats.served(request.method, request.full_path.rstrip("?"), response.status_code, agent)
        _compress(response)
        return response

    def _spoil(self, fault: Fault, response: Response) -> None:
        if fault.kind == "truncate":
            request.environ[CUT] = "truncate"
        elif fault.kind == "body":
            response.set_data(fault.body)
        elif fault.kind == "empty":
            response.set_data(b'{"data":[]}' if request.path.startswith("/rest/v2") else b"[]")
            response.headers.pop("Link", None)
            if "Total" in response.headers:
                response.headers["Total"] = "0"
        elif fault.kind == "link":
            _mislead(fault, response)
        elif fault.kind == "drift":
            self._drift(fault)
        if fault.kind in ("headers", "status"):
            _set_headers(fault, response)

    def _drift(self, fault: Fault) -> None:
        partition = g.get("partition")
        if partition is None:
            return
        place, now = partition.place, int(self._clock())
        with self._store.lock:
            live = [index for index in partition.indices() if partition.deleted(index) is None]
            if fault.change == "create":
                self._store.create(place.resource, place.project, dict(place.parent))
            elif live and fault.change == "delete":
                partition.delete(live[0], now)
            elif live:
                partition.edit(live[0], now, {})

    def _leave(self, _: BaseException | None) -> None:
        if g.pop("entered", False):
            self._stats.leave()


def _broken(fault: Fault) -> Response:
    if fault.body:
        return Response(
            fault.body,
            fault.status,
            mimetype="text/html" if fault.body.lstrip().startswith("<") else "application/json",
        )
    return errors(fault.status, f"Fault injected: {fault.status}")


def _set_headers(fault: Fault, response: Response) -> None:
    for name, value in fault.headers.items():
        if value is None:
            response.headers.pop(name, None)
        else:
            response.headers[name] = value


def _mislead(fault: Fault, response: Response) -> None:
    if fault.link == "missing":
        response.headers.pop("Link", None)
        return
    target = request.url if fault.link == "loop" else fault.link
    response.headers["Link"] = f'<{target}>; rel="next"'


def _compress(response: Response) -> None:
    if "gzip" not in request.headers.get("Accept-Encoding", "") or "Content-Encoding" in response.headers:
        return
    body = response.get_data()
    if len(body) >= _WORTH_COMPRESSING:
        response.set_data(gzip.compress(body, 1))
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"


def unhandled(error: HTTPException) -> Response:
    """What no route answers, in Procore's form."""
    return errors(error.code or 500, error.description)


def root() -> Response:
    """What stands at the address itself, for a person who opens it."""
    return answer({"sandbox": "A Procore look-alike. Client demo, secret demo, company 4266."})


class Cutting:
    """Breaks connections where a fault says so: by raising what a broken connection raises.

    Args:
        app: What answers.
    """

    def __init__(self, app: Callable[[Environ, StartResponse], Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, as PEP 3333 says."""
        body = self._app(environ, start_response)
        how = environ.get(CUT)
        if how is None:
            return body
        whole = b"".join(body)
        if how == "reset":
            raise ConnectionResetError("A fault of the sandbox")
        return self._half(whole)

    @staticmethod
    def _half(whole: bytes) -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        raise ConnectionResetError("A fault of the sandbox")
