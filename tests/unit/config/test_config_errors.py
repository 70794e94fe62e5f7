"""Whatever is wrong with an operator's files is said in one sentence, with file, line and key, and no secret in it."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

from syncd.config.load import Configuration, find_configuration, load_configuration, load_settings, unknown_resources
from syncd.errors import ConfigError
from syncd.jobs.resources_options import ResourcesOptions

SECRET = "swordfish-9000"
ENVIRON = {"ID": "abc", "SECRET": SECRET}

GOOD = """\
procore:
  environment: sandbox
  client_id: ${ID}
  client_secret: ${SECRET}
"""

JOB = """\
name: field
company: 4266
resources: [rfis]
"""


class Greedy(BaseModel):
    """A plugin's keys, as a careless author writes them."""

    words: list[str]
    limit: int = 1

    @field_validator("limit")
    @classmethod
    def _never_seven(cls, value: int) -> int:
        if value == 7:
            raise KeyError("seven")
        return value


MODELS: Mapping[str, type[BaseModel]] = {"resources": ResourcesOptions, "greedy": Greedy}


class Folder:
    """A configuration folder under test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "jobs").mkdir()
        self.top(GOOD)
        self.job(JOB)

    def top(self, text: str | bytes) -> None:
        (self.path / "syncd.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())

    def job(self, text: str | bytes, name: str = "field.yaml") -> None:
        (self.path / "jobs" / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def load(self, environ: Mapping[str, str] = ENVIRON) -> Configuration:
        return load_configuration(self.path / "syncd.yaml", environ, MODELS, {"broken": "ImportError: no module x"})

    def errors(self, environ: Mapping[str, str] = ENVIRON) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            self.load(environ)
        assert raised.value.exit_code == 2
        assert raised.value.remedy
        assert SECRET not in str(raised.value)
        return [line.replace(f"{self.path}/", "") for line in raised.value.message.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_folder_under_test_is_valid(folder: Folder) -> None:
    assert list(folder.load().jobs) == ["field"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            GOOD.replace("client_secret", "client_secrt"),
            "syncd.yaml:4: procore.client_secrt is no known key; did you mean client_secret?",
        ),
        (
            GOOD.replace("sandbox", "sandbx"),
            "syncd.yaml:2: procore.environment needs one of production, sandbox, monthly, federal, custom; did you mean sandbox?",
        ),
        (GOOD + "  quota_share: 1.5\n", "syncd.yaml:5: procore.quota_share needs to be less than or equal to 1."),
        (GOOD + "  quota_share: 0\n", "syncd.yaml:5: procore.quota_share needs to be greater than 0."),
        (GOOD + "  quota_share: much\n", "syncd.yaml:5: procore.quota_share needs a number."),
        (GOOD + "  api_url: https://x.example\n", "syncd.yaml:5: procore.api_url belongs to environment: custom only."),
        (
            GOOD.replace("sandbox", "custom"),
            "syncd.yaml:1: procore.login_url is missing; environment: custom needs it.",
        ),
        (
            GOOD.replace("sandbox", "custom") + "  login_url: http://10.0.0.1\n  api_url: http://localhost:1\n",
            "syncd.yaml:5: procore.login_url needs https; plain http is accepted for loopback addresses only.",
        ),
        (
            GOOD.replace("sandbox", "custom") + "  login_url: https://a.example\n  api_url: https://me@b.example/v1\n",
            "syncd.yaml:6: procore.api_url needs an address without user, path or query.",
        ),
        (
            GOOD + "database:\n  url: mysql://root:swordfish-9000@db/x\n",
            "syncd.yaml:6: database.url needs sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME.",
        ),
        *(
            (
                f"{GOOD}database:\n  url: '{url}'\n",
                "syncd.yaml:6: database.url needs sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME.",
            )
            for url in ("sqlite://", "sqlite:///", "sqlite://host/x.db", "sqlite:///:memory:", "sqlite:///?mode=ro")
        ),
        *(
            (
                f"{GOOD}database:\n  url: 'postgresql://{place}'\n",
                "syncd.yaml:6: database.url needs postgresql+psycopg://USER@HOST:PORT/NAME, with %40, %3A and %2F for @, : and / in a password.",
            )
            for place in ("db:port/x", "me:sword/fish-9000@db/x", "me@db:54:32/x")
        ),
        (
            f"{GOOD}database:\n  url: postgresql://me@db/x?sslmode=require&password=swordfish-9000\n",
            "syncd.yaml:6: database.url has a password behind the ?, where it would be shown; write USER:PASSWORD@HOST.",
        ),
        *(
            (
                f"{GOOD}  redirect_uri: 'http://{place}'\n",
                "syncd.yaml:5: procore.redirect_uri needs an address such as http://localhost:8910/callback, as registered with the app.",
            )
            for place in ("localhost:0/x", "localhost:99999", "localhost:80a", "[::1:8910/x")
        ),
        (GOOD + "vault: {key_file: a, key: b}\n", "syncd.yaml:5: vault.key and key_file are both given; keep one."),
        (GOOD + "vault:\n", "syncd.yaml:5: vault needs keys below it."),
        (GOOD + "workers: 0\n", "syncd.yaml:5: workers needs to be greater than or equal to 1."),
        (GOOD + "workers: many\n", "syncd.yaml:5: workers needs a whole number."),
        (
            GOOD + "http: {listen: here}\n",
            "syncd.yaml:5: http.listen needs HOST:PORT, a port alone (loopback), or off.",
        ),
        (
            GOOD + "alerts:\n  - comand: [x]\n    command: [y]\n",
            "syncd.yaml:6: alerts[0].comand is no known key; did you mean command?",
        ),
        (GOOD + "alerts:\n  - on: [failure]\n", "syncd.yaml:6: alerts[0] needs either command or apprise."),
        (GOOD + "log: {level: loud}\n", "syncd.yaml:5: log.level needs one of debug, info, warning, error."),
        (
            GOOD + "retention: {runs: forever}\n",
            "syncd.yaml:5: retention.runs needs a duration such as 30s, 15m, 2h or 7d.",
        ),
        (GOOD.replace("${ID}", "''"), "syncd.yaml:3: procore.client_id must not be empty."),
        (GOOD + "jobs: []\n", "syncd.yaml:5: jobs must not be empty."),
        (GOOD + "1: x\n? [a]\n: y\n", "syncd.yaml:5: 1 is no known key; known here: "),
        (GOOD + "procore: {}\n", "syncd.yaml:5: procore stands twice; the first is in line 1."),
        ("", "syncd.yaml:1: the file is empty."),
        ("# only a comment\n", "syncd.yaml:1: the file is empty."),
        ("{}\n", "syncd.yaml:1: the file is empty."),
        ("- a\n", "syncd.yaml:1: needs `key: value` lines at its top."),
        (GOOD + "a: [b\nc: d\n", "syncd.yaml:6: this is not YAML: "),
        (GOOD + "log:\n\tlevel: info\n", "syncd.yaml:6: this is not YAML: found character that cannot start any token"),
        (GOOD + "--- \nb: c\n", "syncd.yaml:5: this is not YAML: but found another document"),
        (
            GOOD + "log: {level: !swordfish-9000 info}\n",
            "syncd.yaml:5: log.level has a YAML tag (`!...`) that means nothing",
        ),
        (GOOD + "log: *swordfish-9000\n", "syncd.yaml:5: this is not YAML: found undefined alias."),
        (GOOD + "log: &a {level: *a}\n", "syncd.yaml:5: log."),
        (GOOD + "log: " + "[" * 100_000, "syncd.yaml:1: nests more than 30 levels."),
        (GOOD.encode() + b"log: \xff\n", "syncd.yaml:5: is not UTF-8; save the file in that encoding."),
        (GOOD.encode() + b"log: \x00\n", "syncd.yaml:5: holds a control character."),
        (GOOD.encode("utf-16"), "syncd.yaml:1: is not UTF-8; save the file in that encoding."),
        (b"#" * (2 << 20), "syncd.yaml: is larger than a configuration can be (1 MiB)."),
    ],
)
def test_a_broken_main_file_is_explained(folder: Folder, text: str | bytes, sentence: str) -> None:
    folder.top(text)
    assert any(line.startswith(sentence) for line in folder.errors()), folder.errors()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            JOB.replace("resources", "resorces"),
            "jobs/field.yaml:3: resorces is no known key; did you mean resources?",
        ),
        (JOB.replace("company", "compny"), "jobs/field.yaml:2: compny is no known key; did you mean company?"),
        (JOB.replace("company: 4266\n", ""), "jobs/field.yaml:1: company is missing."),
        (JOB.replace("4266", "halden"), "jobs/field.yaml:2: company needs a number, as Procore shows it"),
        (JOB.replace("4266", "true"), "jobs/field.yaml:2: company needs a number, as Procore shows it"),
        (JOB.replace("4266", str(2**63)), "jobs/field.yaml:2: company needs a number, as Procore shows it"),
        (JOB.replace("field", "a job"), "jobs/field.yaml:1: name needs at most 64 letters, digits and . _ - @ +"),
        (JOB + "type: resorces\n", "jobs/field.yaml:4: type names no installed job type; did you mean resources?"),
        (JOB + "type: broken\n", "jobs/field.yaml:4: type broken cannot be loaded: ImportError: no module x; mend or"),
        (JOB + "projects: activ\n", "jobs/field.yaml:4: projects needs active, all, or a list of project numbers"),
        (JOB + "projects: []\n", "jobs/field.yaml:4: projects needs active, all, or at least one project's number."),
        (JOB + "deletes: forget\n", "jobs/field.yaml:4: deletes needs one of mark, remove."),
        (JOB + "lookback: 5 minutes\n", "jobs/field.yaml:4: lookback needs a duration such as 30s, 15m, 2h or 7d."),
        (JOB + "lookback: 5\n", "jobs/field.yaml:4: lookback needs a duration such as 30s, 15m, 2h or 7d."),
        (JOB + "lookback: 99999999999999d\n", "jobs/field.yaml:4: lookback needs a duration of at most 36500d."),
        (
            JOB + "full_refresh: {evry: 1d}\n",
            "jobs/field.yaml:4: full_refresh.evry is no known key; did you mean every?",
        ),
        (JOB + "full_refresh: 7d\n", "jobs/field.yaml:4: full_refresh needs keys below it."),
        (JOB + "schedule: {}\n", "jobs/field.yaml:4: schedule needs either every or cron."),
        (
            JOB + 'schedule:\n  every: 1h\n  cron: "* * * * *"\n',
            "jobs/field.yaml:4: schedule needs either every or cron.",
        ),
        (JOB + "schedule: {every: 1h, timezone: UTC}\n", "jobs/field.yaml:4: schedule timezone belongs to cron"),
        (JOB + 'schedule:\n  cron: "5 2 * *"\n', "jobs/field.yaml:5: schedule.cron needs five fields: minute, hour"),
        (JOB + 'schedule: {cron: "0 0 30 2 *"}\n', "jobs/field.yaml:4: schedule.cron names a moment that never comes."),
        (
            JOB + 'schedule: {cron: "0 0 1 * 1"}\n',
            "jobs/field.yaml:4: schedule.cron restricts the day of the month and",
        ),
        (
            JOB + 'schedule: {cron: "5 2 * * *", timezone: America/Los_Angles}\n',
            "jobs/field.yaml:4: schedule.timezone needs the name of a time zone such as America/Los_Angeles; did you mean",
        ),
        (
            JOB + "exclude: {rfis: [subject]}\nhash: {rfis: [subject]}\n",
            "jobs/field.yaml:1: exclude and hash both name rfis.subject; a field can have one of the two.",
        ),
        (
            JOB + "delete_guard: {share: 2}\n",
            "jobs/field.yaml:4: delete_guard.share needs to be less than or equal to 1.",
        ),
        (JOB + "workers: 1000\n", "jobs/field.yaml:4: workers needs to be less than or equal to 64."),
        ("name: g\ncompany: 1\ntype: greedy\nwords: x\n", "jobs/field.yaml:4: words needs a list."),
        (
            "name: g\ncompany: 1\ntype: greedy\nword: [x]\n",
            "jobs/field.yaml:4: word is no known key; did you mean words?",
        ),
        (
            "name: g\ncompany: 1\ntype: greedy\nwords: [x]\nlimit: 7\n",
            "jobs/field.yaml:1: cannot be checked: ",
        ),
    ],
)
def test_a_broken_job_is_explained(folder: Folder, text: str, sentence: str) -> None:
    folder.job(text)
    found = folder.errors()
    assert any(line.startswith(sentence) for line in found), found
    assert len(found) == 1, found


def test_all_broken_files_are_reported_in_their_order(folder: Folder) -> None:
    folder.top(GOOD + "htpp: {}\n")
    folder.job("name: a\n", "a.yaml")
    folder.job("name: b\ncompany: x\nresources: [rfis]\n", "b.yaml")
    assert folder.errors() == [
        "jobs/a.yaml:1: company is missing.",
        "jobs/a.yaml:1: resources is missing.",
        "jobs/b.yaml:2: company needs a number, as Procore shows it in the address of its pages.",
        "syncd.yaml:5: htpp is no known key; did you mean http?",
    ]


def test_a_name_is_unique_among_all_jobs(folder: Folder) -> None:
    folder.job("# second\n" + JOB, "other.yaml")
    taken = f"{folder.path}/jobs/field.yaml:1"
    assert folder.errors() == [
        f"jobs/other.yaml:2: name field is taken by {taken}; a job's name is unique.".replace(f"{folder.path}/", "")
    ]


def test_a_pattern_without_files_is_an_error(folder: Folder) -> None:
    (folder.path / "jobs" / "field.yaml").unlink()
    (found,) = folder.errors()
    assert found.startswith("syncd.yaml: jobs names no file that is there, in ")


def test_an_unreadable_job_is_reported(folder: Folder) -> None:
    (folder.path / "jobs" / "gone.yaml").symlink_to("nowhere")
    assert folder.errors() == ["jobs/gone.yaml: cannot be read: No such file or directory."]


def test_jobs_may_stand_beside_the_main_file(folder: Folder) -> None:
    folder.top(GOOD + 'jobs: ["*.yaml", "jobs/field.yaml", "jobs/f*.yaml"]\n')
    (folder.path / "one.yaml").write_text(JOB.replace("field", "one"))
    assert set(folder.load().jobs) == {"one", "field"}


@pytest.mark.parametrize(
    ("text", "environ", "sentence"),
    [
        ("${NOPE}", {}, "needs the environment variable NOPE, which is not set."),
        ("x${NOPE}y", {}, "needs the environment variable NOPE, which is not set."),
        ("${file:nope.txt}", {}, "needs the file nope.txt, which cannot be read: No such file or directory."),
        ("${file:jobs}", {}, "needs the file jobs, which cannot be read: Is a directory."),
        ("${credential:app}", {}, "needs the systemd credential app, but CREDENTIALS_DIRECTORY is not set: syncd was"),
        (
            "${credential:app}",
            {"CREDENTIALS_DIRECTORY": "/nowhere"},
            "needs the systemd credential app, which cannot be read: No such file or directory.",
        ),
        ("${credential:../x}", {"CREDENTIALS_DIRECTORY": "/"}, "has a reference that is none of ${NAME}, ${file:PATH}"),
        ("${NOT A NAME}", {}, "has a reference that is none of ${NAME}, ${file:PATH}"),
        ("${}", {}, "has a reference that is none of ${NAME}, ${file:PATH}"),
        ("${OPEN", {}, "has a `${` that is not closed; write $${ for these two characters themselves."),
    ],
)
def test_a_reference_that_leads_nowhere_names_key_and_variable(
    folder: Folder, text: str, environ: dict[str, str], sentence: str
) -> None:
    folder.top(GOOD.replace("${SECRET}", f"'{text}'"))
    (found,) = folder.errors({"ID": "x", **environ})
    assert found.startswith(f"syncd.yaml:4: procore.client_secret {sentence}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${A}", "alpha"),
        ("a-${A}-${A}", "a-alpha-alpha"),
        ("$A ${A}", "$A alpha"),
        ("$${A}", "${A}"),
        ("${NESTED}", "${A}"),
        ("${file:secret.txt}", "from a file"),
        ("${credential:app}", "from systemd"),
        ("12345", "12345"),
        ("007", "007"),
        ("no", "no"),
        ("1e5", "1e5"),
        ("12:30", "12:30"),
    ],
)
def test_references_are_filled_in_once_and_texts_stay_as_they_are(folder: Folder, text: str, value: str) -> None:
    (folder.path / "secret.txt").write_text("from a file\n")
    (folder.path / "credentials").mkdir()
    (folder.path / "credentials" / "app").write_text("from systemd")
    folder.top(GOOD.replace("${SECRET}", text))
    environ = {**ENVIRON, "A": "alpha", "NESTED": "${A}", "CREDENTIALS_DIRECTORY": str(folder.path / "credentials")}
    assert folder.load(environ).settings.procore.client_secret.get_secret_value() == value


def test_only_one_newline_is_taken_from_a_file(folder: Folder) -> None:
    (folder.path / "secret.txt").write_text(" a\n\n")
    folder.top(GOOD.replace("${SECRET}", "${file:secret.txt}"))
    assert folder.load().settings.procore.client_secret.get_secret_value() == " a\n"


def test_a_variable_may_bring_a_number_or_a_duration(folder: Folder) -> None:
    folder.job("name: j\ncompany: ${COMPANY}\nresources: [rfis]\nworkers: ${W}\nlookback: ${L}\n")
    job = folder.load({**ENVIRON, "COMPANY": "562949953421312", "W": "3", "L": "2h"}).jobs["j"]
    assert job.company == 562949953421312
    assert isinstance(job.options, ResourcesOptions)
    assert (job.options.workers, job.options.lookback.total_seconds()) == (3, 7200)


def test_a_secret_in_the_wrong_place_is_not_repeated(folder: Folder) -> None:
    folder.top(GOOD.replace("sandbox", "${SECRET}") + "workers: ${SECRET}\ndatabase: {url: 'mysql://${SECRET}'}\n")
    folder.job(f"name: ${{SECRET}}\ncompany: {SECRET}\nresources: [rfis]\ntype: {SECRET}\n")
    assert len(folder.errors({"ID": "x", "SECRET": SECRET})) >= 4


def test_settings_never_show_secrets(folder: Folder) -> None:
    folder.top(
        GOOD
        + f"database: {{url: 'postgresql://u:{SECRET}@h/d'}}\nvault: {{key: {SECRET}}}\nalerts: [{{apprise: 'x://{SECRET}'}}]\n"
    )
    configuration = folder.load()
    assert SECRET not in repr(configuration) + str(configuration.settings)
    assert configuration.settings.database.url.get_secret_value() == f"postgresql+psycopg://u:{SECRET}@h/d"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///x.db", "sqlite:///{folder}/x.db"),
        ("sqlite:///data/x.db?timeout=5", "sqlite:///{folder}/data/x.db?timeout=5"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("postgres://u@h/d", "postgresql+psycopg://u@h/d"),
        ("postgresql+psycopg://u@h/d?sslmode=require", "postgresql+psycopg://u@h/d?sslmode=require"),
    ],
)
def test_paths_begin_at_the_files_folder(folder: Folder, url: str, expected: str) -> None:
    folder.top(GOOD + f"database: {{url: '{url}'}}\nvault: {{key_file: keys/v}}\nresources_dir: own\n")
    settings = folder.load().settings
    assert settings.database.url.get_secret_value() == expected.format(folder=folder.path)
    assert settings.vault.key_file == folder.path / "keys" / "v"
    assert settings.resources_dir == (folder.path / "own",)


def test_paths_begin_at_the_files_folder_wherever_the_process_stands(
    folder: Folder,
) -> None:
    with contextlib.chdir(folder.path.parent):
        settings = load_settings(Path(folder.path.name) / "syncd.yaml", ENVIRON)
    assert settings.vault.key_file == folder.path / "vault.key"


@pytest.mark.parametrize(
    ("listen", "shown"),
    [
        ("127.0.0.1:8901", "127.0.0.1:8901"),
        ("8901", "127.0.0.1:8901"),
        ("':0'", "127.0.0.1:0"),
        ("0", "127.0.0.1:0"),
        ("'[::1]:80'", "[::1]:80"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("off", "None"),
        ("false", "None"),
        ("", "None"),
    ],
)
def test_listen_takes_an_address_a_port_or_off(folder: Folder, listen: str, shown: str) -> None:
    folder.top(f"{GOOD}http:\n  listen: {listen}\n")
    assert str(folder.load().settings.http.listen) == shown


@pytest.mark.parametrize(
    ("cron", "read"),
    [
        ("5 2 * * *", "5 2 * * *"),
        ("5 2 * * 0", "5 2 * * sun"),
        ("5 2 * * 7", "5 2 * * sun"),
        ("5 2 * * 1-5", "5 2 * * mon,tue,wed,thu,fri"),
        ("5 2 * * mon-fri", "5 2 * * mon,tue,wed,thu,fri"),
        ("5 2 * * sat-sun", "5 2 * * sun,sat"),
        ("5 2 * * 5-7", "5 2 * * sun,fri,sat"),
        ("5 2 * * */2", "5 2 * * sun,tue,thu,sat"),
        ("*/15 8-18 * * 1,3", "*/15 8-18 * * mon,wed"),
        ("0 0 29 2 *", "0 0 29 2 *"),
    ],
)
def test_cron_counts_weekdays_from_sunday_as_crontab_does(folder: Folder, cron: str, read: str) -> None:
    folder.job(f'{JOB}schedule: {{cron: "{cron}", timezone: America/Los_Angeles}}\n')
    schedule = folder.load().jobs["field"].schedule
    assert schedule is not None
    assert schedule.cron == read


def test_a_plugin_that_takes_any_key_gets_them(folder: Folder) -> None:
    class Open(BaseModel, extra="allow"):
        pass

    folder.job("name: o\ncompany: 1\ntype: open\nanything: [1, 2.5, true, null, no]\n")
    models: Mapping[str, type[BaseModel]] = {**MODELS, "open": Open}
    job = load_configuration(folder.path / "syncd.yaml", ENVIRON, models).jobs["o"]
    assert job.options.model_dump() == {"anything": [1, 2.5, True, None, "no"]}


def test_resources_are_checked_where_they_stand(folder: Folder) -> None:
    folder.job("name: j\ncompany: 1\nresources:\n  - rfis\n  - submitals\nexclude:\n  usres: [a]\n")
    known = {"rfis", "submittals", "users"}

    def select(names: Any) -> None:
        for name in names:
            if name not in known:
                raise ConfigError(f"There is no resource {name}.", "See: syncd resources")

    found = unknown_resources(folder.load(), select)
    assert [line.replace(f"{folder.path}/", "") for line in found] == [
        "jobs/field.yaml:5: resources[1]: There is no resource submitals. See: syncd resources",
        "jobs/field.yaml:7: exclude.usres: There is no resource usres. See: syncd resources",
    ]


class TestFind:
    """Where the configuration is looked for."""

    def test_the_given_path_wins_and_may_be_a_folder(self, folder: Folder) -> None:
        environ = {"SYNCD_CONFIG": "/elsewhere"}
        assert find_configuration(folder.path, environ) == folder.path / "syncd.yaml"
        assert find_configuration(folder.path / "syncd.yaml", environ) == folder.path / "syncd.yaml"

    def test_the_environment_comes_before_the_usual_places(self, folder: Folder, tmp_path: Path) -> None:
        environ = {"SYNCD_CONFIG": str(folder.path)}
        assert find_configuration(None, environ, [tmp_path / "x"]) == folder.path / "syncd.yaml"

    def test_the_first_of_the_usual_places_that_is_there(self, folder: Folder, tmp_path: Path) -> None:
        places = [tmp_path / "nowhere", folder.path / "syncd.yaml"]
        assert find_configuration(None, {}, places) == folder.path / "syncd.yaml"

    @pytest.mark.parametrize("given", [Path("/nowhere/x.yaml"), None])
    def test_nothing_found_says_where_it_was_looked_for(self, tmp_path: Path, given: Path | None) -> None:
        with pytest.raises(ConfigError, match=r"/nowhere/x\.yaml|one\.yaml and .*two\.yaml") as raised:
            find_configuration(given, {}, [tmp_path / "one.yaml", tmp_path / "two.yaml"])
        assert "syncd init" in raised.value.remedy

    @pytest.mark.parametrize("by_option", [True, False])
    def test_a_path_that_cannot_be_looked_at_is_one_sentence(self, *, by_option: bool) -> None:
        name = "x" * 300
        given, environ = (Path(name), {}) if by_option else (None, {"SYNCD_CONFIG": name})
        with pytest.raises(ConfigError, match=r"cannot be looked at .*: File name too long"):
            find_configuration(given, environ)

    def test_a_usual_place_that_cannot_be_looked_at_is_passed_over(self, folder: Folder) -> None:
        places = [Path("x" * 300), folder.path / "syncd.yaml"]
        assert find_configuration(None, {}, places) == folder.path / "syncd.yaml"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["active", "15m", "${ID}", "${", SECRET])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["name", "company", "projects", "resources", "schedule", "full_refresh", "hash", "type", "lookback", "jobs"]
)


@settings(max_examples=60, deadline=None)
@given(
    job=st.dictionaries(KEYS, VALUES),
    top=st.dictionaries(KEYS | st.sampled_from(["alerts", "http", "procore"]), VALUES),
)
def test_any_values_are_either_read_or_explained(
    tmp_path_factory: pytest.TempPathFactory, job: dict[str, Any], top: dict[str, Any]
) -> None:
    folder = Folder(tmp_path_factory.mktemp("any"))
    folder.job(yaml.safe_dump(job))
    folder.top(GOOD + (yaml.safe_dump(top) if top else ""))
    with contextlib.suppress(ConfigError):
        folder.load()
        return
    assert folder.errors()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_either_read_or_explained(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    folder = Folder(tmp_path_factory.mktemp("bytes"))
    folder.job(raw)
    assert folder.errors()
