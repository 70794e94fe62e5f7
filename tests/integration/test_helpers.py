"""Helper processes: they do the work, they may die, and they end with whom they work for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.fake import THINGS

from syncd.catalog.layout import layout_of
from syncd.engine.prepare import Prepared, Recipe
from syncd.helpers.pool import Helpers
from syncd.model import Partition

PLACE = Partition("service", THINGS.name, 1)
RECIPE = Recipe.of(THINGS, layout_of(THINGS), None)
PAGE = json.dumps([{"id": number, "name": "n" * 1_000} for number in range(100)]).encode()


def made(helpers: Helpers) -> Prepared | None:
    return helpers.prepare(RECIPE, PLACE, PAGE, "")


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


def children() -> list[int]:
    tasks = Path("/proc/self/task").iterdir()
    everybody = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    return [one for one in everybody if b"syncd.helpers.process" in Path(f"/proc/{one}/cmdline").read_bytes()]


def test_helpers_start_when_there_is_enough_to_do_and_end_with_the_last_run() -> None:
    helpers = Helpers(2, enough=3 * len(PAGE))
    with helpers.at_work():
        assert made(helpers) is None
        assert made(helpers) is None
        assert children() == []
        with helpers.at_work():
            page = until(lambda: made(helpers))
        assert list(page) == json.loads(PAGE)
        assert until(lambda: made(helpers)) == page
        until(lambda: len(children()) == 2)
    assert children() == []


def test_small_pages_are_not_worth_a_helper() -> None:
    helpers = Helpers(1, enough=0)
    with helpers.at_work():
        until(lambda: made(helpers))
        assert helpers.prepare(RECIPE, PLACE, b'[{"id": 1}]', "") is None


def test_without_helpers_nothing_is_started() -> None:
    helpers = Helpers(0, enough=0)
    with helpers.at_work():
        assert made(helpers) is None
        assert children() == []


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGSTOP])
def test_work_goes_on_without_a_helper_that_died_and_with_one_that_is_signalled(ending: signal.Signals) -> None:
    helpers = Helpers(1, enough=0)
    with helpers.at_work(), capture_logs() as logs:
        until(lambda: made(helpers))
        (pid,) = children()
        for harmless in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, harmless)
        assert made(helpers) is not None
        os.kill(pid, ending)
        if ending is signal.SIGKILL:
            until(lambda: made(helpers) is None)
            assert [entry["event"] for entry in logs] == [
                "a helper process ended, its work is done without it",
            ]
            assert made(helpers) is None
    assert children() == []


def test_a_helper_ends_with_a_process_that_is_killed() -> None:
    code = (
        "import sys, time; from integration.test_helpers import *\n"
        "helpers = Helpers(1, enough=0)\n"
        "with helpers.at_work():\n"
        "    until(lambda: made(helpers)); print(children()[0], flush=True); time.sleep(600)\n"
    )
    here = Path(__file__).parents[1]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=here, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    helper = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not Path(f"/proc/{helper}").exists() or "Z" in Path(f"/proc/{helper}/stat").read_text().split()[2])


def test_an_error_while_a_helper_works_leaves_nobody_waiting_for_it() -> None:
    helpers = Helpers(1, enough=0)
    with helpers.at_work():
        until(lambda: made(helpers))
        with pytest.raises(ValueError, match="unmarshallable"):
            helpers.prepare(RECIPE, Partition(object(), THINGS.name, 1), PAGE, "")  # type: ignore[arg-type] # that is the error
        assert made(helpers) is None
    assert children() == []
