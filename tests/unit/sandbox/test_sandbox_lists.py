from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.sandbox import SMALL, ManualClock, inside

from syncd.sandbox.server import Sandbox


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def box(clock: ManualClock) -> Sandbox:
    return Sandbox(**(SMALL | {"scale": 0.5}), clock=clock)  # type: ignore[arg-type]


@pytest.fixture
def http(box: Sandbox) -> Iterator[httpx.Client]:
    with inside(box) as client:
        yield client


@pytest.fixture
def project(box: Sandbox) -> int:
    return box.active_projects[0]


def pages(http: httpx.Client, path: str, **params: Any) -> list[httpx.Response]:
    """Follow rel=next to the end."""
    found = [http.get(path, params=params)]
    while "next" in found[-1].links:
        found.append(http.get(found[-1].links["next"]["url"]))
    return found


def ids(records: list[dict[str, Any]]) -> list[Any]:
    return [record["id"] for record in records]


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_pages_follow_each_other_by_link_and_add_up_to_total(box: Sandbox, http: httpx.Client, project: int) -> None:
    answers = pages(http, f"/rest/v1.0/projects/{project}/rfis", per_page=4)
    assert all(answer.headers["Per-Page"] == "4" for answer in answers)
    listed = [one for answer in answers for one in ids(answer.json())]
    assert len(listed) == len(set(listed)) == int(answers[0].headers["Total"])
    assert set(listed) == set(ids(box.records("rfis", project)))
    assert set(answers[0].links) == {"first", "last", "next"}
    assert set(answers[1].links) == {"first", "last", "prev", "next"}
    assert set(answers[-1].links) == {"first", "last", "prev"}


def test_links_keep_the_other_parameters(http: httpx.Client, project: int) -> None:
    params: dict[str, Any] = {"per_page": 2, "filters[updated_at]": "2001-01-01T00:00:00Z...2099-01-01T00:00:00Z"}
    first = http.get(f"/rest/v1.0/projects/{project}/rfis", params=params)
    assert "filters%5Bupdated_at%5D=2001-01-01" in first.links["next"]["url"]


def test_an_excessive_page_size_is_capped_and_the_header_says_so(
    box: Sandbox, http: httpx.Client, project: int
) -> None:
    cap = box.catalog["rfis"].page_size
    assert http.get(f"/rest/v1.0/projects/{project}/rfis", params={"per_page": cap + 1}).headers["Per-Page"] == str(cap)


def test_second_generation_lists_are_wrapped_paged_by_ten_and_have_text_ids(
    box: Sandbox, http: httpx.Client, project: int
) -> None:
    path = f"/rest/v2.0/companies/4266/projects/{project}/commitment_contracts"
    answer = http.get(path)
    assert set(answer.json()) == {"data"}
    assert answer.headers["Per-Page"] == "10"
    assert http.get(path, params={"per_page": 500}).headers["Per-Page"] == "100"
    assert all(isinstance(record["id"], str) for record in answer.json()["data"])
    assert set(ids(answer.json()["data"])) <= set(ids(box.records("commitment_contracts", project)))


def test_an_unpaged_list_answers_whole_and_without_headers(box: Sandbox, http: httpx.Client, project: int) -> None:
    entry = box.catalog["specification_sections"]
    assert entry.paging == "none"
    answer = http.get("/rest/v1.0/specification_sections", params={"project_id": project, "per_page": 1})
    assert len(answer.json()) == len(box.records("specification_sections", project)) > 1
    assert not {"Link", "Total", "Per-Page"} & set(answer.headers)


def test_meetings_come_in_groups_and_every_meeting_once(box: Sandbox, http: httpx.Client, project: int) -> None:
    groups = http.get(f"/rest/v1.1/projects/{project}/meetings").json()
    assert all(set(group) == {"group_title", "meetings"} for group in groups)
    flat = [{"group_title": group["group_title"], **meeting} for group in groups for meeting in group["meetings"]]
    assert sorted(flat, key=lambda one: one["id"]) == sorted(
        box.records("meetings", project), key=lambda one: one["id"]
    )


