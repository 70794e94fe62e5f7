"""Users' consent and everybody's tokens, as an operator and an attacker would see them."""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import create_engine, text
from support import refreshing
from support.program import QUOTA, Site

from syncd.auth.secret import Secret
from syncd.errors import ConsentNeeded
from syncd.jobs.protocol import Request
from syncd.sandbox.server import Sandbox

REDIRECT = "http://localhost"


@pytest.fixture
def box(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox(quota=QUOTA, projects=8)


@pytest.fixture
def site(box: Sandbox, tmp_path: Path) -> Site:
    made = Site(tmp_path / "site", box)
    made.job("field", resources=["projects", "vendors", "rfis"], workers=8)
    return made


def sign_in(site: Site, label: str, user: str) -> subprocess.CompletedProcess[str]:
    code = site.box.grants.approve("demo", REDIRECT, user)
    return site.syncd("auth", "login", label, "--no-browser", stdin=f"{code}\n")


def answer_to_the_address(site: Site, **choice: str) -> tuple[int, str, str, str]:
    """Open the printed address as a person would, and paste the address that the browser ended at."""
    command = [sys.executable, "-m", "syncd", "auth", "login", "alice", "--no-browser"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=site.environment()) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        ended_at = httpx.get(f"{address}&{'&'.join(f'{k}={v}' for k, v in choice.items())}").headers["Location"]
        out, err = process.communicate(f"{ended_at}\n", timeout=60)
    return process.returncode, out, err, ended_at


def rows(site: Site, sql: str) -> list[tuple[Any, ...]]:
    engine = create_engine(f"sqlite:///{site.folder / 'syncd.db'}")
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(sql))]
    engine.dispose()
    return found


def test_a_user_signs_in_by_pasting_the_address_and_is_listed_and_signed_out(site: Site) -> None:
    code, out, err, ended_at = answer_to_the_address(site, approve="1", user="alice")
    assert (code, out.count("\n")) == (0, 1)
    assert "alice is signed in" in out
    assert str(site.folder / "vault.key") in err
    listed = site.syncd("auth", "list")
    assert re.search(r"alice +\S+@\S+ +4266 +\d+ s ago +never +ok", listed.stdout)
    document = json.loads(site.syncd("auth", "list", "--json").stdout)
    assert [(one["user"], one["company_id"], one["state"]) for one in document["users"]] == [("alice", 4266, "ok")]

    again = site.syncd("auth", "login", "alice", "--no-browser", stdin=f"{ended_at}\n")
    assert (again.returncode, again.stderr.count("error:")) == (4, 1)
    assert "does not belong to this attempt (wrong state)" in again.stderr

    out_again = site.syncd("auth", "logout", "alice")
    assert (out_again.returncode, out_again.stderr) == (0, "")
    assert "revoked at Procore" in out_again.stdout
    assert not site.box.grants.refreshes
    assert site.syncd("auth", "logout", "alice").returncode == 2


def test_a_user_who_denies_is_told_in_one_sentence(site: Site) -> None:
    code, _, err, _ = answer_to_the_address(site, deny="1")
    assert code == 4
    assert err.endswith("error: The user denied access.\nStart again: syncd auth login alice\n")


def test_codes_that_are_used_expired_or_missing_are_told_in_one_sentence(site: Site) -> None:
    box = site.box
    code = box.grants.approve("demo", REDIRECT, "alice")
    assert site.syncd("auth", "login", "alice", "--no-browser", stdin=code).returncode == 0
    expired = box.grants.approve("demo", REDIRECT, "alice")
    box.offset += 601
    for pasted, words in ((code, "does not accept the code"), (expired, "does not accept the code"), ("", "Nothing")):
        done = site.syncd("auth", "login", "alice", "--no-browser", stdin=pasted)
        assert done.returncode == 4
        assert re.fullmatch(rf"error: [^\n]*{words}[^\n]*\n[^\n]*syncd auth login alice\n", done.stderr)
    assert site.syncd("auth", "login", "no label!", "--no-browser", stdin="x").returncode == 2


