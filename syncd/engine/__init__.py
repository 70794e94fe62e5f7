"""The sync engine: plan, extract, shape, run, sweep. It does no I/O of its own; it is handed Protocols (`ports`)."""
