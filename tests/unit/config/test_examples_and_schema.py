"""The annotated example is valid, complete, and what editors are told agrees with what the loader does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import BaseModel

from syncd.config.load import load_configuration, unknown_resources
from syncd.config.schema import job_schema, settings_schema
from syncd.config.settings import JobKeys, Settings
from syncd.config.starter import STARTER, examples_folder
from syncd.jobs.resources_options import ResourcesOptions

MODELS: dict[str, type[BaseModel]] = {"resources": ResourcesOptions}
ENVIRON = {"PROCORE_CLIENT_ID": "id", "PROCORE_CLIENT_SECRET": "secret", "ALERT_URL": "json://localhost"}
CHECKOUT = Path(__file__).parents[3] / "config"


class Words(BaseModel):
    """A plugin's keys."""

    words: list[str]


def uncommented(text: str) -> str:
    """The example with every default that is commented out put into force."""
    return re.sub(r"^( *)# ((?:- )?[a-z_]+:(?: |$)|  )", r"\1\2", text, flags=re.MULTILINE)


def test_the_example_is_valid() -> None:
    configuration = load_configuration(CHECKOUT / "syncd.yaml", ENVIRON, MODELS)
    assert list(configuration.jobs) == ["as-alice", "field"]
    named: list[str] = []
    assert unknown_resources(configuration, named.extend) == []
    assert "submittals" in named


def test_the_examples_folder_of_a_checkout_is_the_repositorys() -> None:
    assert examples_folder() == CHECKOUT
    assert all((CHECKOUT / name).is_file() for name in STARTER)


@pytest.mark.parametrize(
    ("name", "keys"), [("syncd.yaml", Settings), ("jobs/field.yaml", JobKeys), ("jobs/field.yaml", ResourcesOptions)]
)
def test_the_example_shows_every_key(name: str, keys: type[BaseModel]) -> None:
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    for key, field in keys.model_fields.items():
        assert re.search(rf"^(?:# )?{field.alias or key}:", text, re.MULTILINE), key


def test_what_is_commented_out_in_the_job_is_the_default() -> None:
    text = (CHECKOUT / "jobs" / "field.yaml").read_text(encoding="utf-8")
    defaults = {name: field.default for name, field in ResourcesOptions.model_fields.items()}
    shown = yaml.safe_load(uncommented(text))
    for key in ("details", "workers", "deletes", "refusals", "projects"):
        assert shown[key] == defaults[key], key


def test_what_is_commented_out_in_the_settings_is_valid(tmp_path: Path) -> None:
    text = uncommented((CHECKOUT / "syncd.yaml").read_text(encoding="utf-8"))
    text = re.sub(r"^ +(?:login_url|api_url|key):.*\n", "", text, flags=re.MULTILINE)
    (tmp_path / "syncd.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a.yaml").write_text("name: a\ncompany: 1\nresources: [rfis]\n")
    settings = load_configuration(tmp_path / "syncd.yaml", ENVIRON, MODELS).settings
    assert len(settings.alerts) == 2
    assert settings.retention == Settings.model_fields["retention"].default
    assert settings.workers == Settings.model_fields["workers"].default


@pytest.fixture(scope="module")
def settings_validator() -> Draft7Validator:
    schema = settings_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


@pytest.fixture(scope="module")
def job_validator() -> Draft7Validator:
    schema = job_schema({**MODELS, "words": Words}, ["rfis", "vendors"])
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def test_the_schemas_accept_the_examples(settings_validator: Draft7Validator, job_validator: Draft7Validator) -> None:
    settings_validator.validate(yaml.safe_load((CHECKOUT / "syncd.yaml").read_text(encoding="utf-8")))
    for path in (CHECKOUT / "jobs").glob("*.yaml"):
        job_validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"company": "${COMPANY}"}, True),
        ({"company": "halden"}, False),
        ({"resources": "all"}, True),
        ({"resources": ["daily_logs.*", "-photos", "rfis"]}, True),
        ({"resources": []}, False),
        ({"projects": [101, 102]}, True),
        ({"projects": "some"}, False),
        ({"lookback": "5 minutes"}, False),
        ({"lookback": "${LOOKBACK}"}, True),
        ({"full_refresh": {"evry": "1d"}}, False),
        ({"shedule": {"every": "1h"}}, False),
        ({"schedule": {"cron": "5 2 * * *", "timezone": "America/Los_Angeles"}}, True),
        ({"type": "resources"}, True),
        ({"type": "words"}, False),
    ],
)
def test_the_job_schema_agrees_with_the_loader(job_validator: Draft7Validator, change: Any, valid: bool) -> None:  # noqa: FBT001 - a case
    job = {"name": "a", "company": 1, "resources": ["rfis"], **change}
    assert job_validator.is_valid(job) is valid


def test_the_job_schema_knows_plugins(job_validator: Draft7Validator) -> None:
    assert job_validator.is_valid({"name": "a", "company": 1, "type": "words", "words": ["x"]})
    assert not job_validator.is_valid({"name": "a", "company": 1, "type": "words"})


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({"workers": 4}, True),
        ({"workers": 0}, False),
        ({"workers": "${WORKERS}"}, True),
        ({"workrs": 4}, False),
        ({"jobs": ["a/*.yaml"]}, True),
        ({"http": {"listen": 8901}}, True),
        ({"database": {"url": "sqlite:///x.db", "schema": "procore"}}, True),
        ({"database": {"schema_name": "procore"}}, False),
        ({"retention": {"runs": "30d"}}, True),
    ],
)
def test_the_settings_schema_agrees_with_the_loader(
    settings_validator: Draft7Validator,
    change: Any,
    valid: bool,  # noqa: FBT001 - a case
) -> None:
    procore = {"environment": "sandbox", "client_id": "${ID}", "client_secret": "${SECRET}"}
    assert settings_validator.is_valid({"procore": procore, **change}) is valid


def test_the_schemas_show_defaults_as_an_operator_writes_them() -> None:
    text = json.dumps([settings_schema(), job_schema(MODELS)])
    assert '"default": "5m"' in text
    assert '"default": {"every": "7d"}' in text
    assert '"default": "sqlite:///syncd.db"' in text
    assert "PT5M" not in text
    assert "****" not in text


def test_the_job_schema_offers_the_catalogs_names() -> None:
    assert '"enum": ["rfis", "vendors"]' in json.dumps(job_schema(MODELS, ["rfis", "vendors"]))
