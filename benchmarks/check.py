"""Whether tables hold what the server lists: counts and checksums, in terms that every tool's tables share."""

from __future__ import annotations

from dataset import ARRAYS, PRIME, RESOURCES, TITLES
from sqlalchemy import create_engine, text


def sums(url: str, schema: str | None, joint: str) -> dict[str, list[int]]:
    """What the server's `/expected` says, of a database.

    Args:
        url: SQLAlchemy URL.
        schema: Schema of the tables, or None.
        joint: What stands between a table's name and its child's.
    """
    engine = create_engine(url)
    moment = "cast(strftime('%s', updated_at) as integer)"
    if engine.dialect.name == "postgresql":
        moment = "cast(extract(epoch from updated_at) as bigint)"
    where = f"{schema}." if schema else ""
    found = {}
    with engine.connect() as connection:
        for resource in RESOURCES:
            mixed = f"sum(id % {PRIME} * ({moment} % {PRIME}))"
            query = f"select count(*), sum(id), {mixed}, sum(length({TITLES[resource]})) from {where}{resource}"
            found[resource] = [int(value or 0) for value in connection.execute(text(query)).one()]
        for resource, array in ARRAYS.items():
            query = f"select count(*), sum(id) from {where}{resource}{joint}{array}"
            found[f"{resource}.{array}"] = [int(value or 0) for value in connection.execute(text(query)).one()]
    engine.dispose()
    return found
