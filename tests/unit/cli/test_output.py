"""Results: one JSON document, plain lines in a pipe, tables at a terminal."""

import io
import json
import re
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.cli.output import aligned, fitting, print_json, print_line, print_table
from syncd.model import Status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(document: Any) -> Any:
    with redirect_stdout(io.StringIO()) as out:
        print_json(document)
    assert out.getvalue().endswith("\n")
    return json.loads(out.getvalue())


def test_json_holds_what_syncd_reports() -> None:
    document = {
        "status": Status.OK,
        "id": 562949953421312,
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "took": timedelta(seconds=90),
        "path": Path("a/b"),
        "names": {"b", "a"},
        "none": None,
    }
    assert printed(document) == {
        "status": "ok",
        "id": 562949953421312,
        "at": "2026-01-02T00:00:00+00:00",
        "took": 90.0,
        "path": "a/b",
        "names": ["a", "b"],
        "none": None,
    }


@pytest.mark.parametrize("value", ["\ud800", 2**80, "\x00", "ünï"])
def test_json_survives_what_databases_can_hold(value: Any) -> None:
    assert printed([value]) == [value]


def test_a_pipe_gets_aligned_lines_without_escapes() -> None:
    with redirect_stdout(io.StringIO()) as out:
        print_table(["table", "rows"], [["rfis", "5"], ["a\nb\x1b[31m", "1,200"]], numeric=(1,), title="Tables")
    assert out.getvalue() == "Tables\ntable      rows\nrfis          5\na b [31m  1,200\n"


def test_a_terminal_gets_a_table_in_which_brackets_mean_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with redirect_stdout(Terminal()) as out:
        print_table(["table", "status"], [["[bold]x[/bold]", "ok"]], title="Tables")
        print_line("[red]plain[/red]", style="red")
    assert "[bold]x[/bold]" in out.getvalue()
    assert "[red]plain[/red]" in out.getvalue()
    assert "─" in out.getvalue()
    assert not re.search(r"\x1b\[3[0-7]", out.getvalue())


CELL = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=6)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)))
def test_aligned_columns_begin_at_the_same_place(rows: list[list[str]]) -> None:
    lines = aligned(rows)
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    starts = [sum(widths[:index]) + 2 * index for index in range(len(widths))]
    for row, line in zip(rows, lines, strict=True):
        assert [line[start : start + len(cell)] for start, cell in zip(starts, row, strict=True)] == row


_RUN = ["resource", "status", "mode", "partitions", "read", "inserted", "updated", "unchanged", "deleted", "rejected"]


@pytest.mark.parametrize(
    ("room", "left_out"),
    [
        (200, []),
        (108, []),
        (107, ["rejected"]),
        (80, ["updated", "unchanged", "rejected"]),
        (20, ["updated", "unchanged", "rejected"]),
    ],
)
def test_a_narrow_terminal_is_not_shown_columns_of_nothing_but_zeros(room: int, left_out: list[str]) -> None:
    rows = [["purchase_orders", "ok", "full", "9", "40", "30", "0", "0", "1", "0"]]
    shown = fitting([_RUN, *rows], range(5, 10), room)
    assert [name for index, name in enumerate(_RUN) if index not in shown] == left_out


@pytest.mark.parametrize("columns", [120, 80, 40, 20])
def test_names_and_numbers_are_whole_however_narrow_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [["purchase_order_contracts", "partial", "incremental", "12", "1,234,567", "12", "3", "0", "4", "0"]]
    with redirect_stdout(Terminal()) as out:
        print_table(_RUN, rows, numeric=range(3, 10), spare=range(5, 10))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    assert all(re.search(rf"(^|\s){cell}(\s|$)", shown) for cell in (*rows[0][:1], *rows[0][3:7]))
