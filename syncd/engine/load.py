"""Records that a job has fetched by itself, into a table of their own, the same way as the catalog's."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from syncd.catalog.layout import Layout
from syncd.catalog.resource import Resource
from syncd.engine.identity import Identifier
from syncd.engine.minimise import Minimiser
from syncd.engine.ports import Lease, Store
from syncd.engine.session import Session, Widening
from syncd.errors import SyncdError
from syncd.model import Counts, Partition, Write

_BATCH = 1_000


def load_records(
    store: Store, resource: Resource, partition: Partition, records: Iterable[Any], run_id: str, lease: Lease
) -> Counts:
    """Upsert records, a thousand per transaction; unchanged ones are left untouched.

    Args:
        store: Where to.
        resource: Describes the table: name, scope, key, fields (none: columns are made as they are found).
        partition: The scope that the records belong to.
        records: Anything that JSON can hold; what has no key goes to `syncd_rejects`.
        run_id: Written to the rows.
        lease: Checked inside every transaction.

    Raises:
        SyncdError: The key is not made of integers and strings.
    """
    for part in resource.key:
        if resource.fields.get(part, "string") not in ("integer", "string"):
            raise SyncdError(
                f"The table {resource.name} has a key {part} of type {resource.fields[part]}.",
                "A key is an integer or a string; change the job type that writes it.",
            )
    layouts: dict[str, Layout] = {}
    layout = store.open(resource, frozenset({resource.name}))
    widening = Widening(store, run_id, lambda _: None)
    session = Session(resource, Minimiser((), (), b""), layout, layouts, widening)
    identifier = Identifier(resource, layout, partition)
    total = Counts()
    items = iter(records)
    while batch := list(islice(items, _BATCH)):
        found = identifier.identify(batch)
        (known,) = store.known(session.layout, [(partition, found.keys)])
        rows = [
            row
            for row, (key, content) in enumerate(zip(found.keys, found.hashes, strict=True))
            if key not in known or not known[key].holds(content)
        ]
        keys = [found.keys[row] for row in rows]
        shaped = session.shape([(partition, len(keys))], [found.records[row] for row in rows], keys)
        write = Write(
            partition,
            root=shaped.root,
            children=shaped.children,
            keys=keys,
            hashes=[found.hashes[row] for row in rows],
            misfits=shaped.misfits,
            rejects=found.rejects,
            counts=Counts(
                read=len(batch),
                inserted=sum(key not in known for key in keys),
                updated=sum(key in known for key in keys),
                unchanged=len(found.keys) - len(rows),
                rejected=len(found.rejects),
            ),
        )
        total += sum(store.commit(layouts, [write], run_id, lease), Counts())
    return total
