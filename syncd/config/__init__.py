"""Settings: find, read, substitute, validate, and point at the line."""
