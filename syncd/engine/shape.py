"""Records into rows, column by column, by a plan that is compiled once per layout.

Looking at every value's type is what makes shaping slow; a page's objects are turned into columns in one go, and a
column is looked at as a whole (`convert`). Only what is unusual is looked at value by value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import itemgetter
from typing import Any

from syncd.catalog.layout import ITEM, PARENT_ID, POSITION, RECORD_ID, Addition, ColumnType, Layout, Path, Table
from syncd.engine.convert import convert
from syncd.engine.discover import CUSTOM_FIELD, Labels, discover, says_nothing
from syncd.engine.identity import record_id
from syncd.model import Id, Key, Owners, Partition, TableRows

MISFITS = "_syncd_misfits"

_NULL = type(None)
_WIDEST_TABLE = 1000
"""Columns per table, well below what PostgreSQL (1,600) and SQLite (2,000) allow; further fields go to the misfits."""


@dataclass(frozen=True, slots=True)
class Shaped:
    """A page's rows.

    Attributes:
        root: Rows of the resource's own table, one per record, in order.
        misfits: JSON text per record, or None.
        children: Rows of the child tables that have any.
        misfit_count: Values that did not fit their column, children's included.
        unknown: Whether there are values of fields that the layout does not have; they are among the misfits.
    """

    root: TableRows
    misfits: Sequence[str | None]
    children: tuple[TableRows, ...]
    misfit_count: int
    unknown: bool


@dataclass(slots=True)
class _Level:
    """One object level of a table: what to take from it, by field name.

    `found` names JSON fields that the catalog does not have. Their column is made when a first value arrives, so rows
    from before hold NULL where the list was empty: it is NULL in the rows after them, too.
    """

    path: Path
    found: set[str] = field(default_factory=set)
    leaves: list[tuple[str, int, ColumnType]] = field(default_factory=list)
    objects: dict[str, _Level] = field(default_factory=dict)
    arrays: list[tuple[str, _TablePlan]] = field(default_factory=list)
    known: frozenset[str] = frozenset()


@dataclass(slots=True)
class _TablePlan:
    table: Table
    level: _Level
    where: Path
    id_type: ColumnType | None


@dataclass(slots=True)
class _Found:
    """What shaping one table's objects brought besides columns; whether their texts are known to be plain."""

    plain: bool
    misfits: dict[int, dict[str, Any]] = field(default_factory=dict)
    arrays: list[tuple[_TablePlan, Sequence[Sequence[Any]]]] = field(default_factory=list)
    unknown: bool = False

    def misfit(self, row: int, path: Path, value: Any) -> None:
        self.misfits.setdefault(row, {})[".".join(path)] = value


@dataclass(slots=True)
class _Rows:
    """Child rows as they are gathered."""

    scope: Sequence[str]
    plain: bool
    tables: list[TableRows] = field(default_factory=list)
    misfit_count: int = 0
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class _Above:
    """Of each list of child objects: its record's scope, as columns, and id, and the id of the object around it."""

    scope: Sequence[Sequence[Id]]
    records: Sequence[Id]
    parents: Sequence[Id]


