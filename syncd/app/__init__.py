"""The program, put together: what is shared by all runs, what one run is given, and what is asked beside them."""

from syncd.app.kit import Kit, read_configuration
from syncd.app.program import App

__all__ = ["App", "Kit", "read_configuration"]