@pytest.mark.parametrize("quote", ["", '"'])
def test_updated_at_ranges_are_closed_and_may_be_quoted(
    box: Sandbox, http: httpx.Client, clock: ManualClock, project: int, quote: str
) -> None:
    path = f"/rest/v1.0/projects/{project}/rfis"
    clock.advance(1000)
    edited = box.edit("rfis", box.records("rfis", project)[0]["id"], project, subject="Moved door")
    now = stamp(clock())
    assert edited["updated_at"] == now

    def listed(low: str, high: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = http.get(
            path, params={"filters[updated_at]": f"{quote}{low}...{high}{quote}"}
        ).json()
        return found

    assert listed(now, now) == [edited]
    assert listed(stamp(clock() - 900), stamp(clock() - 1)) == []
    assert listed(stamp(clock() + 1), stamp(clock() + 900)) == []
    assert len(listed("2001-01-01T00:00:00Z", now)) == len(box.records("rfis", project))


def test_a_range_that_is_none_is_a_bad_request(http: httpx.Client, project: int) -> None:
    answer = http.get(f"/rest/v1.0/projects/{project}/rfis", params={"filters[updated_at]": "yesterday"})
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == ["filters[updated_at]"]


def test_deleted_records_leave_the_list_and_stand_in_the_recycle_bin(
    box: Sandbox, http: httpx.Client, project: int
) -> None:
    path = f"/rest/v1.0/projects/{project}/rfis"
    victim = box.records("rfis", project)[1]["id"]
    box.delete("rfis", victim, project)
    assert victim not in ids(http.get(path).json())
    binned = {record["id"]: record for record in http.get(f"{path}/recycle_bin").json()}
    assert binned[victim]["deleted"] is True
    assert binned[victim]["deleted_at"]
    box.restore("rfis", victim, project)
    restored = {record["id"]: record for record in http.get(path).json()}
    assert restored[victim]["deleted_at"] is None
    assert victim not in ids(http.get(f"{path}/recycle_bin").json())


def test_every_form_of_asking_for_deleted_records_brings_them(box: Sandbox, http: httpx.Client, project: int) -> None:
    seen = set()
    for entry in box.catalog:
        param, value = (entry.deletions or {}).get("param"), (entry.deletions or {}).get("value")
        if param is None or value is None or entry.outer or not entry.key:
            continue
        seen.add((param, value))
        at = project if entry.scope == "project" else None
        victim = box.create(entry.name, at)
        key = entry.key[-1]
        box.delete(entry.name, victim[key], at)
        path = entry.path.replace("{company_id}", "4266").replace("{project_id}", str(project))
        query = {"project_id": project, "company_id": 4266, "per_page": entry.page_size, **entry.params}
        plain, brought = http.get(path, params=query), http.get(path, params={**query, param: value})
        assert str(victim[key]) not in plain.text, entry.name
        assert str(victim[key]) in brought.text, entry.name
        both = value == "with"
        live = {record[key] for record in box.records(entry.name, at)}
        assert any(str(one) in brought.text for one in live) == (both and bool(live)), entry.name
    assert len(seen) >= 6


def test_dated_lists_answer_for_today_only_until_days_are_given(
    box: Sandbox, http: httpx.Client, clock: ManualClock, project: int
) -> None:
    path = f"/rest/v1.0/projects/{project}/manpower_logs"
    today = datetime.fromtimestamp(clock(), UTC).date()
    everything = box.records("manpower_logs", project)
    assert {record["date"] for record in http.get(path).json()} == {today.isoformat()}
    span: dict[str, Any] = {
        "start_date": (today - timedelta(days=365)).isoformat(),
        "end_date": today.isoformat(),
        "per_page": 2000,
    }
    assert len(http.get(path, params=span).json()) == len(everything)
    assert len({record["date"] for record in everything}) > 30
    day = everything[3]["date"]
    of_day = [record for record in everything if record["date"] == day]
    assert len(http.get(path, params={"log_date": day}).json()) == len(of_day)
    assert http.get(path, params={"start_date": "soon"}).status_code == 400


def test_a_window_longer_than_permitted_is_too_large(box: Sandbox, http: httpx.Client, project: int) -> None:
    box.behaviour.longest_window = 31
    path = f"/rest/v1.0/projects/{project}/manpower_logs"
    assert http.get(path, params={"start_date": "2026-01-01", "end_date": "2026-02-01"}).status_code == 408
    assert http.get(path, params={"start_date": "2026-01-01", "end_date": "2026-01-31"}).status_code == 200


def test_projects_are_active_ones_until_all_are_asked_for(box: Sandbox, http: httpx.Client) -> None:
    box.edit("projects", box.active_projects[0], active=False)
    shown = ids(http.get("/rest/v1.1/projects", params={"company_id": 4266}).json())
    assert sorted(shown) == sorted(box.active_projects[1:])
    everyone = http.get("/rest/v1.1/projects", params={"company_id": 4266, "filters[by_status]": "All"}).json()
    assert len(everyone) == len(box.projects)


@pytest.mark.parametrize(
    ("params", "descending"),
    [
        ({"sort[attribute]": "created_at", "sort[direction]": "asc"}, False),
        ({"sort": "created_at"}, False),
        ({"sort": "-created_at"}, True),
    ],
)
def test_lists_can_be_sorted(http: httpx.Client, project: int, params: dict[str, str], *, descending: bool) -> None:
    stamps = [record["created_at"] for record in http.get(f"/rest/v1.0/projects/{project}/rfis", params=params).json()]
    assert stamps == sorted(stamps, reverse=descending)


def test_children_are_listed_under_their_parent_only(box: Sandbox, http: httpx.Client, project: int) -> None:
    first, second = ids(box.records("rfis", project))[:2]
    path = "/rest/v1.0/projects/{}/rfis/{}/replies"
    one, two = (http.get(path.format(project, rfi)).json() for rfi in (first, second))
    assert ids(one) == ids(box.records("rfi_replies", project, {"rfi_id": first}))
    assert not set(ids(one)) & set(ids(two))
    assert http.get(path.format(project, 999)).status_code == 404


def test_a_required_parent_in_the_query_is_asked_for(box: Sandbox, http: httpx.Client, project: int) -> None:
    path = "/rest/v1.0/contract_payments"
    missing = http.get(path, params={"project_id": project})
    assert (missing.status_code, list(missing.json()["errors"])) == (400, ["contract_id"])
    contract = ids(box.records("work_order_contracts", project))[0]
    answer = http.get(path, params={"project_id": project, "contract_id": contract})
    assert answer.json() == box.records("contract_payments", project, {"contract_id": contract})


def test_the_single_record_call_gives_more_than_the_list(box: Sandbox, http: httpx.Client, project: int) -> None:
    listed = box.records("rfis", project)[0]
    shown = http.get(f"/rest/v1.0/projects/{project}/rfis/{listed['id']}").json()
    assert shown.items() >= listed.items()
    assert set(shown) > set(listed)
    box.delete("rfis", listed["id"], project)
    assert http.get(f"/rest/v1.0/projects/{project}/rfis/{listed['id']}").status_code == 404


def test_reads_by_post_answer_records(box: Sandbox, http: httpx.Client, project: int) -> None:
    view = ids(box.records("budget_views", project))[0]
    path = f"/rest/v1.0/budget_views/{view}/budget_details"
    answer = http.post(path, params={"project_id": project}, json={"filters": {}})
    assert answer.json() == box.records("budget_details", project, {"budget_view_id": view})
    assert http.post(path, params={"project_id": project}, content=b"{").status_code == 400


def test_cursor_paging_goes_on_after_a_record(box: Sandbox, http: httpx.Client) -> None:
    entry = box.catalog["resource_planning_notification_profiles"]
    for _ in range(5):
        box.create(entry.name)
    path = entry.path.replace("{company_id}", "4266")
    token, limit = entry.page_params
    found: list[str] = []
    page = http.get(path, params={limit: 2}).json()["data"]
    while page:
        found += ids(page)
        page = http.get(path, params={limit: 2, token: found[-1]}).json()["data"]
    assert found == ids(box.records(entry.name))


def test_a_project_created_later_has_lists_of_its_own(box: Sandbox, http: httpx.Client) -> None:
    created = box.create("projects", name="Annex")
    assert http.get(f"/rest/v1.0/projects/{created['id']}/rfis").json()
    box.delete("projects", created["id"])
    assert http.get(f"/rest/v1.0/projects/{created['id']}/rfis").status_code == 404
