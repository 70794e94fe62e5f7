"""How a run goes is told without drowning anybody."""

import io
import re
from typing import Any

from rich.console import Console

from syncd.cli.progress import Bars, Lines
from syncd.model import Counts, Partition


def partition(resource: str, project: int = 1) -> Partition:
    return Partition("service", resource, 4266, project)


class Log:
    """A logger's twin."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **context: Any) -> None:
        self.lines.append((event, context))


class Watch:
    """A clock's twin."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_pipe_gets_a_line_when_a_resource_is_through() -> None:
    log = Log()
    lines = Lines(log, Watch())
    lines.planned("rfis", 2)
    for project in (1, 2):
        lines.page(partition("rfis", project), 30)
        lines.page(partition("rfis", project), 5)
        lines.done(partition("rfis", project), Counts())
    assert log.lines == [
        ("resource read", {"partitions": "2/2", "records": 70, "requests": 4, "resource": "rfis"}),
    ]


def test_a_pipe_gets_a_sign_of_life_from_time_to_time_however_many_pages_come() -> None:
    log, watch = Log(), Watch()
    lines = Lines(log, watch, between=10)
    lines.planned("rfis", 1)
    for _ in range(1000):
        watch.time += 0.05
        lines.page(partition("rfis"), 1)
    assert 4 <= len(log.lines) <= 5
    assert {event for event, _ in log.lines} == {"reading"}


def test_a_pipe_is_told_of_long_waits_once_in_a_while() -> None:
    log, watch = Log(), Watch()
    lines = Lines(log, watch, between=10)
    watch.time = 11
    for _ in range(5):
        lines.waiting(0.2, "quota")
        lines.waiting(40, "quota")
    assert log.lines == [("waiting", {"seconds": 40, "why": "quota"})]


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def screen(height: int = 12) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=110, height=height, color_system=None)


def test_a_terminal_sees_rows_and_requests_of_each_resource_under_way() -> None:
    console = screen()
    with Bars(console) as bars:
        bars.planned("rfis", 3)
        bars.planned("vendors", 1)
        bars.page(partition("rfis"), 1200)
        bars.done(partition("rfis"), Counts())
        bars.waiting(12, "quota")
    shown = drawn(console).split("all ")[-1]
    assert re.search(r"1/4 +1,200 rows +1 requests .*waiting 12 s for quota", shown)
    assert re.search(r"rfis .*1/3 +1,200 rows +1 requests", shown)
    assert re.search(r"vendors .*0/1 +0 rows", shown)


def test_a_terminal_is_never_overfull_and_full_bars_make_room() -> None:
    console = screen(height=8)
    with Bars(console) as bars:
        for index in range(50):
            bars.planned(f"resource_{index}", 1)
        for index in range(3):
            bars.done(partition(f"resource_{index}"), Counts())
        for index in range(3, 50):
            bars.page(partition(f"resource_{index}"), 1)
    shown = drawn(console).split("all ")[-1]
    assert "3/50" in shown
    assert shown.count("resource_") <= 4
    assert "resource_0 " not in shown
