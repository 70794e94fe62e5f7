"""The whole catalog end to end, an operator's own resources, and plans that runs confirm."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect
from support.equality import differences
from support.program import QUOTA, Site, execute

from syncd.catalog.layout import Addition
from syncd.catalog.load import Catalog
from syncd.jobs.protocol import Request
from syncd.sandbox.server import Sandbox

MakeSandbox = Callable[..., Sandbox]

DOCUMENT = Path(__file__).parents[2] / "docs" / "resources.md"

WITHOUT_VALUES = {
    "legacy_company_workflow_permanent_logs",
    "legacy_project_workflow_permanent_logs",
    "company_emails",
}
"""Lists with required parameters whose values Procore does not document; an operator's own entry can give them."""


OWN_EMAILS = """\
company_emails:
  title: List of Company-level Emails
  path: /rest/v1.0/companies/{company_id}/email_communications/emails
  scope: company
  enumerate: {topic_type: [prime_contract], topic_id: ['1', '2']}
  envelope: object:communication_threads
  fields: {id: integer, communication_id: integer, subject: string, email_sent_at: date-time}
"""


def syncd(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return execute(*words, environ=os.environ, folder=cwd)


def example() -> str:
    """The resource of the documentation, verbatim."""
    found = re.search(r"```yaml\n# config/resources/site_cameras\.yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "resources"
    folder.mkdir(parents=True)
    (folder / "site_cameras.yaml").write_text(example())
    return folder


@pytest.mark.long
def test_one_job_fills_every_table_with_what_the_sandbox_has(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(projects=1, scale=0.02, quota=QUOTA)
    site = Site(tmp_path, box)
    site.job("everything", resources=["all"])
    with site.app() as app:
        report = app.run_job("everything", Request(), trigger="manual")
        assert (report.status, report.error) == ("ok", None)
        names = app.catalog.names()
        assert {one.resource for one in report.resources} == set(names)
        assert {one.resource for one in report.resources if not one.rows.read} == WITHOUT_VALUES
        unread = {one.resource for one in report.resources if "no values are known for" in (one.error or "")}
        assert unread == WITHOUT_VALUES
        assert differences(app, box, names, [project.id for project in box.projects]) == []
        with app.database.read() as connection:
            inspector = inspect(connection)
            tables = set(inspector.get_table_names())
            columns = {
                table.name: {column["name"] for column in inspector.get_columns(table.name)}
                for name in names
                for table in app.catalog.layout(name).tables()
            }
        for name in names:
            layout = app.catalog.layout(name)
            for table in layout.tables():
                assert table.name in tables
                assert {column.name for column in table.columns} <= columns[table.name]
        again = app.run_job("everything", Request(), trigger="manual")
        assert (again.status, again.error) == ("ok", None)
        assert (again.rows.inserted, again.rows.updated, again.rows.deleted) == (0, 0, 0)


def test_an_entry_of_ones_own_gives_the_values_that_a_shipped_one_lacks(
    tmp_path: Path, make_sandbox: MakeSandbox
) -> None:
    shown = syncd("resources", "show", "company_emails", cwd=tmp_path)
    assert "no values are known for topic_type and topic_id" in " ".join(shown.stdout.split())
    folder = tmp_path / "config" / "resources"
    folder.mkdir(parents=True)
    (folder / "company_emails.yaml").write_text(OWN_EMAILS)
    box = make_sandbox(projects=1, quota=QUOTA, catalog=[folder])
    site = Site(tmp_path / "config", box)
    site.settings["resources_dir"] = "resources"
    site.write()
    site.job("emails", resources=["company_emails"])
    with site.app() as app:
        report = app.run_job("emails", Request(), trigger="manual")
        assert [(one.resource, one.partitions, one.error) for one in report.resources] == [("company_emails", 2, None)]
        assert differences(app, box, ["company_emails"], []) == []
    assert report.rows.read > 0


def test_an_eight_line_entry_syncs_without_python(tmp_path: Path, own: Path, make_sandbox: MakeSandbox) -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 9
    box = make_sandbox(projects=2, quota=QUOTA, catalog=[own])
    site = Site(tmp_path / "config", box)
    site.settings["resources_dir"] = "resources"
    site.write()
    site.job("cameras", resources=["site_cameras"])
    done = site.syncd("sync", "cameras", "--json")
    assert (done.returncode, json.loads(done.stdout)["runs"][0]["status"]) == (0, "ok")
    with site.app() as app:
        projects = [project.id for project in box.projects]
        assert app.views.table_counts()["site_cameras"] == len(box.records("site_cameras")) > 0
        assert differences(app, box, ["site_cameras"], projects) == []
        box.edit("site_cameras", box.records("site_cameras", projects[0])[0]["id"], projects[0], name="moved")
        report = app.run_job("cameras", Request(), trigger="manual")
        assert (report.resources[-1].mode, report.rows.updated) == ("incremental", 1)
    shown = json.loads(site.syncd("resources", "show", "site_cameras", "--json").stdout)
    assert shown["key"] == ["company_id", "project_id", "id"]
    assert {"column": "installed_on", "type": "date", "key": False} in shown["columns"]


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("scope: project", "scope: projekt"), 3, "scope: it is one of none, company, project."),
        (("scope: project", "skope: project"), 3, "skope: there is no such key; did you mean scope?"),
        (("path: /rest", "path: rest"), 2, "path: it begins with /rest/."),
        (("{project_id}", "{camera_id}"), 2, "path: nothing gives {camera_id}; name its supplier under parents."),
        (("installed_on: date", "installed_on: dat"), 5, "fields: dat is no type; did you mean date?"),
        (("updated_at: filters", "parents: 5\n  updated_at: filters"), 4, "parents: it does not have the right form"),
        (("site_cameras:", "rfis_questions:"), 1, "this is a child table of rfis; choose another name."),
        (("name: string", "name: string: x"), 7, "mapping values are not allowed"),
    ],
)
def test_a_broken_entry_is_one_sentence_with_file_line_and_key(
    tmp_path: Path, own: Path, change: tuple[str, str], line: int, said: str
) -> None:
    path = own / "site_cameras.yaml"
    path.write_text(example().replace(*change, 1))
    (own.parent / "syncd.yaml").write_text("resources_dir: resources\n")
    done = syncd("resources", "show", "site_cameras", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) <= 2
    assert re.search(rf"resources/site_cameras\.yaml:{line}: .*{re.escape(said)}", done.stderr), done.stderr