def test_a_user_signs_in_with_the_browser(site: Site) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site.settings["procore"]["redirect_uri"] = f"http://localhost:{port}/callback"
    site.write()
    browser = site.folder / "browser.py"
    browser.write_text(
        "import httpx, pathlib, sys\n"
        "page = httpx.get(sys.argv[1] + '&approve=1&user=alice', follow_redirects=True)\n"
        f"pathlib.Path({str(site.folder / 'page.html')!r}).write_text(page.text)\n"
    )
    done = site.syncd("auth", "login", "alice", environ={"BROWSER": f"{sys.executable} {browser} %s"})
    assert done.returncode == 0, done.stderr
    page = (site.folder / "page.html").read_text()
    assert "alice is signed in" in page
    assert "You may close this window" in page


def test_signing_out_forgets_also_where_procore_cannot_be_told(site: Site) -> None:
    assert sign_in(site, "alice", "alice").returncode == 0
    site.box.fault("status", path="POST /oauth/revoke", status=503)
    done = site.syncd("auth", "logout", "alice")
    assert done.returncode == 0
    assert "Procore could not be told" in done.stderr
    assert "was not revoked" in done.stdout
    assert json.loads(site.syncd("auth", "list", "--json").stdout) == {"users": []}


def test_a_rotated_key_opens_everything_and_the_old_one_alone_nothing(site: Site) -> None:
    for user in ("alice", "bob"):
        assert sign_in(site, user, user).returncode == 0
    key = site.folder / "vault.key"
    old = key.read_text()
    done = site.syncd("auth", "rotate-key")
    assert done.returncode == 0
    assert "2 stored authorizations" in done.stdout
    assert key.read_text().endswith(old)
    assert len(key.read_text().split()) == 2
    assert key.stat().st_mode & 0o777 == 0o600
    site.job("as-alice", as_user="alice", resources=["vendors"])
    assert site.syncd("sync", "as-alice").returncode == 0
    key.write_text(old)
    states = {one["user"]: one["state"] for one in json.loads(site.syncd("auth", "list", "--json").stdout)["users"]}
    assert states == {"alice": "sealed", "bob": "sealed"}
    refused = site.syncd("sync", "as-alice")
    assert refused.returncode == 2
    assert "is another key" in refused.stdout


def test_a_user_without_consent_stops_only_his_own_jobs(site: Site) -> None:
    site.job("as-alice", as_user="alice", resources=["rfis"])
    done = site.syncd("sync", "as-alice", "field", "--json")
    assert done.returncode == 4
    runs = {run["job"]: run for run in json.loads(done.stdout)["runs"]}
    assert (runs["field"]["status"], runs["as-alice"]["status"]) == ("ok", "failed")
    assert runs["as-alice"]["requests"] == 0
    assert runs["as-alice"]["remedy"] == "Let the user sign in: syncd auth login alice"
    tokens = {one["principal"]: one for one in json.loads(site.syncd("status", "--json").stdout)["tokens"]}
    assert tokens["user:alice"]["state"] == "consent needed"
    assert "syncd auth login alice" in tokens["user:alice"]["detail"]
    assert tokens["service"]["state"] == "ok"
    assert site.box.stats.token_requests == {"client_credentials 200": 1}


def test_a_user_who_revokes_is_noticed_and_the_command_is_told(site: Site) -> None:
    site.job("as-alice", as_user="alice", resources=["vendors"])
    assert sign_in(site, "alice", "alice").returncode == 0
    assert site.syncd("sync", "as-alice").returncode == 0
    site.box.grants.revoke_all("alice", refresh_too=True)
    done = site.syncd("sync", "as-alice")
    assert done.returncode == 4
    assert "syncd auth login alice" in done.stdout
    listed = site.syncd("auth", "list").stdout
    assert "consent needed" in listed
    assert sign_in(site, "alice", "alice").returncode == 0
    assert site.syncd("sync", "as-alice").returncode == 0


