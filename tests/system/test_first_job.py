"""The main job, end to end: the contract's example files against a sandbox, and what goes wrong on the way."""

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.equality import differences
from support.program import QUOTA, Site

from syncd.jobs.protocol import Request
from syncd.sandbox.server import Sandbox

FIELD = """\
# config/jobs/field.yaml : one file, one job; the name is unique
name: field
type: resources                      # the built-in job type; a plugin brings others
company: 4266                        # sent as Procore-Company-Id
projects: active                     # or all (every status), or [101, 102]; the projects table always holds every status
resources: [projects, company_users, vendors, rfis, submittals]   # names of the catalog
schedule: {every: 15m}               # or {cron: "5 2 * * *", timezone: America/Los_Angeles}; none: runs only when asked
full_refresh: {every: 7d}            # how often all is read again and deletions are found; 0s: every run
deletes: mark                        # mark (tombstones) | remove
lookback: 5m                         # how far increments overlap
logs_from: 365d                      # dated logs (daily logs, timecards): how far back the first load goes …
logs_lookback: 30d                   # … and how far back each run reads again, because past days are edited
refusals: report                     # report (403/404 make a run partial) | ignore
"""
SYNCD = """\
# config/syncd.yaml
procore:
  environment: custom
  login_url: {url}
  api_url: {url}
  client_id: ${{PROCORE_CLIENT_ID}}
  client_secret: ${{PROCORE_CLIENT_SECRET}}
  quota_share: 0.8                   # how much of the app's allowance syncd may use, 0 to 1 (this is the default)
database:
  url: {database}
  schema: procore                    # PostgreSQL only
vault:
  key_file: vault.key                # encrypts users' tokens; beside this file, 0600, made by the first `auth login`; or key: ${{credential:vault}}
jobs: jobs/*.yaml
"""
OBSERVATIONS = {"403", "404", "429", "401", "missing company", "deprecated", "private"}
"""What Procore observes of an app that does not behave."""
CREDENTIALS = {"PROCORE_CLIENT_ID": "demo", "PROCORE_CLIENT_SECRET": "demo"}

MakeSandbox = Callable[..., Sandbox]


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(quota=QUOTA)


@pytest.fixture
def site(tmp_path: Path, box: Sandbox) -> Site:
    return Site(tmp_path / "config", box)


def sentences(text: str) -> list[str]:
    """The lines of stderr that are not log lines below error."""
    return [line for line in text.splitlines() if not re.search(r"level=(debug|info|warning)", line)]


def test_the_contracts_example_files_fill_tables_with_every_value_of_every_record(
    tmp_path: Path, box: Sandbox, database_url: str
) -> None:
    site = Site(tmp_path / "config", box, database_url)
    (site.folder / "syncd.yaml").write_text(SYNCD.format(url=box.url, database=database_url))
    (site.folder / "jobs" / "field.yaml").write_text(FIELD)
    done = site.syncd("sync", "field", "--json", environ=CREDENTIALS)
    assert (done.returncode, sentences(done.stderr)) == (0, [])
    run = json.loads(done.stdout)["runs"][0]
    assert run["status"] == "ok"
    assert run["rows"]["inserted"] == run["rows"]["read"] > 0
    site = Site(tmp_path / "look", box, database_url)
    site.job("any")
    with site.app() as app:
        names = ["projects", "company_users", "vendors", "rfis", "submittals"]
        assert differences(app, box, names, box.active_projects) == []


@pytest.mark.long
def test_every_tier_1_resource_is_stored_value_by_value_and_procore_observes_nothing(
    tmp_path: Path, box: Sandbox, database_url: str
) -> None:
    site = Site(tmp_path / "config", box, database_url)
    site.job("all", resources=["tier1"], logs_from="3650d")
    with site.app() as app:
        report = app.run_job("all", Request(), trigger="manual")
        assert (report.status, report.error) == ("ok", None)
        assert app.views.overview().observations == dict.fromkeys(OBSERVATIONS, 0)
        assert +box.stats.observations == {}
        assert +box.stats.unknown_params == {}
        names = app.catalog.select(["tier1"])
        assert len(names) == 82
        assert differences(app, box, names, [project.id for project in box.projects]) == []
        again = app.run_job("all", Request(), trigger="manual")
        assert (again.rows.inserted, again.rows.updated, again.rows.deleted) == (0, 0, 0)
        assert again.requests < report.requests


def test_the_comparison_itself_finds_a_single_wrong_value(site: Site, box: Sandbox) -> None:
    site.job("rfis")
    with site.app() as app:
        app.run_job("rfis", Request(), trigger="manual")
        projects = [project.id for project in box.projects]
        assert differences(app, box, ["rfis"], projects) == []
        with app.database.write() as connection:
            connection.exec_driver_sql("UPDATE rfis SET subject = 'another' WHERE id = (SELECT min(id) FROM rfis)")
        assert "rfis" in "".join(differences(app, box, ["rfis"], projects))


def test_ids_beyond_53_bits_arrive_exactly(site: Site, box: Sandbox) -> None:
    project = box.active_projects[0]
    box.create("rfis", project, id=2**62 + 1, subject="a large id")
    site.job("rfis")
    assert site.syncd("sync", "rfis").returncode == 0
    with sqlite3.connect(site.folder / "syncd.db") as connection:
        found = connection.execute("SELECT id FROM rfis WHERE subject = 'a large id'").fetchall()
    connection.close()
    assert found == [(2**62 + 1,)]


def test_a_wrong_secret_is_one_sentence_and_few_token_requests(site: Site, box: Sandbox) -> None:
    site.settings["procore"]["client_secret"] = "not-the-secret-0123"
    site.write()
    site.job("rfis")
    done = site.syncd("sync", "rfis")
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "does not accept the app's credentials" in text
    assert "Check procore.environment, client_id and client_secret" in text
    assert "Traceback" not in text
    assert "not-the-secret-0123" not in text


def test_a_server_that_is_not_there_is_named(site: Site, box: Sandbox) -> None:
    site.job("rfis")
    url = box.url
    box.stop()
    done = site.syncd("check")
    text = done.stdout + done.stderr
    assert done.returncode == 1
    assert url in text
    assert "cannot be reached" in text
    assert "Traceback" not in text


def test_a_database_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    site.settings["database"]["url"] = "sqlite:////proc/syncd.db"
    site.write()
    site.job("rfis")
    done = site.syncd("sync", "rfis")
    assert done.returncode == 1
    assert len(sentences(done.stderr)) <= 2
    assert "/proc/syncd.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_resource_and_a_misspelt_key_are_found_in_one_go(site: Site) -> None:
    site.job("rfis", resources=["rfiss"], lokback="5m")
    done = site.syncd("sync", "rfis")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no known key; did you mean lookback?" in done.stderr
    assert "There is no resource rfiss. Did you mean rfis?" in done.stderr
    assert done.stderr.count("rfis.yaml:") == 2
    assert "Traceback" not in done.stderr


def test_a_project_that_is_not_permitted_leaves_the_others_whole(site: Site, box: Sandbox) -> None:
    refused, *others = box.active_projects
    box.refuse("rfis", refused)
    site.job("rfis", projects="active")
    done = site.syncd("sync", "rfis", "--json")
    assert done.returncode == 3
    (run,) = json.loads(done.stdout)["runs"]
    assert run["status"] == "partial"
    error = next(one["error"] for one in run["resources"] if one["resource"] == "rfis")
    assert str(refused) in error
    assert "403" in error
    with site.app() as app:
        assert differences(app, box, ["rfis"], others) == []
    assert "403" in site.syncd("status").stdout
