"""The status page of the real daemon, and what a reload does to its port."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.daemon import PATIENCE, Begin, Daemon, free_port
from support.program import Site

from syncd.sandbox.server import Sandbox

RESOURCES = ["projects", "rfis", "submittals", "vendors"]


def answer(port: int, path: str) -> tuple[int, str]:
    """What the daemon answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def listen(site: Site, port: int) -> None:
    """Configure the port of the status page."""
    site.settings["http"] = {"listen": port}
    site.write()


def test_it_answers_by_http_and_a_reload_moves_it_to_another_port_unless_that_is_taken(
    begin: Begin, sandbox: Sandbox, tmp_path: Path
) -> None:
    site = Site(tmp_path / "config", sandbox)
    site.job("field", resources=["projects"], schedule={"every": "1h"})
    first = free_port()
    listen(site, first)
    daemon: Daemon = begin(site)
    daemon.logged("run ended", "status=ok")
    assert answer(first, "/healthz") == (200, "ok\n")
    assert answer(first, "/readyz") == (200, "ready\n")
    assert 'job="field"' in answer(first, "/metrics")[1]
    status, page = answer(first, "/")
    assert (status, "field" in page) == (200, True)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen(site, taken.getsockname()[1])
        daemon.send(signal.SIGHUP)
        line = daemon.logged("refused, the old one stays")
        assert "cannot listen" in line
        assert answer(first, "/healthz") == (200, "ok\n")

    second = free_port()
    listen(site, second)
    daemon.send(signal.SIGHUP)
    daemon.logged("configuration read again")
    assert answer(second, "/healthz") == (200, "ok\n")
    with pytest.raises(urllib.error.URLError):
        answer(first, "/healthz")
    (site.folder / "syncd.yaml").write_text(json.dumps(site.settings)[:-1])
    daemon.send(signal.SIGHUP)
    daemon.logged("refused, the old one stays", "syncd.yaml")
    assert answer(second, "/readyz") == (200, "ready\n")
    assert daemon.end()[0] == 0
