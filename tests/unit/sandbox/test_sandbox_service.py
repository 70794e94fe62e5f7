from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from support.sandbox import SMALL, ManualClock, client, inside

from syncd.sandbox.server import Sandbox

RFIS = "/rest/v1.0/projects/{}/rfis"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def box(clock: ManualClock) -> Sandbox:
    return Sandbox(**(SMALL | {"scale": 0.5}), clock=clock, quota=((20, 3600), (6, 10)))  # type: ignore[arg-type]


@pytest.fixture
def http(box: Sandbox) -> Iterator[httpx.Client]:
    with inside(box) as inner:
        yield inner


def rate(answer: httpx.Response) -> tuple[int, int, int]:
    limit, remaining, reset = (int(answer.headers[f"X-Rate-Limit-{name}"]) for name in ("Limit", "Remaining", "Reset"))
    return limit, remaining, reset


def test_headers_tell_of_the_window_that_is_nearer_and_429_of_when_to_come_back(
    http: httpx.Client, clock: ManualClock
) -> None:
    start = int(clock())
    for left in (5, 4, 3, 2, 1, 0):
        answer = http.get("/rest/v1.0/me")
        assert (answer.status_code, rate(answer)) == (200, (6, left, start + 10))
    clock.advance(3)
    refused = http.get("/rest/v1.0/me")
    assert (refused.status_code, rate(refused), refused.headers["Retry-After"]) == (429, (6, 0, start + 10), "7")
    clock.advance(7)
    assert http.get("/rest/v1.0/me").status_code == 200


def test_the_hour_comes_to_be_the_nearer_window(http: httpx.Client, clock: ManualClock) -> None:
    start = int(clock())
    seen = []
    for _ in range(20):
        seen.append(rate(http.get("/rest/v1.0/me")))
        clock.advance(2.5)
    assert {limit for limit, _, _ in seen} == {6, 20}
    assert seen[-1] == (20, 0, start + 3600)
    assert http.get("/rest/v1.0/me").status_code == 429


def test_refused_requests_count_too(http: httpx.Client) -> None:
    statuses = [http.get("/rest/v1.0/projects/1/rfis").status_code for _ in range(7)]
    assert statuses == [404] * 6 + [429]


