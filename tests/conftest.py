"""Fixtures that several test files share stand in `support`; this only names them."""

pytest_plugins = ["support.daemon", "support.postgres", "support.sandbox"]