class Shaper:
    """Turns the records of one resource into rows.

    Args:
        layout: The tables as they stand in the database.
        labels: Labels of custom fields, to name their columns by.
    """

    def __init__(self, layout: Layout, labels: Labels = lambda _: None) -> None:
        self.layout = layout
        self._labels = labels
        self._scope = tuple(column.name for column in layout.scope)
        found = frozenset(addition.path for addition in layout.additions)
        self._plan = _compile(layout.table, (), found, frozenset(self._scope))
        self._root_columns = (
            *self._scope,
            *((layout.key[0],) if layout.content_key else ()),
            *(column.name for column in layout.table.columns),
        )
        self._id_scope = tuple(column.name for column in layout.id_scope)

    def additions(self, records: Sequence[Mapping[str, Any]]) -> list[Addition]:
        """Columns and child tables that these records ask for and the layout does not have."""
        names = {
            table.name: {column.name for column in table.columns} | {*self._scope} for table in self.layout.tables()
        }
        found: list[Addition] = []
        for plan, path, values in _unknown(self._plan, records):
            taken = names[plan.table.name]
            for addition in discover(path, values, self._labels):
                if len(taken) >= _WIDEST_TABLE:
                    break
                name = addition.name
                if name and name in taken:
                    name = f"{name[:40]}_{CUSTOM_FIELD.findall('.'.join(addition.path))[-1]}"
                taken.add(name or ".".join(addition.path))
                found.append(Addition(addition.path, addition.type, name))
        return found

    def shape(
        self, owners: Owners, records: Sequence[Mapping[str, Any]], keys: Sequence[Key], *, plain: bool = False
    ) -> Shaped:
        """Rows of all tables for these records.

        Args:
            owners: Whose they are; fills the scope columns.
            records: Objects, in any number.
            keys: Their keys, in the same order, each once.
            plain: Whether it is known that no text in them holds NUL or half a surrogate pair.
        """
        sizes = [size for _, size in owners]
        by_owner = [_scope_values(self.layout, partition) for partition, _ in owners]
        scope = [_repeated(values, sizes) for values in zip(*by_owner, strict=True)]
        columns, found = _take(self._plan, records, plain=plain)
        self._check_scope(scope, records, found)
        rows = len(records)
        values: list[Sequence[Any]] = [*scope, *columns]
        if self.layout.content_key:
            values.insert(len(scope), [key[0] for key in keys])
        root = TableRows(self.layout.table.name, self._root_columns, values)
        below = _Rows(self._id_scope, plain)
        record_ids = [record_id(key) for key in keys]
        for plan, lists in found.arrays:
            _children(plan, lists, _Above(scope[: len(self._id_scope)], record_ids, record_ids), below)
        return Shaped(
            root,
            _misfit_texts(found, rows),
            tuple(below.tables),
            sum(map(len, found.misfits.values())) + below.misfit_count,
            found.unknown or below.unknown,
        )

    def _check_scope(self, scope: Sequence[Sequence[Id]], records: Sequence[Mapping[str, Any]], found: _Found) -> None:
        """A record's own `project_id` shares the scope's column; where it says otherwise, what it says is kept."""
        for name, values in zip(self._scope, scope, strict=True):
            own = [record.get(name) for record in records]
            if own == values:
                continue
            for row, (said, value) in enumerate(zip(own, values, strict=True)):
                if said is not None and str(said) != str(value):
                    found.misfit(row, (name,), said)


def _children(plan: _TablePlan, lists: Sequence[Any], above: _Above, into: _Rows) -> None:
    items: list[Mapping[str, Any]] = list(chain.from_iterable(lists))
    if not items:
        return
    sizes = list(map(len, lists))
    scope = [_repeated(values, sizes) for values in above.scope]
    parents = _repeated(above.parents, sizes)
    records = _repeated(above.records, sizes)
    positions = _positions(above, sizes)
    columns, found = _take(plan, items, plain=into.plain)
    deep = plan.table.depth > 1
    names = (
        *into.scope,
        *((RECORD_ID,) if deep else ()),
        PARENT_ID,
        POSITION,
        *(column.name for column in plan.table.columns),
        MISFITS,
    )
    values: list[Sequence[Any]] = [
        *scope,
        *([records] if deep else []),
        parents,
        positions,
        *columns,
        _misfit_texts(found, len(items)),
    ]
    into.tables.append(TableRows(plan.table.name, names, values))
    into.misfit_count += sum(map(len, found.misfits.values()))
    into.unknown |= found.unknown
    if found.arrays:
        own = [_item_id(plan, item, position) for item, position in zip(items, positions, strict=True)]
        for inner, inner_lists in found.arrays:
            _children(inner, inner_lists, _Above(scope, records, own), into)