def test_every_response_carries_the_servers_date(box: Sandbox, http: httpx.Client, clock: ManualClock) -> None:
    box.offset = -600
    answer = http.get("/rest/v1.0/nothing")
    assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == int(clock()) - 600


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": ""}, 401),
        ({"Procore-Company-Id": ""}, 400),
        ({"Procore-Company-Id": "1"}, 403),
    ],
)
def test_a_request_without_its_credentials_is_refused_in_procores_form(
    box: Sandbox, http: httpx.Client, headers: dict[str, str], status: int
) -> None:
    answer = http.get("/rest/v1.0/companies", headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"]
    missing = headers.get("Procore-Company-Id") == ""
    assert box.stats.observations["missing company header"] == missing


def test_an_uninstalled_app_is_not_connected(box: Sandbox, http: httpx.Client) -> None:
    box.permissions.connected = False
    answer = http.get("/rest/v1.0/companies")
    assert (answer.status_code, answer.json()) == (403, {"errors": "App is not connected to this company"})


def test_users_see_their_projects_tools_and_records_only(box: Sandbox, make_sandbox: Callable[..., Sandbox]) -> None:
    wide = make_sandbox(projects=4, scale=0.5)
    with inside(wide, "bob") as bob, inside(wide, "carol") as carol:
        mine, other = wide.projects[0].id, wide.projects[2].id
        listing: dict[str, Any] = {"company_id": 4266, "filters[by_status]": "All"}
        assert len(bob.get("/rest/v1.1/projects", params=listing).json()) == 2
        assert len(carol.get("/rest/v1.1/projects", params=listing).json()) == 4
        assert bob.get(RFIS.format(other)).status_code == 403
        assert carol.get(RFIS.format(other)).status_code == 200
        assert bob.get("/rest/v1.0/work_order_contracts", params={"project_id": mine}).status_code == 403
        seen, everything = bob.get(RFIS.format(mine)).json(), carol.get(RFIS.format(mine)).json()
        assert seen == [rfi for rfi in everything if not rfi["private"]]
        assert len(seen) < len(everything)


def test_a_refusal_is_for_whom_and_what_it_names(box: Sandbox, http: httpx.Client) -> None:
    first, second = box.active_projects
    refusal = box.refuse("rfis", first, status=404, principal="service", message="Tool is off")
    answer = http.get(RFIS.format(first))
    assert (answer.status_code, answer.json()) == (404, {"errors": "Tool is off"})
    assert http.get(RFIS.format(second)).status_code == 200
    with inside(box, "carol") as carol:
        assert carol.get(RFIS.format(first)).status_code == 200
    box.grant(refusal)
    assert http.get(RFIS.format(first)).status_code == 200
    box.refuse("rfis", status=200)
    assert http.get(RFIS.format(first)).json() == []


def test_faults_strike_the_requests_they_match_and_no_more(box: Sandbox, http: httpx.Client) -> None:
    box.quota.configure([])
    path = RFIS.format(box.active_projects[0])
    fault = box.fault("status", path="rfis", nth=2, status=503, headers={"Retry-After": "3"})
    answers = [http.get(path) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 503, 200]
    assert answers[1].headers["Retry-After"] == "3"
    assert (fault.matched, fault.applied) == (3, 1)
    limited = box.fault("status", path="/me", status=500, count=2)
    assert [http.get("/rest/v1.0/me").status_code for _ in range(4)] == [500, 500, 200, 200]
    assert limited.applied == 2
    with pytest.raises(ValueError, match="kinds are"):
        box.fault("explode")


def test_faults_spoil_bodies_headers_and_links(box: Sandbox, http: httpx.Client) -> None:
    box.quota.configure([])
    path = RFIS.format(box.active_projects[0])

    def once(kind: str, **details: Any) -> httpx.Response:
        box.faults.clear()
        box.fault(kind, path="rfis", **details)
        return http.get(path, params={"per_page": 2})

    assert once("body", body='[{"id": NaN}').text == '[{"id": NaN}'
    empty = once("empty")
    assert (empty.json(), empty.headers["Total"]) == ([], "0")
    assert "Total" not in once("headers", headers={"Total": None}).headers
    assert once("headers", headers={"X-Rate-Limit-Remaining": "-1"}).headers["X-Rate-Limit-Remaining"] == "-1"
    looped = once("link", link="loop")
    assert looped.links["next"]["url"] == str(looped.url)
    assert once("link", link="http://elsewhere.example/x").links["next"]["url"] == "http://elsewhere.example/x"
    assert "Link" not in once("link", link="missing").headers
    moved = once("status", status=302, headers={"Location": "http://elsewhere.example/"})
    assert (moved.status_code, moved.headers["Location"]) == (302, "http://elsewhere.example/")


@pytest.mark.parametrize(("change", "difference"), [("delete", -1), ("create", 1), ("edit", 0)])
def test_drift_changes_the_list_between_pages(box: Sandbox, http: httpx.Client, change: str, difference: int) -> None:
    path = RFIS.format(box.active_projects[0])
    before = http.get(path).json()
    box.fault("drift", path="rfis", change=change, count=1)
    assert http.get(path).json() == before
    after = http.get(path).json()
    assert len(after) - len(before) == difference
    assert after != before


def test_slow_answers_come_and_broken_connections_break(sandbox: Sandbox) -> None:
    path = RFIS.format(sandbox.active_projects[0])
    with client(sandbox) as http:
        sandbox.fault("reset", path="rfis", count=1)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            http.get(path)
        sandbox.fault("truncate", path="rfis", count=1)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            http.get(path)
        sandbox.fault("delay", path="rfis", seconds=0.3, count=1)
        with pytest.raises(httpx.ReadTimeout):
            http.get(path, timeout=0.1)
        assert http.get(path).json()


def test_one_connection_serves_many_requests(sandbox: Sandbox) -> None:
    with client(sandbox) as http:
        ports = set()
        for _ in range(3):
            with http.stream("GET", "/rest/v1.0/me") as answer:
                ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
                answer.read()
            http.post(
                "/oauth/token", data={"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo"}
            )
    assert len(ports) == 1


def test_long_answers_are_compressed_where_that_is_accepted(sandbox: Sandbox) -> None:
    path = RFIS.format(sandbox.active_projects[0])
    with client(sandbox) as http:
        packed = http.get(path)
        plain = http.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json()


def test_the_control_endpoint_changes_what_is_served(sandbox: Sandbox) -> None:
    project = sandbox.active_projects[0]
    with client(sandbox) as http:

        def control(name: str, **document: Any) -> Any:
            answer = http.post(f"/control/{name}", json=document)
            assert answer.status_code == 200, answer.text
            return answer.json()

        made = control("records", action="create", resource="rfis", project=project, fields={"subject": "New"})
        assert made["subject"] == "New"
        control("records", action="edit", resource="rfis", project=project, id=made["id"], fields={"subject": "Newer"})
        control("records", action="delete", resource="rfis", project=project, id=made["id"])
        truth = http.get("/control/records", params={"resource": "rfis", "project": project}).json()
        mine = next(one for one in truth if one["record"]["id"] == made["id"])
        assert (mine["deleted"], mine["record"]["subject"], mine["project_id"]) == (True, "Newer", project)
        control("records", action="restore", resource="rfis", project=project, id=made["id"])
        assert made["id"] in {rfi["id"] for rfi in http.get(RFIS.format(project)).json()}
        control("refuse", resource="rfis", status=404)
        assert http.get(RFIS.format(project)).status_code == 404
        control("refuse", clear=True)
        control("faults", kind="status", path="rfis", status=500)
        assert http.get(RFIS.format(project)).status_code == 500
        control("faults", clear=True)
        control("quota", windows=[[1000, 3600], [50, 10]])
        assert http.get("/rest/v1.0/me").headers["X-Rate-Limit-Limit"] == "50"
        control("stats")
        http.get("/rest/v1.0/me")
        assert http.get("/control/stats").json()["by_status"] == {"200": 1}
        assert control("live", changes=20)["changes"] > 10
        control("tokens", revoke=True)
        assert http.get("/rest/v1.0/me").status_code == 401
        assert http.post("/control/faults", json={"kind": "no such"}).status_code == 400
        assert http.post("/control/records", json={"action": "edit"}).status_code == 400


def test_stirring_changes_records_that_were_read_and_moves_their_stamps(box: Sandbox, clock: ManualClock) -> None:
    project = box.active_projects[0]
    before = {rfi["id"]: rfi for rfi in box.records("rfis", project)}
    clock.advance(5000)
    assert box.stir(60) > 40
    after = {rfi["id"]: rfi for rfi in box.records("rfis", project)}
    changed = [rfi for key, rfi in after.items() if before.get(key) != rfi]
    assert changed
    assert len({rfi["updated_at"] for rfi in changed}) == 1
    assert changed[0]["updated_at"] > max(rfi["updated_at"] for rfi in before.values())


def test_what_a_client_does_is_counted(box: Sandbox, http: httpx.Client) -> None:
    project = box.active_projects[0]
    http.get(RFIS.format(project), params={"filters[nonsense]": 1})
    http.get("/rest/v1.0/secret")
    stats = box.stats.document()
    assert stats["requests"] == 2
    assert stats["by_status"] == {"200": 1, "404": 1}
    assert stats["by_resource"] == {"rfis": 1}
    assert stats["by_project"] == {str(project): 1}
    assert stats["unknown_params"] == {"rfis: filters[nonsense]": 1}
    assert stats["observations"] == {"404": 1, "private endpoint": 1}


COMMAND = "import typer; from syncd.cli.sandbox import sandbox; typer.run(sandbox)"


def test_the_command_prints_its_address_once_it_answers_and_ends_on_a_signal() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--port", "0", "--scale", "0.05", "--live"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(address).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = f"from syncd.cli.sandbox import sandbox\ntry: sandbox(port={port}, scale=0.05)\nexcept Exception as e: print(type(e).__name__, e)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ, timeout=20
        )
    assert done.stdout.startswith(f"SyncdError Port {port} on 127.0.0.1 cannot be used")


def test_an_operators_own_definitions_are_served_too(tmp_path: Any) -> None:
    (tmp_path / "own.yaml").write_text(
        "crane_bookings:\n  title: Crane bookings\n  path: /rest/v1.0/projects/{project_id}/crane_bookings\n  scope: project\n"
    )
    box = Sandbox(**SMALL, catalog=[tmp_path])  # type: ignore[arg-type]
    with inside(box) as http:
        answer = http.get(f"/rest/v1.0/projects/{box.active_projects[0]}/crane_bookings")
    assert answer.json() == box.records("crane_bookings", box.active_projects[0])
    assert json.loads(answer.text)
