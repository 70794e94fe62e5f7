"""Helper processes for first loads: what the engine lets others do, done beside it."""
