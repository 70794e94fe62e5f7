"""A real PostgreSQL, embedded by a wheel, one server per test process and one database per test."""
