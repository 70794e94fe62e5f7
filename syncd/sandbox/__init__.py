"""A Procore look-alike on loopback: seeded, deterministic; independent of the program it tests."""
