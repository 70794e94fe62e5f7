"""The status page: what `overview` and `history` say, as one HTML document without scripts."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from syncd import __version__
from syncd.overview import HISTORY, Concern, History, JobView, Overview, QuotaView, words
from syncd.storage.reports import Freshness, RequestHour, RunRow

_FOLDER = Path(__file__).parent / "templates"

_GRAVITY = ("failed", "partial", "running", "ok", "skipped")
"""Of a day's runs the one that its cell shows, the gravest first."""
_HOURS = 72
"""How far back the chart of requests goes."""
_FRESHEST, _OLDEST = 60.0, 30 * 86_400.0
"""Seconds of age at the ends of the freshness bars."""
_IN_SIGHT = 0.15
"""A chart reaches up to the allowance when so much of it was used at the peak; else the bars would be invisible."""
_LONGEST_LIST = 24
_LONGEST_ERRORS = 8


@dataclass(frozen=True, slots=True)
class Cell:
    """A job's runs of one day.

    Attributes:
        mark: The gravest status, or `none`.
        mixed: Whether other runs of the day went well.
        title: All of it in words.
    """

    mark: str
    mixed: bool
    title: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A table's age.

    Attributes:
        table: Which.
        state: `ok`, `stale`, or `incomplete`.
        width: Of the bar, in percent.
        limit: Where the job's limit lies, in percent, or None.
        age: In words.
    """

    table: Freshness
    state: str
    width: float
    limit: float | None
    age: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that runs of a job ended with.

    Attributes:
        last: The latest of these runs.
        times: How many there are.
    """

    last: RunRow
    times: int


@dataclass(frozen=True, slots=True)
class Column:
    """The requests of an hour, in percent of the chart's height.

    Attributes:
        x: Its left edge, in hours.
        height: Of all requests.
        bad: Of those without a usable answer.
        title: In words.
    """

    x: int
    height: float
    bad: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Requests per hour against what is allowed.

    Attributes:
        columns: One per hour with requests.
        hours: How many there are in all.
        top: Requests at the upper edge.
        lines: Name and height in percent of limits that lie within.
        peak: The most in an hour.
        total: Of all hours.
        note: How the peak compares with what is allowed.
        days: Where midnights lie, in hours, and their names.
    """

    columns: Sequence[Column]
    hours: int
    top: int
    lines: Sequence[tuple[str, float]]
    peak: int
    total: int
    note: str
    days: Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A quota window as it is now.

    Attributes:
        name: In words.
        used: Requests, of all users of the app.
        limit: Requests.
        allowed: Requests that syncd may use.
        width: Used, in percent.
        share: Where syncd's share ends, in percent.
        resets: In words.
    """

    name: str
    used: int
    limit: int
    allowed: int
    width: float
    share: float
    resets: str


class Page:
    """Makes the status page. Everything that is put into it is escaped."""

    def __init__(self) -> None:
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"count": _count, "percent": lambda value: f"{value:.2f}", "moment": _moment}
        self._template = environment.get_template("status.html")
        self._style = (_FOLDER / "status.css").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        self.policy = f"style-src 'sha256-{digest}'; img-src data:"

    def render(self, overview: Overview, history: History) -> str:
        """The document."""
        now = overview.now
        concerns, bars = overview.concerns(), _bars(overview)
        return self._template.render(
            style=Markup(self._style),  # noqa: S704 - the program's own file
            version=__version__,
            now=now,
            words=words,
            ago=lambda then: f"{words((now - then).total_seconds())} ago",
            ahead=lambda then: _ahead(now, then),
            span=lambda run: words(((run.finished_at or now) - run.started_at).total_seconds()),
            concerns=concerns,
            verdict=_verdict(overview.jobs, concerns),
            jobs=overview.jobs,
            days=_days(now),
            rows=_rows(overview.jobs, history, now),
            bars=bars[:_LONGEST_LIST],
            more_bars=bars[_LONGEST_LIST:],
            ticks=[(_place(seconds), name) for seconds, name in _TICKS],
            gauges=[_gauge(window, overview) for window in overview.quota],
            chart=_chart(overview, history.requests),
            tokens=overview.tokens,
            refusals=overview.refusals[:_LONGEST_LIST],
            more_refusals=max(0, len(overview.refusals) - _LONGEST_LIST),
            rejects=overview.rejects,
            errors=_troubles(history.errors),
            observations=overview.observations,
        )


_TICKS = ((60.0, "1 min"), (3600.0, "1 h"), (86_400.0, "1 d"), (7 * 86_400.0, "1 w"), (_OLDEST, "30 d"))


def _count(number: int) -> str:
    return f"{number:,}"


def _moment(then: datetime) -> str:
    return f"{then:%Y-%m-%d %H:%M} UTC"


def _ahead(now: datetime, then: datetime) -> str:
    seconds = (then - now).total_seconds()
    return f"in {words(seconds)}" if seconds >= 1 else "now"


def _verdict(jobs: Sequence[JobView], concerns: Sequence[Concern]) -> tuple[str, str]:
    """The page in a mark and a sentence."""
    grave = sum(one.grave for one in concerns)
    if grave:
        return "failed", "One thing needs you" if grave == 1 else f"{grave} things need you"
    if concerns:
        return "partial", "Working, with one remark" if len(concerns) == 1 else f"Working, with {len(concerns)} remarks"
    if not any(job.last for job in jobs):
        return "none", "Nothing has run yet"
    return "ok", "All is well"


