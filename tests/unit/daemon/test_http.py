"""What the daemon answers by HTTP: over a real socket, from a view that a test fills."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from support.looks import NOW, Looks, run

from syncd.daemon.http import StatusServer
from syncd.errors import StoreUnavailable, SyncdError
from syncd.overview import TokenView, Totals

Get = Callable[..., httpx.Response]


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def readiness() -> list[tuple[bool, str]]:
    return [(True, "")]


@pytest.fixture
def get(looks: Looks, readiness: list[tuple[bool, str]]) -> Iterator[Get]:
    server = StatusServer("127.0.0.1", 0, looks, lambda: readiness[-1])
    server.start()
    with httpx.Client(base_url=server.url) as client:
        yield lambda path, method="GET", **headers: client.request(method, path, headers=headers)
    server.stop()


def test_a_live_process_is_healthy_even_without_its_database(get: Get, looks: Looks) -> None:
    looks.away = StoreUnavailable("The database does not answer.")
    assert (get("/healthz").status_code, get("/healthz").text) == (200, "ok\n")


def test_readiness_says_why_not(get: Get, readiness: list[tuple[bool, str]]) -> None:
    assert get("/readyz").status_code == 200
    readiness.append((False, "The database does not answer."))
    assert (get("/readyz").status_code, get("/readyz").text) == (503, "The database does not answer.\n")


def test_nothing_can_be_written(get: Get) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/", "/metrics", "/healthz", "/readyz"):
            answer = get(path, method)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_other_paths_are_not_there(get: Get) -> None:
    assert get("/etc/passwd").status_code == 404


def test_what_is_no_address_is_not_there_and_no_traceback(looks: Looks, capfd: pytest.CaptureFixture[str]) -> None:
    server = StatusServer("127.0.0.1", 0, looks, lambda: (True, ""))
    server.start()
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port)) as odd:
        odd.sendall(b"GET http://[odd/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 404 " in odd.recv(100)
    server.stop()
    assert "Traceback" not in capfd.readouterr().err


def test_browsers_are_told_to_load_keep_and_tell_nothing(get: Get) -> None:
    for path in ("/", "/metrics", "/healthz", "/nowhere"):
        headers = get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["server"] == "syncd"


def test_a_name_that_was_rebound_to_this_machine_is_refused(get: Get) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "a b", "[::1"):
        assert get("/", Host=host).status_code == 421, host


def test_loopback_names_and_addresses_are_meant(get: Get) -> None:
    for host in ("localhost", "LOCALHOST:8901", "127.0.0.1", "[::1]:8901", "10.1.2.3", "syncd.localhost"):
        assert get("/healthz", Host=host).status_code == 200, host


def test_the_page_shows_jobs_tables_quota_refusals_and_errors_with_remedy(get: Get) -> None:
    text = get("/").text
    for said in ("One thing needs you", "every 15m", "in 10 min", "rfis", "600", "3,600", "submittals", "Mend it."):
        assert said in text
    assert "3 times in 14 days" in text
    assert "<script" not in text
    assert " style=" not in text


def test_all_that_comes_from_outside_is_escaped(get: Get, looks: Looks) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x>"
    job = replace(looks.seen.jobs[1], name=evil, last=run("x", "failed", error=evil, remedy=evil), schedule=evil)
    token = TokenView(evil, "failing", evil)
    refusal = replace(looks.seen.refusals[0], reason=evil, resource=evil, principal=evil)
    looks.seen = replace(
        looks.seen,
        jobs=[job],
        tokens=[token],
        refusals=[refusal],
        observations={evil: 1},
        tables=[replace(looks.seen.tables[0], resource=evil, principal=evil)],
    )
    looks.past = replace(looks.past, errors=[run(evil, "failed", error=evil, remedy=evil)])
    text = get("/").text
    assert "<script" not in text
    assert "<img" not in text
    assert text.count("&lt;script&gt;") > 10


def test_a_database_that_is_away_is_one_sentence(get: Get, looks: Looks) -> None:
    looks.away = StoreUnavailable("The database does not answer.", "Start it.")
    answer = get("/")
    assert (answer.status_code, answer.text) == (503, "The database does not answer. Start it.\n")
    assert "syncd_up 0.0" in get("/metrics").text


def test_a_table_older_than_its_job_allows_is_stale(get: Get, looks: Looks) -> None:
    looks.seen = replace(looks.seen, stale_after={("rfis", "service"): timedelta(hours=1)})
    assert "stale, 2 h" in get("/").text
    assert looks.seen.concerns()[-1].message == "Older than their job allows: rfis."


def test_a_job_without_a_token_is_one_concern_and_not_two(looks: Looks) -> None:
    token = TokenView("service", "consent needed", "Let the user sign in.")
    seen = replace(looks.seen, tokens=[token])
    assert [one.subject for one in seen.concerns()] == ["service"]


def test_metrics_are_read_from_the_view(get: Get) -> None:
    text = get("/metrics").text
    for line in (
        'syncd_table_age_seconds{principal="service",resource="rfis"} 7200.0',
        'syncd_quota_remaining{window="hour"} 3000.0',
        'syncd_quota_limit{window="hour"} 3600.0',
        'syncd_token_expires_in_seconds{principal="service"} 1800.0',
        'syncd_jobs{state="due"} 0.0',
        'syncd_job_last_run_ok{job="money"} 0.0',
        f'syncd_job_next_run_timestamp_seconds{{job="field"}} {(NOW + timedelta(minutes=10)).timestamp()}',
    ):
        assert line in text.splitlines() or line in re.sub(r"1\.\d+e\+09", lambda m: str(float(m[0])), text)
    assert "process_resident_memory_bytes" in text


def test_counters_begin_at_zero_and_never_go_back_when_ledgers_are_pruned(get: Get, looks: Looks) -> None:
    def counted(total: float) -> float:
        looks.sums = Totals({("field", "ok"): total}, {}, {})
        found = re.search(r'syncd_runs_total\{job="field",status="ok"\} (\S+)', get("/metrics").text)
        return float(found[1]) if found else -1

    assert [counted(total) for total in (3, 5, 1, 4)] == [3, 5, 5, 8]


def test_a_taken_port_is_one_sentence_with_a_remedy(looks: Looks) -> None:
    first = StatusServer("127.0.0.1", 0, looks, lambda: (True, ""))
    first.start()
    port = int(first.url.rstrip("/").rpartition(":")[2])
    try:
        with pytest.raises(SyncdError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use\. Choose"):
            StatusServer("127.0.0.1", port, looks, lambda: (True, "")).start()
    finally:
        first.stop()
