"""Fixtures that several test files share stand in `support`; this only names them."""

pytest_plugins = ["support.postgres", "support.sandbox"]
