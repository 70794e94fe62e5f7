from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest
from support.sandbox import SMALL

from syncd.sandbox.server import Sandbox

TODAY = date(2026, 9, 15)


@pytest.fixture(scope="module")
def box() -> Sandbox:
    return Sandbox(**(SMALL | {"projects": 2, "scale": 0.3}), today=TODAY)  # type: ignore[arg-type]


def misfits(value: Any, kind: Any, path: str) -> list[str]:
    """Where a value is not of the type that the catalog says."""
    if value is None or kind == "any":
        return []
    if isinstance(kind, Mapping) and kind:
        if not isinstance(value, dict):
            return [f"{path}: {value!r}"]
        extra = [f"{path}.{name}" for name in value if name not in kind and not name.startswith("custom_field_")]
        return extra + [
            bad for name, inner in kind.items() for bad in misfits(value.get(name), inner, f"{path}.{name}")
        ]
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{path}: {value!r}"]
        return [bad for item in value for bad in misfits(item, kind[0], f"{path}[]")]
    return [] if _is(value, str(kind)) else [f"{path}: {value!r} is no {kind}"]


def _is(value: Any, kind: str) -> bool:
    if kind == "date":
        return isinstance(value, str) and bool(date.fromisoformat(value))
    if kind == "date-time":
        return isinstance(value, str) and bool(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC))
    if kind == "integer":
        return type(value) is int and abs(value) < 2**53
    types: dict[str, type | tuple[type, ...]] = {"number": (int, float), "string": str, "boolean": bool}
    return isinstance(value, types.get(kind, object))


def test_every_record_of_every_resource_is_of_the_catalogs_types(box: Sandbox) -> None:
    wrong = [
        bad
        for entry in box.catalog
        for place in box.store.places(entry.name)[:4]
        for index in range(min(6, box.store.partition(place).size))
        for bad in misfits(box.store.partition(place).record(index), entry.fields, entry.name)
    ]
    assert wrong == []


def test_every_record_has_its_key_and_no_other_of_its_resource_has_it(box: Sandbox) -> None:
    shared = {"budget_detail_rows", "budget_detail_columns", "budget_details"}
    for entry in box.catalog:
        if list(entry.key) != ["id"] or entry.name in shared:
            continue
        for project in box.projects if entry.scope == "project" else [None]:
            found = [record["id"] for record in box.records(entry.name, project.id if project else None)]
            assert None not in found, entry.name
            assert len(set(found)) == len(found), entry.name


def test_same_seed_same_records_another_seed_others() -> None:
    def sample(seed: int) -> list[Any]:
        twin = Sandbox(**(SMALL | {"seed": seed}), today=TODAY)  # type: ignore[arg-type]
        names = ("rfis", "company_users", "timecard_entries", "budget_detail_rows")
        return [twin.records(name) for name in names]

    assert sample(3) == sample(3)
    assert sample(3) != sample(4)


def test_records_do_not_depend_on_the_order_in_which_they_are_asked_for() -> None:
    one, other = (Sandbox(**SMALL, today=TODAY) for _ in range(2))  # type: ignore[arg-type]
    names = ["submittals", "rfi_replies", "vendors", "rfis"]
    assert {name: one.records(name) for name in names} == {name: other.records(name) for name in reversed(names)}


def test_ids_of_old_and_new_accounts_occur(box: Sandbox) -> None:
    found = [record["id"] for record in box.records("rfis")]
    assert any(one < 2**31 for one in found)
    assert any(one > 2**32 for one in found)


def test_what_a_record_refers_to_exists(box: Sandbox) -> None:
    users = {user["id"] for user in box.records("company_users")}
    vendors = {vendor["id"] for vendor in box.records("vendors")}
    projects = {project["id"] for project in box.records("projects")}
    trades = {trade["id"] for trade in box.records("trades")}
    for project in box.projects:
        codes = {code["id"] for code in box.records("cost_codes", project.id)}
        places = {place["id"] for place in box.records("locations", project.id)}
        for rfi in box.records("rfis", project.id):
            assert _ids(rfi, "created_by", "ball_in_court", "rfi_manager") <= users
            assert _ids(rfi, "responsible_contractor") <= vendors
            assert _ids(rfi, "cost_code") <= codes
            assert _ids(rfi, "location") <= places
        for log in box.records("manpower_logs", project.id):
            assert _ids(log, "trade") <= trades
            assert _ids(log, "vendor") <= vendors
        assert {one["id"] for one in box.records("project_users", project.id)} <= users
        assert {one["id"] for one in box.records("project_vendors", project.id)} <= vendors
    assert {card["project"]["id"] for card in box.records("timecard_entries") if card["project"]} <= projects


