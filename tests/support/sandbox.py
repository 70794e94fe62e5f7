"""A real sandbox over a real socket, one per test."""
