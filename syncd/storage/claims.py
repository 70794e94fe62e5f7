"""Which run reads which resource at the moment, so that two jobs never list the same partition at once.

Two listings of one partition would each take the other's new rows for rows that are gone. A claim needs no heartbeat
of its own: it stands as long as the lease of the run that made it. Who takes a claim of a lease that ran out ends that
lease, too: its owner may only have been frozen, and must not go on with the listing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, and_, delete, or_, select, tuple_, update
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

    def take(self, lease: Fenced, principal: str, company_id: int, resources: Collection[str]) -> frozenset[str]:
        """Claim those resources that no other run has claimed; which these are.

        Raises:
            LeaseLost: The run's lease has another owner, whose claims stand under the same name.
        """
        c = own.claims
        mine = and_(c.c.principal == principal, c.c.company_id == company_id, c.c.resource.in_(resources))
        with self._database.write() as connection:
            self._end_leases(connection, lease, mine, self._now())
            check_fence(connection, lease)
            self._take(connection, lease, principal, company_id, resources)
            held = connection.execute(select(c.c.resource).where(mine, _by(lease)))
            return frozenset(row.resource for row in held)

    @staticmethod
    def _end_leases(connection: Connection, lease: Fenced, claimed: ColumnElement[bool], now: datetime) -> None:
        """End the leases that ran out of all who hold these claims, so that they can neither write nor renew."""
        c, k = own.claims, own.locks
        holders = select(c.c.lease, c.c.fence).where(claimed, c.c.lease != lease.name)
        ran_out = and_(k.c.owner != "", k.c.expires_at <= now, tuple_(k.c.name, k.c.fence).in_(holders))
        # Two that end each other's leases at once wait for each other in one order.
        in_order = select(k.c.name).where(or_(k.c.name == lease.name, ran_out)).order_by(k.c.name).with_for_update()
        connection.execute(in_order).all()
        connection.execute(update(k).where(ran_out).values(owner=""))

    def _take(
        self, connection: Connection, lease: Fenced, principal: str, company_id: int, resources: Collection[str]
    ) -> None:
        c, k = own.claims, own.locks
        # Not EXISTS: nothing correlates it with a row in conflict, so that any claim that stands would count for all.
        held = select(k.c.name, k.c.fence).where(k.c.owner != "")
        stands = tuple_(c.c.lease, c.c.fence).in_(held)
        claim = self._database.insert(c).on_conflict_do_update(
            index_elements=["principal", "company_id", "resource"],
            set_={"lease": lease.name, "fence": lease.fence},
            where=or_(c.c.lease == lease.name, ~stands),
        )
        mine = {"principal": principal, "company_id": company_id, "lease": lease.name, "fence": lease.fence}
        connection.execute(claim, [{**mine, "resource": resource} for resource in sorted(resources)])

    def release(self, lease: Fenced, resources: Collection[str]) -> None:
        """Give claims up."""
        with self._database.write() as connection:
            connection.execute(delete(own.claims).where(_by(lease), own.claims.c.resource.in_(resources)))


def _by(lease: Fenced) -> ColumnElement[bool]:
    return and_(own.claims.c.lease == lease.name, own.claims.c.fence == lease.fence)