def test_rows_and_tombstones_are_kept_apart_by_who_sees_them(site: Site) -> None:
    """Bob sees two of the projects: what he does not list is no tombstone, and he asks for nothing that is not his."""
    box = site.box
    site.job("as-bob", as_user="bob", resources=["projects", "rfis"])
    assert sign_in(site, "bob", "bob").returncode == 0
    assert site.syncd("sync", "field", "--full").returncode == 0
    everything = rows(site, "select project_id, id from rfis where _syncd_deleted_at is null order by 1, 2")
    box.stats.reset()
    done = site.syncd("sync", "as-bob", "--full", "--json")
    assert done.returncode == 0, done.stdout
    assert rows(site, "select project_id, id from rfis where _syncd_deleted_at is null order by 1, 2") == everything
    assert not box.stats.observations
    seen = rows(site, "select count(distinct project_id) from rfis where _syncd_seen_by like '%user:bob%'")
    assert seen == [(2,)]

    mine, his = box.projects[0].id, box.projects[4].id
    gone = [(project, box.records("rfis", project)[0]["id"]) for project in (mine, his)]
    for project, record in gone:
        box.delete("rfis", record, project)
    run = json.loads(site.syncd("sync", "as-bob", "--full", "--accept-deletes", "--json").stdout)["runs"][0]
    assert run["rows"]["deleted"] == 0
    run = json.loads(site.syncd("sync", "field", "--full", "--accept-deletes", "--json").stdout)["runs"][0]
    assert run["rows"]["deleted"] == 2
    dead = rows(site, "select project_id, id from rfis where _syncd_deleted_at is not null order by 1, 2")
    assert dead == sorted(gone)


