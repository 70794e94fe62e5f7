"""The database: syncd's own tables, the synced tables, and batches in one transaction."""
