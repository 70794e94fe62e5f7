"""Files of resources that an operator writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.catalog.load import Catalog
from syncd.errors import ConfigError


@pytest.mark.parametrize("text", ["", "# to be written\n", "\n\n"])
def test_a_file_of_ones_own_that_holds_nothing_yet_adds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "later.yaml").write_text(text)
    assert Catalog([tmp_path]).names() == Catalog().names()


def test_a_file_that_an_editor_began_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    entry = "site_cameras:\n  path: /rest/v1.0/projects/{project_id}/site_cameras\n  scope: project\n"
    (tmp_path / "cameras.yaml").write_text(f"\ufeff{entry}", encoding="utf-8")
    assert Catalog([tmp_path])["site_cameras"].scope == "project"


def test_a_file_that_is_not_utf_8_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cameras.yaml").write_bytes("größe:\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"cameras\.yaml is not UTF-8; save the file in that encoding\."):
        Catalog([tmp_path])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("tool: null", "tool: it needs text."),
        ("updated_at: 5", "updated_at: it needs text."),
        ("page_params: [page]", "page_params: it does not have the right form (list index out of range)."),
        ("page_size: 0", "page_size: a page has one record at the least."),
        ("envelope: items", "envelope: it is array, data, object, or object:KEY of the list."),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_with_file_line_and_key(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "cameras.yaml"
    path.write_text(f"site_cameras:\n  path: /rest/v1.0/projects/{{project_id}}/cameras\n  scope: project\n  {line}\n")
    with pytest.raises(ConfigError) as caught:
        Catalog([tmp_path])["site_cameras"]
    assert str(caught.value) == f"{path}:4: resource site_cameras, {what}"


SHAPE = "  path: /rest/v1.0/projects/{project_id}/x/{x_id}/y\n  scope: project\n"


@pytest.mark.parametrize(
    ("parents", "what"),
    [
        ("[rfiss]", "there is no resource rfiss; did you mean rfis?"),
        ("[rfis.nowhere]", "rfis has no column nowhere."),
        ("[schedules]", "schedules has no column id."),
        ("[cameras]", "it is read for itself."),
        ("[others]", "it is read for itself, by way of others."),
    ],
)
def test_who_supplies_the_placeholders_of_an_entry_must_be_able_to(tmp_path: Path, parents: str, what: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        f"cameras:\n{SHAPE}  parents: {{x_id: {parents}}}\nothers:\n{SHAPE}  parents: {{x_id: [cameras]}}\n"
    )
    catalog = Catalog([tmp_path])
    catalog.check(["rfis"])
    with pytest.raises(ConfigError) as caught:
        catalog.check(["rfis", "cameras"])
    assert str(caught.value) == f"{path}:4: resource cameras, parents: {what}"


def test_every_shipped_entry_passes_beside_one_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(f"cameras:\n{SHAPE}  parents: {{x_id: [rfis]}}\n")
    catalog = Catalog([tmp_path])
    catalog.check(catalog.names())
