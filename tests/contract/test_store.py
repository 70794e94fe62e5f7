"""What the engine may expect of its store, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fake import THINGS, Bench

from syncd.errors import JobBusy, LeaseLost
from syncd.model import Counts, CursorState, Partition, Write

PLACE = Partition("service", THINGS.name, 1)
OTHER = Partition("user:alice", THINGS.name, 1)


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    made = Bench(database_url, {THINGS.name: THINGS})
    yield made
    made.database.close()


def test_a_cursor_is_remembered_for_its_partition_alone(bench: Bench) -> None:
    layout = bench.store.open(THINGS, frozenset())
    lease = bench.store.lease("job:a", 60)
    state = CursorState(bench.clock.now(), None, '{"a":1}')
    assert bench.store.cursors([PLACE]) == {}
    written = bench.store.commit({THINGS.name: layout}, [Write(PLACE, cursor=state)], "run", lease)
    assert list(written) == [Counts()]
    assert bench.store.cursors([PLACE, OTHER]) == {PLACE: state}


def test_an_owner_whose_lease_was_taken_over_writes_nothing(bench: Bench) -> None:
    layout = bench.store.open(THINGS, frozenset())
    late = bench.store.lease("job:a", 60)
    with pytest.raises(JobBusy):
        bench.store.lease("job:a", 60)
    bench.clock.advance(seconds=61)
    owner = bench.store.lease("job:a", 60)
    assert owner.fence > late.fence
    with pytest.raises(LeaseLost):
        bench.store.commit({THINGS.name: layout}, [Write(PLACE, cursor=CursorState())], "run", late)
    with pytest.raises(LeaseLost):
        bench.store.sweep(layout, PLACE, [(1,)], "run", late, remove=False)
    assert bench.store.cursors([PLACE]) == {}


def test_a_refusal_is_remembered_until_the_partition_answers(bench: Bench) -> None:
    now = bench.clock.now()
    bench.store.refused(PLACE, 403, "no permission", now)
    first = bench.store.refusals([PLACE, OTHER])[PLACE]
    bench.store.refused(PLACE, 403, "no permission", now)
    second = bench.store.refusals([PLACE])[PLACE]
    assert now < first.probe_at < second.probe_at
    bench.store.allowed([PLACE])
    assert bench.store.refusals([PLACE]) == {}
