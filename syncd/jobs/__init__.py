"""Job types: the protocol, the registry, and the built-in one."""