def _ids(record: dict[str, Any], *names: str) -> set[int]:
    return {record[name]["id"] for name in names if record.get(name)}


def test_scopes_inside_records_equal_the_scope_they_are_listed_under(box: Sandbox) -> None:
    checked = 0
    for entry in box.catalog:
        if entry.scope == "project" and "project_id" in entry.fields:
            for place, record, _ in box.walk(entry.name, box.projects[0].id):
                checked += 1
                assert str(record["project_id"]) == str(place.project), entry.name
    assert checked


def test_commitments_add_up_to_their_lines_and_are_booked_on_budgeted_cost_codes(box: Sandbox) -> None:
    project = box.projects[0].id
    view = box.records("budget_views", project)[0]["id"]
    budget = {row["cost_code_id"] for row in box.records("budget_detail_rows", project, {"budget_view_id": view})}
    for contracts, placeholder in (
        ("work_order_contracts", "work_order_contract_id"),
        ("purchase_order_contracts", "purchase_order_contract_id"),
    ):
        for contract in box.records(contracts, project):
            lines = box.records(f"{contracts.rstrip('s')}_line_items", project, {placeholder: contract["id"]})
            assert sum(round(float(line["amount"]) * 100) for line in lines) == round(
                float(contract["grand_total"]) * 100
            )
            assert {line["cost_code"]["id"] for line in lines} <= budget


def test_some_rfis_are_overdue_and_wait_for_someone(box: Sandbox) -> None:
    late = [
        rfi
        for rfi in box.records("rfis")
        if rfi["status"] == "open" and rfi["due_date"] and rfi["due_date"] < TODAY.isoformat()
    ]
    assert late
    assert all(rfi["ball_in_court"]["name"] for rfi in late)


def test_nothing_lies_in_the_future(box: Sandbox) -> None:
    end = TODAY.isoformat()
    for name in ("rfis", "manpower_logs", "submittals", "timecard_entries"):
        for record in box.records(name):
            assert record["created_at"] < f"{end}T00:00:01Z"
            assert record["created_at"] <= record["updated_at"] <= f"{end}T00:00:00Z"


def test_custom_fields_have_definitions_with_labels(box: Sandbox) -> None:
    labels = {one["id"]: one["label"] for one in box.records("custom_field_definitions")}
    kinds: Counter[str] = Counter()
    for rfi in box.records("rfis"):
        for name, field in (rfi["custom_fields"] or {}).items():
            assert labels[int(name.removeprefix("custom_field_"))]
            kinds[field["data_type"]] += 1
    assert set(kinds) == {"string", "decimal", "boolean", "lov_entry", "lov_entries"}


@pytest.mark.parametrize("resource", ["submittals_v2", "incident_alerts"])
def test_custom_fields_inside_nested_objects_have_definitions_too(box: Sandbox, resource: str) -> None:
    defined = {one["id"] for one in box.records("custom_field_definitions")}
    used = {int(found) for found in re.findall(r"custom_field_(\d+)", repr(box.records(resource)))}
    assert used
    assert used <= defined


def test_the_whole_company_has_about_25_000_records_and_is_there_at_once() -> None:
    whole = Sandbox(today=TODAY)
    active = set(whole.active_projects)
    assert len(whole.projects) == 12
    assert 0 < len(active) < 12
    total = sum(
        whole.store.partition(place).size
        for entry in whole.catalog
        if entry.tier == 1
        for place in whole.store.places(entry.name)
        if place.project is None or place.project in active
    )
    assert 20_000 < total < 30_000
