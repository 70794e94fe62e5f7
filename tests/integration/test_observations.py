"""What Procore observes of an app that behaves: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.program import QUOTA, Site
from support.sandbox import SMALL

from syncd.jobs.protocol import Request
from syncd.sandbox.server import Sandbox

SEVEN = {"403", "404", "429", "401", "missing company", "deprecated", "private"}


@pytest.mark.long
def test_a_healthy_run_of_all_of_tier_1_leaves_the_seven_observations_at_zero(tmp_path: Path) -> None:
    box = Sandbox(**SMALL, quota=QUOTA)  # type: ignore[arg-type]  # a mixture of ints and floats
    box.start()
    try:
        site = Site(tmp_path, box)
        site.job("all", resources=["tier1"])
        with site.app() as app:
            assert app.run_job("all", Request(), trigger="manual").status == "ok"
            assert app.views.overview().observations == dict.fromkeys(SEVEN, 0)
        assert +box.stats.observations == {}
        assert +box.stats.unknown_params == {}
    finally:
        box.stop()
