"""One request to Procore: paced, authorised, bounded, retried by kind of failure, its errors named by remedy."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from itertools import starmap
from typing import Any
from urllib.parse import quote

import orjson
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from syncd import __version__
from syncd.api.answers import date, final_error, integer, number, retry_after, unpacked
from syncd.api.circuit import Circuit
from syncd.api.pacer import Pacer
from syncd.api.ports import Authorization, Clock, NoAnswer, Reply, Transport
from syncd.api.quota import Report
from syncd.api.requests import RequestLedger
from syncd.decode import parse
from syncd.errors import ApiError, BadAnswer, Unavailable
from syncd.model import Priority, Reader

_log = structlog.get_logger(__name__)

_ABSURD_WAIT = 3600.0
"""Seconds; a Retry-After beyond it is not obeyed but reported."""
_BLIND_WAIT = 10.0
"""Seconds to wait after a refusal for quota that names no believable end; doubled with each in a row."""
_LONGEST_BLIND_WAIT = 300.0
_JITTER = 0.5
"""Seconds that a refusal's end is put off by at most, so that many programs do not come back at once."""
_DOWN = frozenset({500, 502, 503, 504})
_TRANSIENT = _DOWN | {408}
_ENCODINGS = frozenset({"", "identity", "gzip"})
"""What was asked for; stacked encodings would unpack without bounds."""
_UNRESERVED = "/:@!$&'()*+,;=-._~%?"
"""What a path holds as it is; what is percent-encoded stays so (RFC 3986, 3.3 and 2.1)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost.

    Attributes:
        attempts: How often a request that fails for the moment is sent.
        seconds: How long it may take in all, waits for quota not counted.
        longest_pause: Ceiling of the pause between attempts.
        body: Bytes of a decoded body.
        refusals: How many 429 answers in a row are waited out.
    """

    attempts: int = 6
    seconds: float = 300.0
    longest_pause: float = 30.0
    body: int = 256 * 2**20
    refusals: int = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A usable answer.

    Attributes:
        data: The parsed body, or what the reader read.
        headers: Its headers.
        sent_at: When the request was sent, server's clock, UTC, whole seconds: never later than it was.
        requests: HTTP requests it took.
        size: Bytes of the decoded body.
        plain: Whether no text in it can hold NUL or half a surrogate pair.
    """

    data: Any
    headers: Mapping[str, str]
    sent_at: datetime
    requests: int
    size: int
    plain: bool = False


class _Transient(Exception):
    """Trying again may help."""

    def __init__(self, what: str, status: int | None = None, after: float | None = None) -> None:
        super().__init__(what)
        self.status = status
        self.after = after


@dataclass(slots=True)
class _Call:
    """What is asked for, and what it has cost so far."""

    method: str
    target: str
    shown: str
    headers: Mapping[str, str]
    company: bool
    body: bytes | None
    priority: Priority
    waiting: Callable[[float, str], None] | None
    reader: Reader | None
    deadline: float
    requests: int = 0
    refusals: int = 0
    last: _Transient | None = None


class Client:
    """Sends requests for one principal.

    Args:
        transport: The way to Procore, and to nowhere else.
        api_url: Scheme, host and port that it leads to.
        auth: Gives the token.
        pacer: Quota.
        ledger: Counts what Procore watches.
        circuit: Holds requests back while the whole API is down.
        clock: Time.
        limits: What one request may cost.
        ready: Gets a token, before a request takes its place in the quota: waiting for one must not hold others up.
    """

    def __init__(
        self,
        transport: Transport,
        api_url: str,
        auth: Authorization,
        pacer: Pacer,
        ledger: RequestLedger,
        circuit: Circuit,
        clock: Clock,
        limits: Limits | None = None,
        ready: Callable[[], object] | None = None,
    ) -> None:
        self._ready = ready
        self._transport = transport
        self._api_url = api_url.rstrip("/")
        self._auth = auth
        self._pacer = pacer
        self._ledger = ledger
        self._circuit = circuit
        self._clock = clock
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        # Bound once: a logger that is not makes another for every line, also for one that is not to be shown.
        self._log = _log.bind()
        self.requests = 0

    @property
    def api_url(self) -> str:
        """Where requests go."""
        return self._api_url

    def send(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]],
        company_id: int | None,
        *,
        body: Mapping[str, Any] | None = None,
        priority: Priority = Priority.INCREMENT,
        waiting: Callable[[float, str], None] | None = None,
        reader: Reader | None = None,
    ) -> Answer:
        """Send until an answer is usable or final.

        Args:
            method: GET or POST.
            path: From the host on.
            params: Query parameters.
            company_id: Sent as Procore-Company-Id.
            body: JSON body.
            priority: Who goes first when the quota is short.
            waiting: Told of longer waits: seconds, and why.
            reader: Reads the body in place of the parser, where it can.

        Raises:
            Refused: 403 or 404.
            RequestRejected: Another answer that repetition would not change.
            Unauthorized: 401, also with a new token.
            BadAnswer: A redirect, a body too large, or one that stays unreadable.
            Unavailable: Attempts or time ran out.
            Stopped: Asked to stop while waiting.
        """
        headers = _headers(company_id)
        if body is not None:
            headers["Content-Type"] = "application/json"
        target = quote(f"/{path.lstrip('/')}", safe=_UNRESERVED)
        if params:
            target += f"{'&' if '?' in path else '?'}{'&'.join(starmap(_parameter, params))}"
        call = _Call(
            method,
            target,
            path.partition("?")[0],
            headers,
            company_id is not None,
            None if body is None else orjson.dumps(body),
            priority,
            waiting,
            reader,
            self._clock.monotonic() + self._limits.seconds,
        )
        try:
            return self._attempt(call)
        except _Transient as error:
            return self._again(call, error)

    def _again(self, call: _Call, first: _Transient) -> Answer:
        """What follows on a first attempt that failed; the common one that does not goes without tenacity's accounts."""
        failed = [first]

        def attempt() -> Answer:
            if failed:
                raise failed.pop()
            return self._attempt(call)

        retrying = Retrying(
            stop=stop_after_attempt(self._limits.attempts),
            wait=lambda state: self._pause(state, call),
            retry=retry_if_exception_type(_Transient),
            sleep=lambda seconds: self._rest(seconds, call),
            before_sleep=lambda state: self._say(state, call),
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _Transient as last:
            raise _given_up(last, call, f"{call.requests} times over") from None

    def _attempt(self, call: _Call) -> Answer:
        while True:
            with self._circuit.passing(call.deadline):
                reply, body, sent_at = self._authorised(call)
            if reply.status != HTTPStatus.TOO_MANY_REQUESTS:
                return self._answer(reply, body, sent_at, call)
            call.refusals += 1
            if call.refusals > self._limits.refusals:
                raise Unavailable(f"Procore refuses {call.shown} for quota, again and again.", status=429)

    def _authorised(self, call: _Call) -> tuple[Reply, bytes, datetime]:
        """Send with a token; every request of the exchange is paced and counted, a renewed token's too."""
        if self._ready is not None:
            self._ready()
        self._wait_for_slot(call)
        flow = self._auth.flow()
        try:
            authorization = next(flow)
        except BaseException:
            self._pacer.lost()
            raise
        while True:
            found = self._exchange(call, authorization)
            try:
                authorization = flow.send(found[0].status)
            except StopIteration:
                return found
            self._wait_for_slot(call)

    def _wait_for_slot(self, call: _Call) -> None:
        began = self._clock.monotonic()
        self._pacer.acquire(call.priority, call.waiting)
        call.deadline += self._clock.monotonic() - began

    def _exchange(self, call: _Call, authorization: str) -> tuple[Reply, bytes, datetime]:
        """Send once; whatever comes of it, the pacer, the circuit and the ledger hear of it."""
        sent_at, began = self._pacer.server_time(), self._clock.monotonic()
        call.requests += 1
        with self._lock:
            self.requests += 1
        try:
            headers = {**call.headers, "Authorization": authorization}
            reply = self._transport.send(call.method, call.target, headers, call.body)
        except NoAnswer as error:
            self._pacer.lost()
            self._ledger.count(0, call.target, {}, company=call.company)
            self._circuit.failed()
            raise _Transient(str(error)) from None
        except BaseException:
            self._pacer.lost()
            raise
        try:
            said_at = self._heard(call, reply)
            if said_at is not None:
                sent_at = min(sent_at, said_at - (self._clock.monotonic() - began))
            body = self._read(call, reply)
        except NoAnswer as error:
            self._circuit.failed()
            raise _Transient(str(error)) from None
        except zlib.error:
            raise _Transient("a damaged answer came", HTTPStatus.OK) from None
        finally:
            reply.close()
        if reply.status not in _DOWN:
            self._circuit.worked()
        else:
            self._circuit.failed()
        self._log.debug(
            "request",
            method=call.method,
            path=call.shown,
            status=reply.status,
            milliseconds=round((self._clock.monotonic() - began) * 1000),
            bytes=len(body),
            request_id=reply.headers.get("x-request-id"),
        )
        return reply, body, datetime.fromtimestamp(int(sent_at), UTC)

    def _heard(self, call: _Call, reply: Reply) -> float | None:
        """What an answer's headers say goes to the pacer and the ledger; the server's time, where they give it."""
        said_at = date(reply.headers)
        self._pacer.answered(self._report(reply, call.refusals), said_at)
        self._ledger.count(reply.status, call.target, reply.headers, company=call.company)
        return said_at

    def _read(self, call: _Call, reply: Reply) -> bytes:
        encoding = reply.headers.get("content-encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise BadAnswer(
                f"The answer for {call.shown} is encoded in a way that was not asked for.",
                "Check procore.api_url, and who answers there.",
            )
        chunks: list[bytes] = []
        size = 0
        for chunk in unpacked(reply.pieces()) if encoding == "gzip" else reply.pieces():
            size += len(chunk)
            if size > self._limits.body:
                raise BadAnswer(
                    f"The answer for {call.shown} is larger than {self._limits.body:,} bytes.",
                    "Ask for smaller pages: page_size in a catalog entry of your own.",
                )
            if self._clock.monotonic() > call.deadline:
                raise _Transient("an answer did not come to its end")
            chunks.append(chunk)
        return b"".join(chunks)

    def _report(self, reply: Reply, refusals: int) -> Report:
        headers = reply.headers
        reset = number(headers.get("x-rate-limit-reset"))
        refused = reply.status == HTTPStatus.TOO_MANY_REQUESTS
        return Report(
            limit=integer(headers.get("x-rate-limit-limit")),
            remaining=integer(headers.get("x-rate-limit-remaining")),
            reset=reset,
            blocked_until=self._blocked(headers, reset, refusals) if refused else None,
        )

    def _blocked(self, headers: Mapping[str, str], reset: float | None, refusals: int) -> float:
        """Until when a refusal for quota holds everybody back; what is absurd of it is not obeyed."""
        now = self._pacer.server_time()
        after = self._asked_to_wait(headers)
        ends = [end for end in (reset, None if after is None else now + after) if end is not None]
        believed = [end for end in ends if now < end <= now + _ABSURD_WAIT]
        blind = now + min(_BLIND_WAIT * 2 ** min(refusals, 10), _LONGEST_BLIND_WAIT)
        until = max(believed, default=blind) + random.uniform(0, _JITTER)  # noqa: S311 - no secret
        _log.warning("Procore refuses requests for quota", seconds=round(until - now, 1))
        return until

    def _asked_to_wait(self, headers: Mapping[str, str]) -> float | None:
        """Retry-After in seconds, unless it is absurd."""
        after = retry_after(headers, self._pacer.server_time())
        if after is not None and after > _ABSURD_WAIT:
            _log.warning(
                "Procore asks for an absurd wait; syncd asks again sooner, and carefully", seconds=round(after)
            )
            return None
        return after

    def _answer(self, reply: Reply, body: bytes, sent_at: datetime, call: _Call) -> Answer:
        status = reply.status
        if status in _TRANSIENT:
            raise _Transient(f"Procore answered {status}", status, self._asked_to_wait(reply.headers))
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            read = None if call.reader is None else call.reader(body)
            try:
                data, plain = parse(body) if read is None else (read, True)
            except ValueError:
                raise _Transient("an unreadable answer came", HTTPStatus.OK) from None
            return Answer(data, reply.headers, sent_at, call.requests, len(body), plain)
        raise final_error(status, body, call.shown)

    def _pause(self, state: RetryCallState, call: _Call) -> float:
        error = state.outcome.exception() if state.outcome else None
        call.last = error if isinstance(error, _Transient) else None
        drawn = wait_random_exponential(multiplier=0.5, max=self._limits.longest_pause)(state)
        after = call.last.after if call.last else None
        return drawn if after is None else max(drawn, after)

    def _rest(self, seconds: float, call: _Call) -> None:
        left = call.deadline - self._clock.monotonic()
        if seconds > left:
            last = call.last or _Transient("no answer came")
            asked = f", and asks to wait {round(last.after)} s" if last.after is not None else ""
            raise _given_up(last, call, f"{call.requests} times within {round(self._limits.seconds)} s{asked}")
        if call.waiting is not None and seconds > 1.0:
            call.waiting(seconds, "a retry")
        self._clock.sleep(seconds)

    def _say(self, state: RetryCallState, call: _Call) -> None:
        error = state.outcome.exception() if state.outcome else None
        _log.info("trying again", path=call.shown, why=str(error), attempt=state.attempt_number)


def _given_up(last: _Transient, call: _Call, how_often: str) -> ApiError:
    error = BadAnswer if last.status == HTTPStatus.OK else Unavailable
    return error(
        f"{_capital(str(last))} for {call.shown}, {how_often}.", "The next run tries again.", status=last.status
    )


@lru_cache(maxsize=1024)
def _parameter(name: str, value: str) -> str:
    """A query parameter as it is sent; most requests' are those of the one before."""
    return f"{quote(name, safe='')}={quote(value, safe='')}"


def _headers(company_id: int | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"syncd/{__version__}"}
    if company_id is not None:
        headers["Procore-Company-Id"] = str(company_id)
    return headers


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
