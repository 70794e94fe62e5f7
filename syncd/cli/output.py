"""Results on stdout: one JSON document, or tables and lines that a terminal shows in colour and a pipe gets plain."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_BETWEEN = 3
"""Characters between two columns."""
_LEAST = 7
"""Characters that a column of words needs at least: its text is broken over lines."""
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")


def print_json(document: Any) -> None:
    """Print one JSON document and nothing else. Instants are ISO 8601, durations seconds."""
    import orjson

    try:
        text = orjson.dumps(document, default=_plain_value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        text = json.dumps(document, default=_plain_value, indent=2)
    _write(text)


def _plain_value(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def print_line(text: str = "", *, style: str = "") -> None:
    """Print a line.

    Args:
        text: Plain text; brackets mean nothing in it.
        style: How a terminal shows it, in rich's words.
    """
    clean = text.translate(_CONTROLS).rstrip()
    if sys.stdout.isatty():
        from rich.text import Text

        terminal().print(Text(clean, style=style), soft_wrap=True)
    else:
        _write(clean)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Collection[int] = (),
    spare: Collection[int] = (),
    title: str = "",
) -> None:
    """Print a table.

    Args:
        columns: Headings.
        rows: Cells, as text.
        numeric: Columns that stand to the right.
        spare: Columns of numbers that a terminal without room for them is not shown where all of them are 0.
        title: A line above it.
    """
    clean = [[cell.translate(_CONTROLS) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich([columns, *clean], numeric, spare, title)
        return
    _print_plain([columns, *clean], numeric, title)


def _print_plain(rows: Sequence[Sequence[str]], numeric: Collection[int], title: str) -> None:
    if title:
        _write(title)
    for line in aligned(rows, numeric):
        _write(line)


def aligned(rows: Sequence[Sequence[str]], numeric: Collection[int] = ()) -> list[str]:
    """Rows as lines in which every column begins (or, numeric, ends) at the same place; two spaces between."""
    widths = _widths(rows)
    return [
        "  ".join(
            cell.rjust(width) if index in numeric else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max((len(row[index]) for row in rows), default=0) for index in range(max(map(len, rows), default=0))]


def fitting(rows: Sequence[Sequence[str]], spare: Collection[int], room: int) -> list[int]:
    """The columns to show, by their index: as many of those with nothing but 0 are left out as there is no room for.

    Args:
        rows: The headings first.
        spare: Columns that may be left out; the last one goes first.
        room: Characters that a line has.
    """
    widths = _widths(rows)
    shown = list(range(len(widths)))
    for index in sorted(spare, reverse=True):
        if sum(widths[one] + _BETWEEN for one in shown) <= room:
            break
        if all(row[index] == "0" for row in rows[1:]):
            shown.remove(index)
    return shown


def terminal() -> Console:
    """Rich's view of stdout, which knows NO_COLOR and the width."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False)


def _print_rich(rows: Sequence[Sequence[str]], numeric: Collection[int], spare: Collection[int], title: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    screen = terminal()
    shown = fitting(rows, spare, screen.width)
    widths = _widths(rows)
    whole = {index for index in shown if index in numeric or index == 0}
    if sum(widths[index] if index in whole else _LEAST for index in shown) + _BETWEEN * len(shown) > screen.width:
        # Names and numbers must not be broken: better that lines are.
        _print_plain(
            [[row[index] for index in shown] for row in rows], {shown.index(one) for one in whole - {0}}, title
        )
        return
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        pad_edge=False,
    )
    headings, *cells = rows
    for index in shown:
        table.add_column(
            headings[index],
            justify="right" if index in numeric else "left",
            overflow="fold",
            no_wrap=index in whole,
        )
    for row in cells:
        table.add_row(*(Text(row[index], style=_style(row[index])) for index in shown))
    screen.print(table)


def _style(cell: str) -> str:
    """Colours for the words that say how something went."""
    return {"ok": "green", "partial": "yellow", "failed": "bold red", "running": "cyan"}.get(cell, "")


def _write(text: str) -> None:
    """Write a line.

    Raises:
        BrokenPipeError: The reader has left.
        SyncdError: It cannot be written.
    """
    from syncd.cli.errors import discard_stdout
    from syncd.errors import SyncdError

    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_stdout()
        raise SyncdError(f"The output cannot be written: {error.strerror}.") from None
