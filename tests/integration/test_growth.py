"""A daemon that runs for years must hold as much after the thousandth run as after the tenth."""

from __future__ import annotations

import gc
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.simulation import START, Simulation

TURN = timedelta(hours=2)
"""In which every job runs once."""
TURNS = 12
SETTLED = 4
"""Turns after which everything that is made once has been made."""
FEW = 200
"""Objects per turn that are no leak: the runs of a turn make and drop many thousands, and one table has hundreds."""

OFTEN: dict[str, Any] = {"schedule": {"every": "2h"}}
JOBS = {
    "plain": OFTEN | {"resources": ["projects", "rfis"]},
    # The same resource in another form: what is stored as a number or a date elsewhere, is text here.
    "hashing": OFTEN | {"resources": ["rfis", "vendors"], "hash": {"rfis": ["created_by.id", "due_date"]}},
    "narrow": OFTEN | {"resources": ["vendors"], "exclude": {"vendors": ["email_address"]}},
}


def objects() -> int:
    """How many there are, after those that nothing refers to are gone."""
    for thread in threading.enumerate():
        if thread.name == "tokens":
            thread.join()
    while gc.collect():
        pass
    return len(gc.get_objects())


@pytest.mark.long
def test_a_day_of_runs_leaves_no_more_objects_than_its_first_hours(tmp_path: Path) -> None:
    daemon = Simulation(tmp_path, JOBS)

    def lived(turns: int) -> int:
        for _ in range(turns):
            daemon.live(daemon.clock.time + TURN)
            daemon.box.stir(1)
        return objects()

    settled = lived(SETTLED)
    grown = lived(TURNS - SETTLED) - settled
    assert daemon.clock.time >= START + TURNS * TURN
    assert len(daemon.rows("select id from syncd_runs where status = 'ok'")) >= 3 * (TURNS - 1)
    assert grown < FEW * (TURNS - SETTLED)
    daemon.agenda.close()


@pytest.mark.long
def test_reading_the_configuration_again_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    daemon = Simulation(tmp_path, JOBS)

    def reloaded(times: int) -> int:
        for _ in range(times):
            daemon.reload()
            daemon.live(daemon.clock.time + TURN)
        return objects()

    settled = reloaded(2)
    assert reloaded(4) - settled < FEW * 4
    daemon.agenda.close()
