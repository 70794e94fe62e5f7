"""What `syncd purge` leaves behind: nothing of what it was told to erase, everything else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from support.program import QUOTA, Site

from syncd.sandbox.server import Sandbox
from syncd.storage.database import Database


@pytest.fixture
def site(tmp_path: Path, make_sandbox: Callable[..., Sandbox], database_url: str) -> Site:
    site = Site(tmp_path / "config", make_sandbox(quota=QUOTA), database_url)
    site.job("field", resources=["projects", "company_users", "rfis"])
    assert site.syncd("sync", "field").returncode == 0
    return site


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    database = Database(url, None if url.startswith("sqlite") else "procore")
    with database.read() as connection:
        found = [tuple(row) for row in connection.execute(text(sql))]
    database.close()
    return found


def test_what_is_purged_stands_nowhere_any_more_and_everything_else_stays(site: Site, database_url: str) -> None:
    refused = site.syncd("purge", "--company", str(site.box.company_id))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr

    [(number, login)] = rows(
        database_url, "select created_by_id, created_by_login from rfis where created_by_login is not null limit 1"
    )
    count = rows(database_url, "select count(*) from rfis")
    ended = site.syncd("purge", "--user-record", str(number), "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    assert rows(database_url, f"select count(*) from company_users where id = {number}") == [(0,)]
    assert rows(database_url, f"select count(*) from rfis where created_by_login = '{login}'") == [(0,)]
    assert rows(database_url, "select count(*) from rfis") == count
    if database_url.startswith("sqlite"):
        assert str(login).encode() not in Path(database_url.removeprefix("sqlite:///")).read_bytes()

    project = rows(database_url, "select distinct project_id from rfis order by 1")[0][0]
    others = rows(database_url, f"select count(*) from rfis where project_id <> {project}")
    ended = site.syncd("purge", "--project", str(project), "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    removed = json.loads(ended.stdout)["removed"]
    assert removed["projects"] == 1
    assert min(removed["rfis"], removed["syncd_cursors"]) > 0
    for table in ("rfis", "rfis_questions", "syncd_partitions", "syncd_rejects"):
        assert rows(database_url, f"select count(*) from {table} where project_id = {project}") == [(0,)]
    assert rows(database_url, "select count(*) from rfis") == others


def test_what_procore_still_has_comes_back_with_the_next_sync(site: Site, database_url: str) -> None:
    projects = rows(database_url, "select count(*) from projects")
    project = rows(database_url, "select distinct project_id from rfis order by 1")[0][0]
    person = rows(database_url, "select max(id) from company_users")[0][0]
    count = rows(database_url, f"select count(*) from rfis where project_id = {project}")
    users = rows(database_url, "select count(*) from company_users")
    assert site.syncd("purge", "--project", str(project), "--yes").returncode == 0
    assert site.syncd("purge", "--user-record", str(person), "--yes").returncode == 0
    seen = json.loads(site.syncd("status", "--json").stdout)
    told = {table["resource"]: (table["rows"],) for table in seen["tables"]}
    for table in ("projects", "company_users", "rfis"):
        assert rows(database_url, f"select count(*) from {table}") == [told[table]]

    ended = site.syncd("sync", "field", "--json")
    assert ended.returncode == 0, ended.stdout
    assert rows(database_url, "select count(*) from projects") == projects
    assert rows(database_url, f"select count(*) from rfis where project_id = {project}") == count
    assert rows(database_url, "select count(*) from company_users") == users


@pytest.mark.parametrize("number", ["0", "-5", str(2**63)])
def test_a_number_that_procore_gives_nobody_is_wrong_usage(site: Site, database_url: str, number: str) -> None:
    before = rows(database_url, "select count(*) from syncd_partitions")
    ended = site.syncd("purge", "--project", number, "--yes")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert rows(database_url, "select count(*) from syncd_partitions") == before