@pytest.mark.long
def test_tokens_of_six_seconds_cause_no_401_and_one_request_each(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    box = make_sandbox(quota=QUOTA, projects=4, token_lifetime=6)
    site = Site(tmp_path / "site", box)
    site.job("field", resources=["projects", "vendors", "rfis"], workers=8)
    # Requests that take a while are on their way when a token ends, and let the runs ask for less in that time.
    box.fault("delay", path="GET /rest/", seconds=0.1)
    with site.app() as app:
        began = time.monotonic()
        runs = 0
        while time.monotonic() - began < 13:
            assert app.run_job("field", Request(interactive=True, full=True), trigger="manual").status == "ok"
            runs += 1
        took = time.monotonic() - began
    assert runs > 1
    assert "401" not in box.stats.observations
    assert box.stats.token_requests["client_credentials 200"] <= took / (6 * 0.75) + 1
    assert set(box.stats.token_requests) == {"client_credentials 200"}


def test_tokens_revoked_in_the_middle_of_a_run_do_not_fail_it(site: Site) -> None:
    site.box.fault("delay", path="GET /rest/", seconds=0.05)
    with site.start("sync", "field", "--full", anew=True) as process:
        while process.poll() is None and site.box.stats.requests < 3:
            time.sleep(0.01)
        site.box.grants.revoke_all()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert site.box.stats.observations["401"] >= 1
    assert site.box.stats.token_requests == {"client_credentials 200": 2}


def test_a_token_endpoint_in_trouble_is_waited_for(site: Site) -> None:
    site.box.fault("status", path="POST /oauth/token", status=503, count=2)
    site.box.fault("reset", path="POST /oauth/token", nth=2)
    done = site.syncd("sync", "field")
    assert done.returncode == 0, done.stdout
    assert site.box.stats.token_requests["client_credentials 200"] == 1


def test_a_wrong_secret_is_one_sentence_and_few_requests(site: Site) -> None:
    site.settings["procore"]["client_secret"] = "wrong"
    site.write()
    site.job("other", resources=["rfis", "vendors"], workers=8)
    done = site.syncd("sync", "field", "other")
    assert done.returncode == 1
    assert sum(site.box.stats.token_requests.values()) <= 3
    assert "Procore does not accept the app's credentials" in done.stdout
    assert "Check procore.environment, client_id and client_secret." in done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def forks() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.refreshing"])
    return context


@pytest.fixture
def place(box: Sandbox, tmp_path: Path) -> refreshing.Place:
    return refreshing.Place(box.url, f"sqlite:///{tmp_path / 'tokens.db'}", Fernet.generate_key().decode())


def consent(box: Sandbox, desk: refreshing.Desk) -> None:
    code = box.grants.approve("demo", refreshing.REDIRECT, "alice")
    desk.accounts.login(refreshing.LABEL, Secret(code))


def race(box: Sandbox, place: refreshing.Place, forks: ForkServerContext, rounds: int) -> None:
    with refreshing.desk(place) as desk:
        consent(box, desk)
        box.stats.reset()
        pipes = [forks.Pipe() for _ in range(2)]
        children = [forks.Process(target=refreshing.answer, args=(place, theirs)) for _, theirs in pipes]
        for child in children:
            child.start()
        ours = [mine for mine, _ in pipes]
        for mine in ours:
            assert mine.recv() == "ready"
        for number in range(rounds):
            desk.expire()
            for mine in ours:
                mine.send(True)
            answers = {mine.recv() for mine in ours}
            assert len(answers) == 1
            assert box.stats.token_requests == {"refresh_token 200": number + 1}
        for mine in ours:
            mine.send(False)
        for child in children:
            child.join(10)
            assert child.exitcode == 0


def test_two_processes_at_the_instant_of_expiry_refresh_once(
    box: Sandbox, place: refreshing.Place, forks: ForkServerContext
) -> None:
    race(box, place, forks, 50)


@pytest.mark.postgres
def test_two_processes_on_postgresql_refresh_once(
    box: Sandbox, place: refreshing.Place, forks: ForkServerContext, postgres_url: str
) -> None:
    race(box, refreshing.Place(place.login_url, postgres_url, place.key), forks, 50)


def kill(box: Sandbox, place: refreshing.Place, forks: ForkServerContext, rounds: int) -> tuple[int, int]:
    """Kill a process that renews all the time; returns how often the answer was lost, and how often not."""
    dice = random.Random(7)
    lost = 0
    place = refreshing.Place(place.login_url, place.database, place.key, lease_seconds=0.3)
    with refreshing.desk(place) as desk:
        consent(box, desk)
        box.stats.reset()
        first = desk.stored().generation
        for _ in range(rounds):
            ours, theirs = forks.Pipe()
            child = forks.Process(target=refreshing.renew_for_ever, args=(place, theirs))
            child.start()
            assert ours.recv() == "ready"
            time.sleep(dice.uniform(0, 0.08))
            child.kill()
            child.join()
            desk.expire()
            try:
                desk.supply.fetch(None)
            except ConsentNeeded:
                # The server gave one pair more than were stored: the answer with it never came.
                lost += 1
                stored = desk.stored().generation - first
                assert box.stats.token_requests["refresh_token 200"] == stored + 1
                consent(box, desk)
                box.stats.reset()
                first = desk.stored().generation
    return lost, rounds - lost


def test_a_killed_process_costs_consent_only_where_the_answer_was_lost(
    box: Sandbox, place: refreshing.Place, forks: ForkServerContext
) -> None:
    kill(box, place, forks, 20)


class Canaries:
    """Collects what a program wrote, and looks for secrets in it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.said: list[str] = []

    def run(self, *words: str, stdin: str = "") -> int:
        done = self.site.syncd(*words, "--verbose", stdin=stdin)
        self.said += [done.stdout, done.stderr]
        return done.returncode

    def secrets(self) -> Iterator[str]:
        grants = self.site.box.grants
        yield grants.clients["demo"].secret
        yield from grants.used_codes
        for token in grants.tokens.values():
            yield token.value
            if token.refresh:
                yield token.refresh

    def found(self) -> list[str]:
        files = [path for path in self.site.folder.rglob("*") if path.is_file() and path.name != "syncd.yaml"]
        assert any(path.name == "syncd.db" for path in files)
        written = [path.read_bytes() for path in files] + [text.encode() for text in self.said]
        return [secret for secret in self.secrets() for text in written if secret.encode() in text]


@pytest.mark.long
def test_no_secret_stands_in_anything_that_the_program_wrote(site: Site) -> None:
    box = site.box
    box.grants.clients["demo"].secret = site.settings["procore"]["client_secret"] = "canary-of-the-client"
    site.write()
    site.job("as-alice", as_user="alice", resources=["vendors"])
    canaries = Canaries(site)
    code = box.grants.approve("demo", REDIRECT, "alice")
    assert canaries.run("auth", "login", "alice", "--no-browser", stdin=code) == 0
    assert canaries.run("auth", "login", "alice", "--no-browser", stdin=code) == 4
    assert canaries.run("sync", "as-alice", "field", "--json") == 0
    box.grants.revoke_all("alice")
    box.fault("truncate", path="POST /oauth/token", nth=1)
    assert canaries.run("sync", "as-alice") == 4
    box.fault(
        "status",
        path="POST /oauth/token",
        status=400,
        body='{"error": "invalid_client", "error_description": "canary-of-the-client"}',
    )
    assert canaries.run("sync", "field") == 1
    box.faults.clear()
    for words in (("auth", "list", "--json"), ("status", "--json"), ("check", "--json"), ("auth", "rotate-key")):
        canaries.run(*words)
    site.settings["procore"]["login_url"] = 5
    site.write()
    assert canaries.run("check") == 2
    assert len(set(canaries.secrets())) >= 6
    assert canaries.found() == []
