"""What every entry of the shipped catalog keeps to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import yaml

from syncd.catalog.layout import CONTENT_KEY, Layout
from syncd.catalog.load import SHIPPED, Catalog, groups_of
from syncd.catalog.resource import LEAF_TYPES, Resource
from syncd.engine.options import Options
from syncd.engine.plan import stages, suppliers

LEAST = 423
IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture(scope="module")
def resources(catalog: Catalog) -> list[Resource]:
    return [catalog[name] for name in catalog.names()]


@pytest.fixture(scope="module")
def layouts(catalog: Catalog) -> list[Layout]:
    return [catalog.layout(name) for name in catalog.names()]


def test_every_list_that_procore_publishes_is_there(catalog: Catalog) -> None:
    assert len(catalog.names()) >= LEAST


def test_names_are_unique_over_all_files() -> None:
    seen: dict[str, str] = {}
    for path in sorted(SHIPPED.rglob("*.yaml")):
        for name in re.findall(r"^([A-Za-z_]\w*):", path.read_text(), re.MULTILINE):
            assert name not in seen, f"{name} stands in {seen[name]} and {path}"
            seen[name] = str(path)


def test_files_are_plain_yaml_and_hold_the_same_entries(catalog: Catalog) -> None:
    found = [name for path in sorted(SHIPPED.rglob("*.yaml")) for name in yaml.safe_load(path.read_text())]
    assert sorted(found) == sorted(catalog.names())


def test_headers_agree_with_whole_entries(catalog: Catalog, resources: list[Resource]) -> None:
    for whole in resources:
        header = catalog.header(whole.name)
        assert (header.path, header.key, header.parents, header.updated_at) == (
            whole.path,
            whole.key,
            whole.parents,
            whole.updated_at,
        )


def test_parents_exist_and_have_the_column_that_is_asked_of_them(catalog: Catalog, resources: list[Resource]) -> None:
    for resource in resources:
        for placeholder, given in suppliers(resource).items():
            assert given, f"{resource.name}: nothing supplies {placeholder}"
            for name, column in given:
                assert name in catalog, f"{resource.name}: there is no {name}"
                layout = catalog.layout(name)
                columns = {one.name for one in (*layout.scope, *layout.table.columns)}
                assert column in columns, f"{resource.name}: {name} has no {column}"


def test_nobody_is_its_own_ancestor(catalog: Catalog) -> None:
    order = stages(catalog, catalog.names(), Options(1, "all", ()))
    level = {name: number for number, stage in enumerate(order) for name in stage}
    for name in catalog.names():
        for given in suppliers(catalog.header(name)).values():
            assert all(level[supplier] < level[name] for supplier, _ in given)


def test_paths_are_well_formed_and_every_placeholder_is_filled(resources: list[Resource]) -> None:
    scopes = {"none": set(), "company": {"company_id"}, "project": {"company_id", "project_id"}}
    for resource in resources:
        assert re.fullmatch(r"/rest/(v\d\.\d/)?[\w/{}.-]+", resource.path), resource.path
        assert not urlsplit(resource.path).query
        filled = scopes[resource.scope] | set(resource.parents) | set(resource.enumerate)
        assert set(re.findall(r"{(\w+)}", resource.path)) <= filled, resource.name
        if resource.detail:
            assert "{id}" in resource.detail


def test_what_a_scope_needs_reaches_the_request(resources: list[Resource]) -> None:
    for resource in resources:
        if resource.scope == "project" and not resource.parents:
            assert "{project_id}" in resource.path or "project_id" in resource.scope_params, resource.name


def leaves(tree: object) -> Iterator[object]:
    if isinstance(tree, dict):
        for below in tree.values():
            yield from leaves(below)
    elif isinstance(tree, list):
        for below in tree:
            yield from leaves(below)
    else:
        yield tree


def test_types_are_known(resources: list[Resource]) -> None:
    for resource in resources:
        wrong = {leaf for leaf in leaves([resource.fields, resource.detail_fields]) if leaf not in LEAF_TYPES}
        assert not wrong, f"{resource.name}: {wrong}"


def test_keys_are_columns_that_a_record_brings_or_its_place_gives(catalog: Catalog, resources: list[Resource]) -> None:
    for resource in resources:
        layout = catalog.layout(resource.name)
        columns = {one.name for one in (*layout.scope, *layout.table.columns)} | {CONTENT_KEY}
        assert set(layout.primary_key) <= columns, resource.name
        assert len(set(layout.primary_key)) == len(layout.primary_key), resource.name
        for part in resource.key:
            assert part in resource.fields or part in resource.parents, f"{resource.name}: {part}"


def test_parents_stand_before_those_that_are_read_per_them(catalog: Catalog, resources: list[Resource]) -> None:
    """Otherwise every record of the one would be asked for with every record of the other."""
    for resource in resources:
        places = list(resource.parents)
        for number, placeholder in enumerate(places):
            names = [supplier.partition(".")[0] for supplier in resource.parents[placeholder]]
            outer = {one for name in names if name in catalog for one in catalog[name].parents}
            assert not outer & {*places[number + 1 :]}, f"{resource.name}: {placeholder}"


def test_keys_are_whole_numbers_or_texts(resources: list[Resource]) -> None:
    for resource in resources:
        for part in resource.key:
            assert resource.fields.get(part, "string") in ("integer", "string"), f"{resource.name}: {part}"


def test_recycle_bins_are_told_of_which_scope(resources: list[Resource]) -> None:
    for resource in resources:
        if resource.deletions is None or resource.deletions.path is None:
            continue
        scope = "project_id" if resource.scope == "project" else "company_id"
        assert f"{{{scope}}}" in resource.deletions.path or scope in resource.scope_params, resource.name


def test_dated_lists_hold_their_day_in_a_column_of_a_day(resources: list[Resource]) -> None:
    for resource in resources:
        if resource.window is not None and resource.window.column is not None:
            assert resource.fields[resource.window.column] in ("date", "date-time"), resource.name


def test_page_sizes_are_what_procore_advises(resources: list[Resource]) -> None:
    for resource in resources:
        most = 100 if re.match(r"/rest/v[2-9]", resource.path) else 2000
        assert 1 <= resource.page_size <= most, resource.name


def test_tables_and_columns_have_names_that_postgresql_takes_and_that_are_unique(layouts: list[Layout]) -> None:
    tables = [table.name for layout in layouts for table in layout.tables()]
    assert len(tables) == len(set(tables))
    for layout in layouts:
        for table in layout.tables():
            assert IDENTIFIER.fullmatch(table.name), table.name
            scope = layout.id_scope if table.depth else layout.scope
            names = [column.name for column in (*scope, *table.columns)]
            assert len(names) == len(set(names)), table.name
            assert all(IDENTIFIER.fullmatch(name) for name in names), table.name


def test_syncds_own_names_are_taken_by_nobody(layouts: list[Layout]) -> None:
    for layout in layouts:
        for table in layout.tables():
            assert not table.name.startswith("syncd_")
            own = {column.name for column in table.columns if column.name.startswith("_syncd")}
            assert own <= {CONTENT_KEY}


def test_every_entry_says_what_it_is_for_a_reader(resources: list[Resource]) -> None:
    for resource in resources:
        assert resource.title
        assert resource.tool.count("/") >= 1, resource.name
        assert groups_of(resource)


@pytest.mark.parametrize(
    ("wishes", "some", "without"),
    [
        (["rfis"], {"rfis"}, {"rfi_replies"}),
        (["rfi*"], {"rfis", "rfi_replies"}, {"submittals"}),
        (["daily_logs.*"], {"manpower_logs", "notes_logs"}, {"rfis"}),
        (["daily_logs"], {"manpower_logs", "notes_logs"}, {"rfis"}),
        (["tier1", "-photos"], {"rfis", "projects"}, {"photos"}),
        (["financials"], {"budget_views", "prime_contracts"}, {"rfis"}),
        (["all", "-financials"], {"rfis"}, {"budget_views"}),
        (["-rfis", "rfis"], {"rfis"}, set()),
    ],
)
def test_wishes_are_names_globs_groups_and_what_they_take_away(
    catalog: Catalog, wishes: list[str], some: set[str], without: set[str]
) -> None:
    chosen = set(catalog.select(wishes))
    assert some <= chosen
    assert not without & chosen


def test_no_group_hides_behind_a_resource_of_its_name(catalog: Catalog) -> None:
    for group, names in catalog.groups().items():
        if group in catalog:
            assert group in names, f"{group} means the resource alone, which is not in the group"
