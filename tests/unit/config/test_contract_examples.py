"""The contract's example files work exactly as they stand."""

from datetime import timedelta
from pathlib import Path

import pytest

from syncd.config.load import load_configuration, load_settings
from syncd.config.settings import ENVIRONMENTS
from syncd.jobs.resources_options import ResourcesOptions

SYNCD = """\
# config/syncd.yaml
procore:
  environment: production            # production | sandbox | monthly | federal | custom
  client_id: ${PROCORE_CLIENT_ID}
  client_secret: ${PROCORE_CLIENT_SECRET}
  quota_share: 0.8                   # how much of the app's allowance syncd may use, 0 to 1 (this is the default)
database:
  url: sqlite:///syncd.db            # or postgresql+psycopg://user@host/db ; relative paths: from this file's folder
  schema: procore                    # PostgreSQL only
vault:
  key_file: vault.key                # encrypts users' tokens; beside this file, 0600, made by the first `auth login`; or key: ${credential:vault}
jobs: jobs/*.yaml
"""

CUSTOM = """\
# environment: custom takes its two URLs; plain http is accepted for loopback addresses only
procore:
  environment: custom
  login_url: http://127.0.0.1:8900
  api_url: http://127.0.0.1:8900
  client_id: demo
  client_secret: demo
"""

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

AS_ALICE = """\
# config/jobs/as-alice.yaml : a one-off that acts for a user who has consented
name: as-alice
type: resources
as_user: alice                       # the label given at `syncd auth login alice`
company: 4266
projects: [101]
resources: [rfis]
"""

MODELS = {"resources": ResourcesOptions}
ENVIRON = {"PROCORE_CLIENT_ID": "id-1", "PROCORE_CLIENT_SECRET": "a secret"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = tmp_path / "config"
    (config / "jobs").mkdir(parents=True)
    (config / "syncd.yaml").write_text(SYNCD, encoding="utf-8")
    (config / "jobs" / "field.yaml").write_text(FIELD, encoding="utf-8")
    (config / "jobs" / "as-alice.yaml").write_text(AS_ALICE, encoding="utf-8")
    return config


def test_settings_of_the_contract_are_read(folder: Path) -> None:
    settings = load_settings(folder / "syncd.yaml", ENVIRON)
    assert settings.procore.client_id == "id-1"
    assert settings.procore.client_secret.get_secret_value() == "a secret"
    assert settings.procore.quota_share == 0.8
    assert settings.procore.login_url == "https://login.procore.com"
    assert settings.procore.api_url == "https://api.procore.com"
    assert settings.database.url.get_secret_value() == f"sqlite:///{folder}/syncd.db"
    assert settings.database.schema_name == "procore"
    assert settings.vault.key_file == folder / "vault.key"


def test_jobs_of_the_contract_are_read(folder: Path) -> None:
    jobs = load_configuration(folder / "syncd.yaml", ENVIRON, MODELS).jobs
    assert list(jobs) == ["as-alice", "field"]
    field, alice = jobs["field"], jobs["as-alice"]
    assert (field.company, field.as_user, alice.as_user) == (4266, None, "alice")
    assert field.schedule is not None
    assert field.schedule.every == timedelta(minutes=15)
    assert alice.schedule is None
    assert field.options == ResourcesOptions(
        projects="active",
        resources=("projects", "company_users", "vendors", "rfis", "submittals"),
        deletes="mark",
        refusals="report",
    )
    assert isinstance(alice.options, ResourcesOptions)
    assert alice.options.projects == (101,)


def test_the_comments_of_the_contract_say_the_defaults(folder: Path) -> None:
    jobs = load_configuration(folder / "syncd.yaml", ENVIRON, MODELS).jobs
    written, left_out = jobs["field"].options, jobs["as-alice"].options
    assert isinstance(written, ResourcesOptions)
    assert isinstance(left_out, ResourcesOptions)
    for key in ("full_refresh", "deletes", "lookback", "logs_from", "logs_lookback", "refusals"):
        assert getattr(left_out, key) == getattr(written, key), key


def test_custom_environment_needs_nothing_but_its_addresses_and_credentials(tmp_path: Path) -> None:
    path = tmp_path / "syncd.yaml"
    path.write_text(CUSTOM)
    settings = load_settings(path, {})
    assert settings.procore.api_url == "http://127.0.0.1:8900"
    assert settings.database.url.get_secret_value() == f"sqlite:///{tmp_path}/syncd.db"
    assert settings.jobs == ("jobs/*.yaml",)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_brings_its_addresses(folder: Path, environment: str) -> None:
    path = folder / "syncd.yaml"
    path.write_text(SYNCD.replace("production  ", f"{environment}  "))
    procore = load_settings(path, ENVIRON).procore
    assert procore.environment == environment
    assert (procore.login_url, procore.api_url) == (
        ENVIRONMENTS[environment].login_url,
        ENVIRONMENTS[environment].api_url,
    )
    assert procore.login_url.startswith("https://login")


@pytest.mark.parametrize(
    "schedule",
    ['{cron: "5 2 * * *", timezone: America/Los_Angeles}', "{every: 1s}", "{every: 0s}", "{every: 7d, jitter: 30s}"],
)
def test_schedules_of_the_contract_are_read(folder: Path, schedule: str) -> None:
    job = folder / "jobs" / "field.yaml"
    job.write_text(FIELD.replace("{every: 15m}", schedule), encoding="utf-8")
    read = load_configuration(folder / "syncd.yaml", ENVIRON, MODELS).jobs["field"].schedule
    assert read is not None
    assert (read.every is None) == ("cron" in schedule)
