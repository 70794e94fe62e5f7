"""A hostile network: addresses that lead elsewhere get no connection, let alone a header of ours."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import QUOTA, Site

from syncd.jobs.protocol import Request
from syncd.sandbox.server import Sandbox


@pytest.mark.parametrize("kind", ["link", "redirect", "location"])
def test_another_host_hears_nothing(tmp_path: Path, make_sandbox: Callable[..., Sandbox], kind: str) -> None:
    box = make_sandbox(quota=QUOTA)
    site = Site(tmp_path / "config", box)
    site.job("rfis")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        elsewhere = f"http://127.0.0.1:{trap.getsockname()[1]}/rest/v1.0/steal"
        if kind == "link":
            box.fault("link", path="/rfis", link=elsewhere)
        elif kind == "redirect":
            box.fault("status", path="/rfis", status=302, headers={"Location": elsewhere})
        else:
            box.fault("headers", path="/rfis", headers={"Location": elsewhere, "Content-Location": elsewhere})
        with site.app() as app:
            report = app.run_job("rfis", Request(), trigger="manual")
        with pytest.raises(BlockingIOError):
            trap.accept()
    assert (report.status == "ok") == (kind == "location")
    assert kind == "location" or "elsewhere" in (report.error or "") or "redirect" in (report.error or "")