def _repeated(values: Sequence[Id], sizes: Sequence[int]) -> list[Id]:
    return list(chain.from_iterable(map(repeat, values, sizes)))


def _positions(above: _Above, sizes: Sequence[int]) -> list[int]:
    """Of each item of all lists, where it stands in its owner's; two lists of one owner follow on each other."""
    pairs = list(zip(above.records, above.parents, strict=True))
    if len(set(pairs)) == len(pairs):
        return list(chain.from_iterable(map(range, sizes)))
    positions: list[int] = []
    reached: dict[tuple[Id, Id], int] = {}
    for pair, size in zip(pairs, sizes, strict=True):
        start = reached.get(pair, 0)
        reached[pair] = start + size
        positions += range(start, start + size)
    return positions


def _compile(table: Table, where: Path, found: frozenset[Path], echoed: frozenset[str] = frozenset()) -> _TablePlan:
    root = _Level(())
    levels: dict[Path, _Level] = {(): root}

    def level(path: Path) -> _Level:
        if path not in levels:
            levels[path] = _Level(path)
            level(path[:-1]).objects[path[-1]] = levels[path]
        return levels[path]

    for path in sorted(table.objects, key=len):
        level(path)
    id_type: ColumnType | None = None
    for number, column in enumerate(table.columns):
        level(column.path[:-1]).leaves.append((column.path[-1], number, column.type))
        if column.type == "json" and (*where, *column.path) in found:
            level(column.path[:-1]).found.add(column.path[-1])
        if column.path == ("id",):
            id_type = column.type
    for child in table.children:
        plan = _compile(child, (*where, *child.path, ITEM), found)
        level(child.path[:-1]).arrays.append((child.path[-1], plan))
    for path, one in levels.items():
        names = {name for name, _, _ in one.leaves} | set(one.objects) | {name for name, _ in one.arrays}
        if not path:
            names |= echoed
        elif CUSTOM_FIELD.fullmatch(path[-1]):
            names.add("data_type")
        one.known = frozenset(names)
    return _TablePlan(table, root, where, id_type)


def _take(plan: _TablePlan, objects: Sequence[Mapping[str, Any]], *, plain: bool) -> tuple[list[Sequence[Any]], _Found]:
    columns: list[Sequence[Any]] = [(None,) * len(objects)] * len(plan.table.columns)
    found = _Found(plain)
    _take_level(plan.level, objects, columns, found)
    return columns, found


def _take_level(
    level: _Level, objects: Sequence[Mapping[str, Any]], columns: list[Sequence[Any]], found: _Found
) -> None:
    fields = _fields(objects)
    for name, number, kind in level.leaves:
        values = fields.get(name)
        if values is None:
            continue
        if name in level.found:
            values = [None if value == [] else value for value in values]
        if name in level.objects:
            values = [None if isinstance(value, dict) else value for value in values]
        columns[number], misfits = convert(kind, values, plain=found.plain)
        for row, value in misfits:
            found.misfit(row, (*level.path, name), value)
    for name, inner in level.objects.items():
        if name in fields:
            inside = _inside(level, name, fields[name], found)
            if inside is not None:
                _take_level(inner, inside, columns, found)
    for name, plan in level.arrays:
        if name in fields:
            found.arrays.append((plan, _lists(level, name, fields[name], found)))
    extra = fields.keys() - level.known
    if extra:
        _keep_extra(level, extra, objects, found)


def _fields(objects: Sequence[Mapping[str, Any]]) -> Mapping[str, Sequence[Any]]:
    """The values of every field that occurs, column by column; without it, an object's value is None."""
    names = tuple(objects[0]) if objects else ()
    if len(names) > 1 and set(map(len, objects)) == {len(names)}:
        try:
            return dict(zip(names, zip(*map(itemgetter(*names), objects), strict=True), strict=True))
        except KeyError:
            pass
    return {name: [one.get(name) for one in objects] for name in dict.fromkeys(chain.from_iterable(objects))}


