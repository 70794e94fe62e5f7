"""Numbers of partitions: what syncd's own tables call them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from syncd.model import Partition
from syncd.storage import tables as own
from syncd.storage.database import Database
from syncd.storage.where import about, is_about, scope_columns, scope_of

_CHUNK = 200
"""Partitions per query."""
_KEPT = 50_000
"""Numbers that are remembered at most."""


class PartitionNumbers:
    """Numbers partitions, many in one statement, and remembers the numbers that are committed.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._sqlite = database.is_sqlite
        self._add = database.insert(own.partitions).on_conflict_do_nothing()
        p = own.partitions
        self._find = select(p.c.id, *scope_columns(p)).where(is_about(p, sqlite=self._sqlite))
        self._known: dict[Partition, int] = {}

    def get(self, partition: Partition) -> int | None:
        """The remembered number."""
        return self._known.get(partition)

    def learn(self, asked: Sequence[Partition], found: Mapping[Partition, int]) -> None:
        """Remember what the database says: those asked for and not found have no number (any more)."""
        if len(self._known) > _KEPT:
            self._known.clear()
        for partition in asked:
            if partition in found:
                self._known[partition] = found[partition]
            else:
                self._known.pop(partition, None)

    def number(self, connection: Connection, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The numbers of these partitions; those without are given one.

        They are not remembered here: the transaction may still be rolled back. `learn` them after the commit.
        """
        numbers = {partition: self._known[partition] for partition in partitions if partition in self._known}
        unknown = [partition for partition in dict.fromkeys(partitions) if partition not in numbers]
        if not unknown:
            return numbers
        names = ("principal", "resource", "company_id", "project_id", "parent")
        connection.execute(self._add, [dict(zip(names, scope_of(one), strict=True)) for one in unknown])
        for start in range(0, len(unknown), _CHUNK):
            numbers |= self._read(connection, unknown[start : start + _CHUNK])
        return numbers

    def _read(self, connection: Connection, partitions: Sequence[Partition]) -> dict[Partition, int]:
        wanted = {scope_of(partition): partition for partition in partitions}
        rows = connection.execute(self._find, about(partitions, sqlite=self._sqlite))
        return {wanted[tuple(scope)]: number for number, *scope in rows if tuple(scope) in wanted}
