"""For each way to read a list: a change of each kind is found by the next run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.equality import differences
from support.program import QUOTA, Site

from syncd.app import App
from syncd.engine.discover import discover
from syncd.jobs.protocol import Request
from syncd.model import RunReport
from syncd.sandbox.server import Sandbox


@dataclass(frozen=True)
class Bench:
    """A job of one resource against a sandbox of one project."""

    app: App
    box: Sandbox
    site: Site
    resource: str

    def run(self, *, full: bool = False) -> RunReport:
        report = self.app.run_job("job", Request(full=full), trigger="manual")
        assert (report.status, report.error) == ("ok", None)
        return report

    def agrees(self) -> bool:
        projects = [project.id for project in self.box.projects]
        found = differences(self.app, self.box, [self.resource], projects)
        assert found == []
        return True

    def record(self, number: int = 0) -> tuple[dict[str, Any], int | None, dict[str, Any] | None]:
        """A live record with its project and parents; of dated ones the latest first."""
        live = [one for one in self.box.walk(self.resource) if not one[2]]
        window = self.app.catalog[self.resource].window
        if window is not None:
            live.sort(key=lambda one: str(one[1][str(window.column)]), reverse=True)
        place, record, _ = live[number]
        return record, place.project, dict(place.parent) or None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.app.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]


Make = Callable[..., Bench]


@pytest.fixture
def make(tmp_path: Path, make_sandbox: Callable[..., Sandbox]) -> Iterator[Make]:
    opened: list[Any] = []

    def bench(resource: str, **keys: Any) -> Bench:
        box = make_sandbox(projects=1, scale=0.3, quota=QUOTA)
        site = Site(tmp_path, box)
        site.job("job", resources=[resource], **{"find_deleted": {"every": "0s"}} | keys)
        context = site.app()
        opened.append(context)
        return Bench(context.__enter__(), box, site, resource)

    yield bench
    for context in opened:
        context.__exit__(None, None, None)


STRATEGIES = {
    "changes and a recycle bin of its own": "rfis",
    "changes of v2 and a recycle bin of v1": "coordination_issues",
    "changes, deleted records by a parameter": "equipment",
    "changes with deleted records among them": "change_events",
    "changes, deleted records by a word": "drawing_revisions",
    "changes alone": "requisitions",
    "a whole list": "budget_views",
    "a whole list and a recycle bin": "inspection_templates",
    "groups": "meetings",
    "parents": "rfi_replies",
    "parents on two levels": "generic_tool_item_responses",
    "parents of one row": "requisition_payment_subtiers",
    "values of another table's column": "project_workflow_instances",
    "a POST": "budget_details",
    "pages by cursor": "resource_planning_person_time_off",
    "days": "manpower_logs",
    "days and changes": "timecard_entries",
}


@pytest.mark.parametrize("resource", STRATEGIES.values(), ids=STRATEGIES.keys())
def test_what_is_created_edited_deleted_and_restored_is_found(make: Make, resource: str) -> None:
    bench = make(resource)
    bench.run()
    assert bench.agrees()
    known = bench.app.catalog[resource]
    key = known.key[-1]
    edited, project, parent = bench.record(0)
    gone, there, under = bench.record(1)
    day = {known.window.column: edited[known.window.column]} if known.window and known.window.column else {}
    bench.box.edit(resource, edited[key], project, parent)
    bench.box.create(resource, project, parent, **day)
    bench.box.delete(resource, gone[key], there, under)
    # A list of changes that shows no deleted records leaves these to the complete listing.
    told = not known.incremental or known.deletions is not None
    bench.run(full=not told)
    assert bench.agrees()
    assert bench.rows(f"select count(*) from {resource} where _syncd_deleted_at is not null") == [(1,)]
    bench.box.restore(resource, gone[key], there, under)
    bench.run()
    assert bench.agrees()
    assert bench.rows(f"select count(*) from {resource} where _syncd_deleted_at is not null") == [(0,)]


def test_a_log_20_days_old_is_found_edited_and_one_beyond_the_lookback_at_the_full_refresh(make: Make) -> None:
    bench = make("manpower_logs", logs_lookback="30d")
    first = bench.run()
    today = first.started_at.date()
    days = [(today - timedelta(days=back)).isoformat() for back in (20, 60)]
    project = bench.box.projects[0].id
    logs = [bench.box.create("manpower_logs", project, date=day, notes="as first written") for day in days]
    bench.run(full=True)
    for log in logs:
        bench.box.edit("manpower_logs", log["id"], project, notes="edited later")
    query = "select notes from manpower_logs where id in ({}, {}) order by date desc".format(
        *(log["id"] for log in logs)
    )
    assert bench.run().rows.updated == 1
    assert bench.rows(query) == [("edited later",), ("as first written",)]
    assert bench.run(full=True).rows.updated == 1
    assert bench.rows(query) == [("edited later",), ("edited later",)]


def test_details_bring_the_fields_that_only_the_single_record_has(make: Make) -> None:
    bench = make("rfis", details=True)
    report = bench.run()
    assert report.requests > report.rows.read


def test_a_custom_field_keeps_its_column_when_its_label_changes(make: Make) -> None:
    bench = make("rfis")
    bench.run()
    definitions = {one["id"]: one["label"] for one in bench.box.records("custom_field_definitions")}
    used = {
        int(name.removeprefix("custom_field_"))
        for rfi in bench.box.records("rfis")
        for name, field in (rfi["custom_fields"] or {}).items()
        if field["data_type"] == "string"
    }
    columns = dict(
        bench.rows("select column_name, type from syncd_schema_changes where resource = 'rfis' and column_name <> ''")
    )
    number = used.pop()
    column = "custom_field_" + definitions[number].lower().replace(" ", "_")
    assert columns[column] == "text"
    bench.box.edit("custom_field_definitions", number, label="Renamed")
    rfi = next(one for one in bench.box.records("rfis") if f"custom_field_{number}" in (one["custom_fields"] or {}))
    bench.box.edit(
        "rfis",
        rfi["id"],
        bench.box.projects[0].id,
        custom_fields={f"custom_field_{number}": {"data_type": "string", "value": "new"}},
    )
    bench.run()
    assert bench.rows(f"select {column} from rfis where id = {rfi['id']}") == [("new",)]
    after = bench.rows("select column_name from syncd_schema_changes where resource = 'rfis'")
    assert "custom_field_renamed" not in {row[0] for row in after}


@pytest.mark.parametrize(
    ("data_type", "value", "columns"),
    [
        ("string", "north", {"custom_field_site": "text"}),
        ("rich_text", "<b>north</b>", {"custom_field_site": "text"}),
        ("decimal", 2, {"custom_field_site": "decimal"}),
        ("boolean", False, {"custom_field_site": "boolean"}),
        ("datetime", "2026-03-01T17:00:00Z", {"custom_field_site": "timestamp"}),
        ("date", "2026-03-01", {"custom_field_site": "date"}),
        ("lov_entry", {"id": 7, "label": "x"}, {"custom_field_site": "text", "custom_field_site_id": "bigint"}),
        ("login_information", {"id": 7, "name": "x"}, {"custom_field_site": "text", "custom_field_site_id": "bigint"}),
        ("vendor", {"id": "7", "label": "x"}, {"custom_field_site": "text", "custom_field_site_id": "text"}),
        ("lov_entries", [{"id": 7, "label": "x"}], {"custom_field_site": "json"}),
        ("login_informations", [{"id": 7, "label": "x"}], {"custom_field_site": "json"}),
        ("lov_entries", [], {}),
        ("string", None, {}),
    ],
)
def test_custom_fields_of_every_kind_are_typed_and_named_by_their_label(
    data_type: str, value: Any, columns: dict[str, str]
) -> None:
    field = {"data_type": data_type, "value": value}
    found = discover(("custom_fields", "custom_field_5"), [field, None], lambda _: "Site")
    assert {one.name: one.type for one in found} == columns