def _inside(level: _Level, name: str, values: Sequence[Any], found: _Found) -> Sequence[Mapping[str, Any]] | None:
    """The nested objects under a name, or None where there is none.

    Where something else stands there, it has its own column or is a misfit, and an object of nulls takes its place.
    """
    kinds = set(map(type, values))
    if kinds == {dict}:
        return values
    first = next((value for value in values if type(value) is dict), None)
    if kinds - {dict, _NULL} and not any(name == leaf for leaf, _, _ in level.leaves):
        for row, value in enumerate(values):
            if value is not None and type(value) is not dict:
                found.misfit(row, (*level.path, name), value)
    if first is None:
        return None
    blank = dict.fromkeys(first)
    return [value if type(value) is dict else blank for value in values]


def _keep_extra(level: _Level, extra: set[str], objects: Sequence[Mapping[str, Any]], found: _Found) -> None:
    for row, one in enumerate(objects):
        for name in extra & one.keys():
            if not says_nothing(name, one[name]):
                found.unknown = True
                found.misfit(row, (*level.path, name), one[name])


def _lists(level: _Level, name: str, values: Sequence[Any], found: _Found) -> Sequence[Sequence[Mapping[str, Any]]]:
    """The lists of objects under a name; what is no list, and what in a list is no object, is a misfit."""
    if not set(map(type, values)) - {list, _NULL}:
        lists = [value or () for value in values]
        if not set(map(type, chain.from_iterable(lists))) - {dict}:
            return lists
    return [_items(value, row, level, name, found) for row, value in enumerate(values)]


def _items(value: Any, row: int, level: _Level, name: str, found: _Found) -> Sequence[Mapping[str, Any]]:
    if value is None:
        return ()
    if not isinstance(value, list):
        found.misfit(row, (*level.path, name), value)
        return ()
    objects = [item for item in value if isinstance(item, dict)]
    if len(objects) != len(value):
        found.misfit(row, (*level.path, name), [item for item in value if not isinstance(item, dict)])
    return objects


def _unknown(
    plan: _TablePlan, objects: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[_TablePlan, Path, Sequence[Any]]]:
    def walk(level: _Level, here: Sequence[Mapping[str, Any]]) -> Iterator[tuple[_TablePlan, Path, Sequence[Any]]]:
        extra = set().union(*here) - level.known
        for name in dict.fromkeys(name for one in here for name in one if name in extra) if extra else ():
            yield plan, (*plan.where, *level.path, name), [one.get(name) for one in here]
        for name, inner in level.objects.items():
            yield from walk(inner, [one[name] for one in here if isinstance(one.get(name), dict)])
        for name, child in level.arrays:
            lists = [one[name] for one in here if isinstance(one.get(name), list)]
            yield from _unknown(child, [item for values in lists for item in values if isinstance(item, dict)])

    yield from walk(plan.level, objects)


def _scope_values(layout: Layout, partition: Partition) -> list[Id]:
    from_parent = [value for _, value in partition.parent]
    values: list[Id] = []
    for column in layout.scope:
        if column.name == "company_id":
            values.append(partition.company_id)
        elif column.name == "project_id" and partition.project_id is not None:
            values.append(partition.project_id)
        else:
            value = from_parent.pop(0)
            values.append(int(value) if column.type == "bigint" else str(value))
    return values


def _item_id(plan: _TablePlan, item: Mapping[str, Any], position: int) -> Id:
    """What the rows below an item call their parent: its id, or a stand-in that no id can be."""
    own = item.get("id")
    if plan.id_type == "bigint":
        return own if type(own) is int else -position - 1
    return str(own) if isinstance(own, int | str) and own != "" else f"#{position}"


def _misfit_texts(found: _Found, rows: int) -> list[str | None]:
    texts: list[str | None] = [None] * rows
    for row, misfits in found.misfits.items():
        texts[row] = json.dumps(misfits, ensure_ascii=True, default=str)
    return texts