def test_an_entry_with_the_name_of_a_child_table_that_was_found_is_refused(
    tmp_path: Path, own: Path, make_sandbox: MakeSandbox
) -> None:
    box = make_sandbox(projects=1, quota=QUOTA)
    site = Site(tmp_path / "config", box)
    site.job("cameras", resources=["rfis"])
    with site.app() as app:
        app.run_job("cameras", Request(), trigger="manual")
        layout = app.store.open(app.catalog["rfis"], frozenset(app.catalog.names()))
        app.store.widen(layout, [Addition(("cameras", "[]"), "table")], "run")
    entry = own / "site_cameras.yaml"
    entry.write_text(example().replace("site_cameras:", "rfis_cameras:"))
    site.settings["resources_dir"] = "resources"
    site.write()
    site.job("cameras", resources=["rfis_cameras"])
    said = "rfis_cameras has the name of a child table of rfis, made for a list that was found in its records"
    for command in (["check"], ["sync", "cameras"]):
        done = site.syncd(*command)
        assert (done.returncode, said in " ".join((done.stdout + done.stderr).split())) == (2, True), done.stderr


KEYS = ["resource", "title", "tool", "path", "scope", "parent", "incremental", "table"]


def test_the_catalog_is_listed_without_a_configuration(tmp_path: Path) -> None:
    done = syncd("resources", "--json", cwd=tmp_path)
    listed = json.loads(done.stdout)
    assert (done.returncode, len(listed)) == (0, len(Catalog().names()))
    assert all(list(one) == KEYS for one in listed)
    by_name = {one["resource"]: one for one in listed}
    assert by_name["rfi_replies"]["parent"] == "rfis"
    assert (by_name["rfis"]["parent"], by_name["rfis"]["incremental"]) == (None, True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rfis", "rfi_replies"], ["rfis", "rfi_replies"]),
        (["rfi*", "-rfi_replies"], ["rfis"]),
        (["--tool", "RFI", "--incremental"], ["rfis"]),
        (["--scope", "none"], ["companies"]),
        (["-all", "rfis"], ["rfis"]),
    ],
)
def test_the_list_filters_as_a_job_chooses(tmp_path: Path, words: list[str], expected: list[str]) -> None:
    done = syncd("resources", *words, "--json", cwd=tmp_path)
    assert [one["resource"] for one in json.loads(done.stdout)] == expected


def test_an_unknown_name_suggests_the_nearest(tmp_path: Path) -> None:
    done = syncd("resources", "show", "rfi", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: There is no resource rfi.\nDid you mean rfis?\n"


def run_of(site: Site, *words: str) -> dict[str, Any]:
    done = site.syncd("sync", "field", "--json", *words)
    assert done.returncode == 0, done.stderr
    run: dict[str, Any] = json.loads(done.stdout)["runs"][0]
    return run


@pytest.mark.long
def test_a_plan_is_confirmed_by_the_runs_within_5_percent(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(projects=24, scale=0.1, quota=QUOTA)
    site = Site(tmp_path, box)
    chosen = ["projects", "rfis", "rfi_replies", "submittals", "manpower_logs", "commitment_contract_line_items"]
    site.job("field", projects="active", resources=chosen, schedule={"every": "1m"})
    done = site.syncd("plan", "field", "--json")
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)["jobs"][0]
    assert planned["projects"] == len(box.active_projects)
    assert set(chosen) < {one["resource"] for one in planned["resources"]}
    assert {table["table"] for table in planned["tables"] if table["new_columns"]} >= {*chosen, "rfis_questions"}
    first = run_of(site)
    assert planned["requests"]["first"] == pytest.approx(first["requests"], rel=0.05)
    assert planned["records"] == pytest.approx(first["rows"]["read"], rel=0.05)
    assert planned["partitions"] == pytest.approx(sum(one["partitions"] for one in first["resources"]), rel=0.05)
    assert planned["requests"]["incremental"] == pytest.approx(run_of(site)["requests"], rel=0.05)
    assert planned["requests"]["reconcile"] == pytest.approx(run_of(site, "--full")["requests"], rel=0.05)


def test_a_plan_says_what_would_do_where_a_schedule_cannot_be_met(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(quota=((600, 3600.0),))
    site = Site(tmp_path, box)
    site.job("field", resources=["rfis", "submittals"], schedule={"every": "30s"})
    done = site.syncd("plan", "field")
    assert done.returncode == 0, done.stderr
    warning = next(line for line in done.stdout.splitlines() if line.startswith("warning"))
    assert "every 30s cannot be met: it takes about" in warning
    assert "480 are allowed (quota_share 0.8)" in warning
    assert "every: 1m would do" in warning
    with site.app() as app:
        assert app.views.table_counts() == {}


def test_a_plan_of_an_unknown_job_asks_nothing(tmp_path: Path, make_sandbox: MakeSandbox) -> None:
    box = make_sandbox()
    site = Site(tmp_path, box)
    site.job("field")
    done = site.syncd("plan", "feild")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: There is no job feild.\nDid you mean field?\n"
    assert box.stats.log == []
