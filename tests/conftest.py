"""Fixtures that several test files share stand in `support`; this only names them."""

import os

import pytest
from hypothesis import settings

pytest_plugins = ["support.daemon", "support.postgres", "support.sandbox"]

# Tests start syncd hundreds of times: without bytecode on disk, each start would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes says nothing about the program on a machine that does other things, too.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long ones, so that at the end no processor waits for the last of them."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
