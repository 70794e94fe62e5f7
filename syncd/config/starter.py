"""The annotated example configuration, as it ships with the program."""

from __future__ import annotations

from pathlib import Path

STARTER = (Path("syncd.yaml"), Path("jobs") / "field.yaml")
"""What a new configuration begins with, of all the examples."""


def examples_folder() -> Path:
    """Where the examples stand: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent
    shipped = package / "examples"
    return shipped if shipped.is_dir() else package.parents[1] / "config"
