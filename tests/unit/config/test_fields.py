"""Fields that cannot be kept out, because syncd reads them itself, and fields that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.catalog.load import Catalog
from syncd.config.fields import needed_fields, unknown_fields
from syncd.config.load import Configuration, load_configuration, unknown_resources
from syncd.jobs.resources_options import ResourcesOptions

CATALOG = Catalog()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "syncd.yaml").write_text("procore: {environment: sandbox, client_id: a, client_secret: b}\n")
    return tmp_path


def loaded(folder: Path, keys: str, projects: str = "active") -> Configuration:
    (folder / "jobs" / "field.yaml").write_text(f"name: field\ncompany: 1\nprojects: {projects}\n{keys}\n")
    return load_configuration(folder / "syncd.yaml", {}, {"resources": ResourcesOptions})


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            "exclude: {rfis: [subject, id]}",
            "exclude.rfis[1]: id tells the records of rfis apart; leave it out of exclude.",
        ),
        (
            "hash: {projects: [id]}",
            "hash.projects[0]: id tells which projects are read; leave it out of hash.",
        ),
        (
            "exclude: {projects: [active]}",
            "exclude.projects[0]: active tells which projects are read; leave it out of exclude.",
        ),
        (
            "exclude: {workflow_templates: [tool_type]}",
            "exclude.workflow_templates[0]: tool_type tells what project_workflow_instances is read for; leave it out of exclude.",
        ),
        (
            "hash: {manpower_logs: [date]}",
            "hash.manpower_logs[0]: date tells the day of a record; leave it out of hash.",
        ),
        (
            "exclude: {manpower_logs: [deleted_at]}",
            "exclude.manpower_logs[0]: deleted_at tells that a record is deleted; leave it out of exclude.",
        ),
    ],
)
def test_what_syncd_reads_itself_cannot_be_kept_out(folder: Path, keys: str, sentence: str) -> None:
    read = loaded(folder, f"resources: [rfis, manpower_logs, project_workflow_instances]\n{keys}")
    assert needed_fields(read, CATALOG) == [f"{folder}/jobs/field.yaml:5: {sentence}"]


def test_what_nothing_is_read_for_can_be_kept_out(folder: Path) -> None:
    keys = "resources: [projects, company_users]\nexclude: {projects: [active, name]}\nhash: {company_users: [id]}"
    assert needed_fields(loaded(folder, keys), CATALOG) == []
    given = "resources: [projects, rfis]\nexclude: {projects: [active]}"
    assert needed_fields(loaded(folder, given, projects="[5]"), CATALOG) == []


def test_a_choice_that_takes_away_all_that_it_names_is_told(folder: Path) -> None:
    read = loaded(folder, "resources: [rfis, -rfis]")
    assert unknown_resources(read, CATALOG.select) == [
        f"{folder}/jobs/field.yaml:4: resources takes away all that it names."
    ]


def test_a_field_that_no_record_is_known_to_have_is_doubted() -> None:
    options = ResourcesOptions(
        resources=("company_users", "rfis"),
        exclude={"company_users": ("mobil_phone", "mobile_phone"), "rfis": ("custom_fields.custom_field_7",)},
        hash={"rfis": ("questions.body", "nothing_like_it")},
    )
    assert unknown_fields(options, CATALOG) == [
        "exclude.company_users: no field mobil_phone is known; did you mean mobile_phone?",
        "hash.rfis: no field nothing_like_it is known.",
    ]
