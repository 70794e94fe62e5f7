"""The daemon: schedule, life cycle, and what one sees of it."""
