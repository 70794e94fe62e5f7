"""Memory that is given back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

USE = """
from pathlib import Path
from syncd.memory import give_back

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

def use():
    pieces = [bytes(2_000) for _ in range(50_000)]
    return pieces[-1]

idle = resident()
kept = use()
used = resident()
give_back()
print(used - idle, resident() - idle)
"""
"""Many small pieces, of which the last one stays: what lies below it is free, and the C library keeps it."""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library gives it back by itself")
def test_what_is_free_is_given_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True, timeout=60)
    used, left = map(int, done.stdout.split())
    assert used > 80_000
    assert left < used / 4
