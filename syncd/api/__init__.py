"""The Procore API as one client: paced, authorised, retried, page after page."""

from syncd.imports import without

# For a command line of its own, httpx imports pygments and rich: 4 MB that a daemon would keep, and a tenth of a second.
with without("pygments"):
    import httpx

__all__ = ["httpx"]
