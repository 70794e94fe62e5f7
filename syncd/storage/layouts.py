"""The tables of every resource, made once and shared by all runs of the process.

Jobs may want one resource in different forms, because some hash what others store. Their layouts come out equal where
the database's columns decide; then there is one layout, one set of SQL tables, and one set of statements compiled for
them, however many jobs and runs there are.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, insert, select

from syncd.catalog.layout import TABLE, Addition, Layout, layout_of, named, retyped
from syncd.catalog.resource import Resource
from syncd.errors import ConfigError
from syncd.storage import tables as own
from syncd.storage.database import Database, Now
from syncd.storage.lookups import Lookups
from syncd.storage.schema import create_or_extend


@dataclass(frozen=True, slots=True)
class _Form:
    """A resource as a job wants it, the names its child tables must not take, and the layout that it has."""

    resource: Resource
    reserved: frozenset[str]
    layout: Layout


class Layouts:
    """Makes tables, widens them, and keeps what was made of them.

    Args:
        database: Where.
        now: The wall clock, UTC.
    """

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now
        self._lock = threading.Lock()
        self._forms: dict[str, list[_Form]] = {}
        self._lookups: dict[str, tuple[Lookups, ...]] = {}

    def open(self, resource: Resource, reserved: frozenset[str]) -> Layout:
        """Make a resource's tables, or bring them up to it, additively.

        Args:
            resource: As a job wants it.
            reserved: Names that child tables must not take.

        Raises:
            ConfigError: Its table is a child table of another resource.
        """
        with self._lock:
            forms = self._forms.setdefault(resource.name, [])
            for form in forms:
                if (form.resource, form.reserved) == (resource, reserved):
                    return form.layout
            with self._database.define() as connection:
                check_tables(connection, [resource.name])
                additions = _additions(connection, resource.name)
                made = _made(connection, layout_of(resource, additions, reserved))
            layout = self._shared(made)
            forms.append(_Form(resource, reserved, layout))
            return layout

    def widen(self, layout: Layout, additions: Sequence[Addition], run_id: str) -> Layout:
        """Add columns and child tables at once, and record them in `syncd_schema_changes`."""
        with self._lock:
            forms = self._forms[layout.resource]
            form = next((one for one in forms if one.layout is layout), forms[0])
            with self._database.define() as connection:
                self._record(connection, form, additions, run_id)
                recorded = _additions(connection, layout.resource)
                made = _made(connection, layout_of(form.resource, recorded, form.reserved))
            wider = next((one.layout for one in forms if one.layout == made), None)
            if wider is None:
                # The other forms are opened anew; runs under way go on with what they have.
                self._lookups.pop(layout.resource, None)
                wider = made
                self._forms[layout.resource] = [_Form(form.resource, form.reserved, wider)]
            return wider

    def lookups(self, layout: Layout) -> Lookups:
        """The SQL tables of a layout, with their queries."""
        made = self._lookups.get(layout.resource, ())
        held = next((one for one in made if one.layout is layout), None)
        if held is None:
            held = Lookups(layout, self._database.engine.dialect)
            self._lookups[layout.resource] = (*made, held)
        return held

    def _shared(self, made: Layout) -> Layout:
        """A layout as it is known already."""
        known = (form.layout for form in self._forms[made.resource])
        return next((one for one in known if one == made), made)

    def _record(self, connection: Connection, form: _Form, additions: Sequence[Addition], run_id: str) -> None:
        name = form.resource.name
        recorded = _additions(connection, name)
        have = {addition.path for addition in recorded}
        fresh = [addition for addition in additions if addition.path not in have]
        wider = layout_of(form.resource, recorded, form.reserved, fresh)
        for addition in fresh:
            table, column = named(wider, addition)
            connection.execute(
                insert(own.schema_changes).values(
                    resource=name,
                    table_name=table,
                    column_name=column,
                    path=orjson.dumps(addition.path).decode(),
                    type=addition.type,
                    run_id=run_id,
                    changed_at=self._now(),
                )
            )


def check_tables(connection: Connection, resources: Collection[str]) -> None:
    """Make sure that none of these resources has the name of a child table made for what was found in records.

    Raises:
        ConfigError: One has; child tables that the catalog knows are refused with the configuration.
    """
    changes = own.schema_changes
    child = (changes.c.type == TABLE, changes.c.table_name.in_(resources), changes.c.table_name != changes.c.resource)
    row = connection.execute(select(changes.c.table_name, changes.c.resource).where(*child)).first()
    if row is not None:
        raise ConfigError(
            f"The resource {row.table_name} has the name of a child table of {row.resource}, made for a list that was "
            "found in its records.",
            "Choose another name for your entry (resources_dir).",
        )


def _made(connection: Connection, layout: Layout) -> Layout:
    """Make what is missing in the database; the layout with the types that columns have there."""
    types = create_or_extend(connection, layout)
    return retyped(layout, types) if types else layout


def _additions(connection: Connection, resource: str) -> list[Addition]:
    changes = own.schema_changes
    rows = connection.execute(select(changes).where(changes.c.resource == resource).order_by(changes.c.id))
    return [Addition(tuple(orjson.loads(row.path)), row.type, row.column_name or row.table_name) for row in rows]
