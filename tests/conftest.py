"""Fixtures that several test files share stand in `support`; this only names them."""

from hypothesis import settings

pytest_plugins = ["support.daemon", "support.postgres", "support.sandbox"]

# How long an example takes says nothing about the program on a machine that does other things, too.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
