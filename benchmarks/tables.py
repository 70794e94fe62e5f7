"""The tables that records ask for, as a person who writes a script by hand would lay them out.

Nested objects are spread into columns, arrays of objects become child tables, other arrays and empty objects are JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dataset import RESOURCES, make_project, make_record, project_ids

FIELD, LINE, NULL = "\x1f", "\x1e", "\x1d"
"""What stands between values, after rows and for nothing in text rows, before it is escaped: no text holds them."""

Row = tuple[Any, ...]
Shape = Callable[[Mapping[str, Any], int], Row]


@dataclass(frozen=True)
class Column:
    """A column: its name, its type (bigint, double, boolean, timestamp, date, text, json), where its value stands."""

    name: str
    type: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A resource's table, or a child table.

    Attributes:
        name: As in SQL.
        array: Field of the parent record that holds the rows; empty for a resource's own table.
        columns: Those of the data.
        children: Tables of the arrays inside.
    """

    name: str
    array: str
    columns: tuple[Column, ...]
    children: tuple[Table, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """Its primary key."""
        return ("project_id", "parent_id", "position") if self.array else ("project_id", "id")

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in the order of rows."""
        scope = self.key if self.array else ("project_id",)
        return (*scope, *(column.name for column in self.columns))

    @property
    def types(self) -> tuple[str, ...]:
        """Their types."""
        return (*["bigint"] * (3 if self.array else 1), *(column.type for column in self.columns))

    def create(self, dialect: str) -> str:
        """The statement that makes it."""
        names = {
            "timestamp": "timestamptz" if dialect == "postgresql" else "text",
            "json": "jsonb" if dialect == "postgresql" else "text",
            "double": "double precision",
        }
        columns = ", ".join(f'"{n}" {names.get(t, t)}' for n, t in zip(self.names, self.types, strict=True))
        tail = "" if dialect == "postgresql" else " without rowid"
        return f"create table if not exists {self.name} ({columns}, primary key ({', '.join(self.key)})){tail}"


def resource_tables() -> dict[str, Table]:
    """The tables of the data set, by resource."""
    project = project_ids(1)[0]
    tables = {name: table_of(name, make_record(name, project, 0)) for name in RESOURCES}
    return {"projects": table_of("projects", make_project(project)), **tables}


def table_of(name: str, sample: Mapping[str, Any], array: str = "") -> Table:
    """The table for records like this one."""
    children = tuple(
        table_of(f"{name}_{field}", value[0], field)
        for field, value in sample.items()
        if isinstance(value, list) and value and isinstance(value[0], Mapping)
    )
    inside = {child.array for child in children}
    return Table(name, array, tuple(_columns(sample, (), inside)), children)


def _columns(sample: Mapping[str, Any], path: tuple[str, ...], skip: set[str]) -> Iterator[Column]:
    for field, value in sample.items():
        here = (*path, field)
        if not path and field in skip:
            continue
        if isinstance(value, Mapping) and value:
            yield from _columns(value, here, set())
        else:
            name = "_".join(here)
            yield Column("location__id" if here == ("location", "id") else name, _type(value), here)


def _type(value: Any) -> str:
    kinds = {bool: "boolean", int: "bigint", float: "double", list: "json", dict: "json"}
    if type(value) in kinds:
        return kinds[type(value)]
    if re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return "timestamp"
    return "date" if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else "text"


def compiled(
    table: Table, dumps: Callable[[Any], str] = json.dumps, *, lines: bool = False
) -> Callable[[list[Any], int], dict[str, list[Any]]]:
    """A function from a page's records and their project to the rows of every table: the code a person would write.

    Args:
        table: A resource's table.
        dumps: Makes JSON of what has no column of its own.
        lines: Whether rows are text, with `FIELD` between values and `NULL` for nothing, instead of tuples.
    """
    code = ["def shape(records, project):", f"  {table.name} = []"]
    code += [f"  {child.name} = []" for child in table.children]
    code += ["  for r in records:", *_values(table, "r", ["project"], "    ", lines=lines)]
    for child in table.children:
        code.append(f"    for position, c in enumerate(r.get({child.array!r}) or ()):")
        code += _values(child, "c", ["project", "r['id']", "position"], "      ", lines=lines)
    names = [table.name, *(child.name for child in table.children)]
    code.append(f"  return {{{', '.join(f'{name!r}: {name}' for name in names)}}}")
    space: dict[str, Any] = {"dumps": dumps, "empty": {}, "null": NULL}
    exec("\n".join(code), space)
    shape: Callable[[list[Any], int], dict[str, list[Any]]] = space["shape"]
    return shape


def _values(table: Table, variable: str, scope: list[str], indent: str, *, lines: bool) -> Iterator[str]:
    objects: dict[tuple[str, ...], str] = {(): variable}
    values = []
    for column in table.columns:
        for depth in range(1, len(column.path)):
            path = column.path[:depth]
            if path not in objects:
                objects[path] = f"{variable}_{'_'.join(path)}"
                yield f"{indent}{objects[path]} = {objects[path[:-1]]}.get({path[-1]!r}) or empty"
        value = f"{objects[column.path[:-1]]}.get({column.path[-1]!r})"
        if column.type == "json":
            value = f"dumps({value})"
        elif lines:
            value = f"null if (v := {value}) is None else v"
        values.append(value)
    if lines:
        row = FIELD.join(f"{{{value}}}" for value in [*scope, *values])
        yield f'{indent}{table.name}.append(f"""{row}""")'
    else:
        yield f"{indent}{table.name}.append(({', '.join([*scope, *values])},))"
