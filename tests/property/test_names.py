"""Whatever fields are found, and by however many processes, names of tables and columns are unique and stay."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.fake import FakeClock
from support.memory_store import Memory, MemoryStore

from syncd.catalog.layout import Layout, Path, Table, layout_of
from syncd.catalog.resource import Resource
from syncd.engine.shape import Shaper

_TORTURE = os.environ.get("HYPOTHESIS_PROFILE") == "torture"
_EXAMPLES = int(os.environ.get("SYNCD_TORTURE_EXAMPLES", "2000" if _TORTURE else "50"))

OTHERS = frozenset({"a", "a_b", "a_b_c"})
"""Names of resources, all of which child tables of `a` might like to have."""
_WORDS = "A label of many words, the first forty letters of which say nothing of the rest"
LABELS = {7: "b", 8: "b c", 9: _WORDS, 10: "b", 11: _WORDS}
_LONG = "many_words_and_the_first_forty_letters_of_them_say_nothing_of_the_rest_"
_NAMES = st.sampled_from(
    ["id", "a", "A", "b", "B", "a_b", "aB", "b_c", "bC", "a__b", "c", "company_id", "_syncd_hash", "xmin", "?", ""]
    + [f"{_LONG}{end}" for end in "xy"]
    + [f"custom_field_{number}" for number in (*LABELS, 12)]
)
_LEAVES = st.sampled_from([1, "text", True, None])
_ENTRY = st.fixed_dictionaries({"id": st.just(1), "label": st.just("x")}, optional={"c": _LEAVES})
_CUSTOM = st.fixed_dictionaries({"data_type": st.just("lov_entry"), "value": st.one_of(_LEAVES, _ENTRY)})
_RECORDS = st.recursive(
    st.dictionaries(_NAMES, st.one_of(_LEAVES, _CUSTOM), max_size=4),
    lambda inner: st.dictionaries(_NAMES, st.one_of(_LEAVES, _CUSTOM, inner, st.lists(inner, max_size=2)), max_size=4),
    max_leaves=12,
)
_TREES = st.recursive(
    st.dictionaries(_NAMES, st.sampled_from(["integer", "string", "any"]), min_size=1, max_size=4),
    lambda inner: st.dictionaries(
        _NAMES, st.one_of(st.just("string"), inner, inner.map(lambda tree: [tree])), min_size=1, max_size=4
    ),
    max_leaves=8,
)


def names(layout: Layout) -> dict[Path, str]:
    """Every table and column, by the path that it was named for."""
    found: dict[Path, str] = {}

    def walk(table: Table, at: Path) -> None:
        found[at] = table.name
        found.update({(*at, *column.path): column.name for column in table.columns})
        for child in table.children:
            walk(child, (*at, *child.path, "[]"))

    walk(layout.table, ())
    return found


def check_unique(layout: Layout) -> None:
    tables = [table.name for table in layout.tables()]
    assert len(set(tables)) == len(tables)
    assert not OTHERS - {layout.resource} & {*tables}
    for table in layout.tables():
        scope = layout.id_scope if table.depth else layout.scope
        columns = [column.name for column in (*scope, *table.columns)]
        assert len(set(columns)) == len(columns), columns
        assert all(0 < len(name) <= 63 and not name.startswith("_syncd") and name != "xmin" for name in columns)


def custom(value: Any) -> Mapping[str, Any]:
    return {"data_type": "lov_entry", "value": value}


_PICKED = custom({"id": 1, "label": "x"})
_NEST = {"b": [{"id": "integer", "a": {"b": "string"}}], "b_c": [{"id": "integer"}]}


@settings(max_examples=_EXAMPLES, derandomize=not _TORTURE)
@example(tree=_NEST, finds=[(0, [{"b": [{"a_b": 1, "c": [{"a": 1}]}]}])]).via("what a nested field is called")
@example(tree={}, finds=[(0, [{"custom_field_9": _PICKED, "custom_field_11": _PICKED}])]).via("one label, cut short")
@example(tree={}, finds=[(0, [{"custom_field_7": custom("x")}]), (1, [{"custom_field_10": custom("x")}])]).via(
    "one label, two processes"
)
@example(tree={}, finds=[(0, [{"custom_field_7": custom("x")}]), (0, [{"custom_field_8": custom("x")}])]).via(
    "one label after the other"
)
@example(tree={}, finds=[(0, [{"": 1, "a": 1, "xmin": 1}])]).via("names that are none")
@given(
    tree=_TREES, finds=st.lists(st.tuples(st.integers(0, 1), st.lists(_RECORDS, min_size=1, max_size=2)), max_size=4)
)
def test_a_name_is_given_once_and_for_ever(
    tree: Mapping[str, Any], finds: Sequence[tuple[int, Sequence[Mapping[str, Any]]]]
) -> None:
    resource = Resource(name="a", title="", tool="", path="/a", scope="company", fields={"id": "integer", **tree})
    memory, clock = Memory(), FakeClock()
    stores = [MemoryStore(memory, clock.now) for _ in range(2)]
    layouts = [store.open(resource, OTHERS) for store in stores]
    known = names(layout_of(resource, reserved=OTHERS))
    for process, records in finds:
        layout = layouts[process]
        additions = Shaper(layout, LABELS.get).additions(records)
        layout = layouts[process] = stores[process].widen(layout, additions, "run-1")
        check_unique(layout)
        now = names(layout)
        assert {path: now[path] for path in known} == known
        known = now
        assert MemoryStore(memory, clock.now).open(resource, OTHERS) == layout
