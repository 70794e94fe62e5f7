"""Memory does not grow with the number of records."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
import resource, sys
sys.path.insert(0, sys.argv[3])
from dataclasses import dataclass
from support.fake import THINGS, Bench, stamp


class Many:
    \"\"\"Records that are made when they are asked for.\"\"\"

    def __init__(self, size, moment):
        self.size, self.moment = size, moment

    def __iter__(self):
        return iter(self[:])

    def __len__(self):
        return self.size

    def __getitem__(self, piece):
        return [self.record(n) for n in range(*piece.indices(self.size))]

    def record(self, n):
        parts = [{"id": n, "label": f"part {n}"}]
        return {"id": n + 1, "name": f"thing {n} " * 20, "updated_at": self.moment, "parts": parts}


bench = Bench(sys.argv[1], {"things": THINGS})
bench.source.lists[THINGS.path] = Many(int(sys.argv[2]), stamp(bench.clock.now()))
report = bench.run()
assert report.rows.inserted == int(sys.argv[2]), report
bench.database.close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(folder: Path, records: int) -> int:
    """Most memory in KiB that a process held while it loaded so many records."""
    url = f"sqlite:///{folder / f'{records}.db'}"
    support = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, url, str(records), support],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.long
def test_a_load_of_five_times_the_records_holds_hardly_more_memory(tmp_path: Path) -> None:
    assert peak(tmp_path, 100_000) <= peak(tmp_path, 20_000) * 1.15
