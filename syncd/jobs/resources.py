"""The built-in job type: resources of the catalog into their tables."""


class ResourcesJob:
    """Sync resources."""