def _days(now: datetime) -> list[date]:
    return [now.date() - timedelta(days=back) for back in reversed(range(HISTORY.days))]


def _rows(jobs: Sequence[JobView], history: History, now: datetime) -> list[tuple[str, list[Cell]]]:
    counts: dict[tuple[str, date], dict[str, int]] = {}
    for one in history.days:
        counts.setdefault((one.job, one.day), {})[one.status] = one.count
    return [(job.name, [_cell(job.name, day, counts.get((job.name, day), {})) for day in _days(now)]) for job in jobs]


def _cell(job: str, day: date, counts: Mapping[str, int]) -> Cell:
    named = [status for status in _GRAVITY if counts.get(status)]
    said = ", ".join(f"{counts[status]:,} {status}" for status in named) or "no runs"
    mark = named[0] if named else "none"
    return Cell(mark, mark in {"failed", "partial"} and "ok" in named, f"{job}, {day:%a %d %b}: {said}")


def _troubles(errors: Iterable[RunRow]) -> list[Trouble]:
    """The same error of the same job once, with its last run; the latest first."""
    found: dict[tuple[str, str | None], Trouble] = {}
    for run in errors:
        key = (run.job, run.error)
        found[key] = Trouble(found[key].last, found[key].times + 1) if key in found else Trouble(run, 1)
    return list(found.values())[:_LONGEST_ERRORS]


def _place(seconds: float) -> float:
    """Where an age lies between the freshest and the oldest, in percent, logarithmically."""
    inside = min(max(seconds, _FRESHEST), _OLDEST)
    return 100.0 * math.log(inside / _FRESHEST) / math.log(_OLDEST / _FRESHEST)


def _bars(overview: Overview) -> list[Bar]:
    order = {"incomplete": 0, "stale": 1, "ok": 2}
    bars = [_bar(overview, table) for table in overview.tables]
    return sorted(bars, key=lambda bar: (order[bar.state], -bar.width, bar.table.resource, bar.table.principal))


def _bar(overview: Overview, table: Freshness) -> Bar:
    limit = overview.stale_after.get((table.resource, table.principal))
    tick = None if limit is None else _place(limit.total_seconds())
    if table.oldest is None:
        return Bar(table, "incomplete", 100.0, tick, "not complete yet")
    age = (overview.now - table.oldest).total_seconds()
    return Bar(table, "stale" if overview.is_stale(table) else "ok", max(1.5, _place(age)), tick, words(age))


def _gauge(window: QuotaView, overview: Overview) -> Gauge:
    name = {"hour": "this hour", "spike": "these 10 seconds"}.get(window.name, window.name)
    over = window.resets_at <= overview.now
    used = 0 if over else max(0, window.limit - window.remaining)
    return Gauge(
        name=name,
        used=used,
        limit=window.limit,
        allowed=int(window.limit * overview.quota_share),
        width=100.0 * min(1.0, used / max(1, window.limit)),
        share=100.0 * overview.quota_share,
        resets="whole again" if over else f"resets {_ahead(overview.now, window.resets_at)}",
    )


def _chart(overview: Overview, requests: Iterable[RequestHour]) -> Chart:
    last = overview.now.replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=_HOURS - 1)
    sums: dict[int, list[int]] = {}
    for one in requests:
        at = round((one.hour - first).total_seconds() / 3600)
        if 0 <= at < _HOURS:
            hour = sums.setdefault(at, [0, 0])
            hour[0] += one.count
            hour[1] += one.count if not 200 <= one.status < 400 else 0  # noqa: PLR2004 - HTTP's good answers
    peak = max((all_of_them for all_of_them, _ in sums.values()), default=0)
    limit = next((window.limit for window in overview.quota if window.name == "hour"), None)
    shown = limit is not None and peak >= limit * _IN_SIGHT
    top = max(1, math.ceil(max(peak, limit or 0) * 1.05) if shown else math.ceil(peak * 1.15))
    lines = []
    if limit is not None and shown:
        allowed = limit * overview.quota_share
        lines = [(f"{int(allowed):,} for syncd", 100 * allowed / top), (f"{limit:,} allowed", 100 * limit / top)]
    return Chart(
        columns=[
            Column(at, 100 * total / top, 100 * bad / top, _hour_words(first + timedelta(hours=at), total, bad))
            for at, (total, bad) in sorted(sums.items())
        ],
        hours=_HOURS,
        top=top,
        lines=lines,
        peak=peak,
        total=sum(total for total, _ in sums.values()),
        note=_note(peak, limit, overview.quota_share),
        days=[
            (at, f"{first + timedelta(hours=at):%a %d}")
            for at in range(_HOURS)
            if (first + timedelta(hours=at)).hour == 0
        ],
    )


def _hour_words(hour: datetime, total: int, bad: int) -> str:
    failed = f", {bad:,} without a usable answer" if bad else ""
    return f"{hour:%a %d %b %H:00} UTC: {total:,} requests{failed}"


def _note(peak: int, limit: int | None, share: float) -> str:
    if limit is None:
        return "Procore has not told of an hourly limit yet."
    allowed = int(limit * share)
    return f"{100 * peak / max(1, allowed):.1f} % of the {allowed:,} that syncd may send in an hour"
