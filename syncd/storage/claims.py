"""Which run reads which resource at the moment, so that two jobs never list the same partition at once.

Two listings of one partition would each take the other's new rows for rows that are gone. A claim needs no heartbeat
of its own: it stands as long as the lease of the run that made it. Who takes a claim of a lease that ran out ends that
lease, too: its owner may only have been frozen, and must not go on with the listing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import and_, delete, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from syncd.storage import tables as own
from syncd.storage.database import Database, Now
from syncd.storage.lease import Fenced, check_fence


class Claims:
    """Claims of all runs on one database.

    Args:
        database: Where.
        now: The wall clock, UTC.
    """

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now
        c, k = own.claims, own.locks
        # Not EXISTS: nothing correlates it with a row in conflict, so that any claim that stands would count for all.
        stands = tuple_(c.c.lease, c.c.fence).in_(select(k.c.name, k.c.fence).where(k.c.owner != ""))
        insert = database.insert(c)
        self._put = insert.on_conflict_do_update(
            index_elements=["principal", "company_id", "resource"],
            set_={"lease": insert.excluded.lease, "fence": insert.excluded.fence},
            where=or_(c.c.lease == insert.excluded.lease, ~stands),
        )

    def take(self, lease: Fenced, principal: str, company_id: int, resources: Collection[str]) -> frozenset[str]:
        """Claim those resources that no other run has claimed; which these are.

        Raises:
            LeaseLost: The run's lease has another owner, whose claims stand under the same name.
        """
        c = own.claims
        wanted = and_(c.c.principal == principal, c.c.company_id == company_id, c.c.resource.in_(resources))
        rows = [
            {**_named(lease), "principal": principal, "company_id": company_id, "resource": resource}
            for resource in sorted(resources)
        ]
        held = self._take(lease, wanted, rows)
        if len(held) < len(rows) and self._end_leases(lease, wanted):
            held = self._take(lease, wanted, rows)
        return held

    def _take(
        self, lease: Fenced, wanted: ColumnElement[bool], rows: Sequence[Mapping[str, str | int]]
    ) -> frozenset[str]:
        with self._database.write() as connection:
            check_fence(connection, lease)
            if rows:
                connection.execute(self._put, rows)
            held = connection.execute(select(own.claims.c.resource).where(wanted, _by(lease)))
            return frozenset(row.resource for row in held)

    def _end_leases(self, lease: Fenced, wanted: ColumnElement[bool]) -> bool:
        """End the leases that ran out of others who hold these claims, so that they neither write nor renew."""
        c, k = own.claims, own.locks
        holders = select(c.c.lease, c.c.fence).where(wanted, c.c.lease != lease.name)
        ran_out = and_(k.c.owner != "", k.c.expires_at <= self._now(), tuple_(k.c.name, k.c.fence).in_(holders))
        with self._database.write() as connection:
            return connection.execute(update(k).where(ran_out).values(owner="")).rowcount > 0

    def release(self, lease: Fenced, resources: Collection[str]) -> None:
        """Give claims up."""
        with self._database.write() as connection:
            connection.execute(delete(own.claims).where(_by(lease), own.claims.c.resource.in_(resources)))


def _named(lease: Fenced) -> dict[str, str | int]:
    return {"lease": lease.name, "fence": lease.fence}


def _by(lease: Fenced) -> ColumnElement[bool]:
    return and_(own.claims.c.lease == lease.name, own.claims.c.fence == lease.fence)
