"""What is asked before a run and looked at beside it is given: the parts of the program."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.app.access import Access
from syncd.app.procore import Procore
from syncd.catalog.load import Catalog
from syncd.config.load import Configuration
from syncd.engine.ports import Clock
from syncd.storage.database import Database


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that belong to one configuration.

    Attributes:
        configuration: Valid.
        catalog: The catalog that it names.
        database: Where everything is kept.
        procore: The way to Procore; knows the quota.
        access: Procore as each principal sees it; knows the tokens.
        clock: Time.
    """

    configuration: Configuration
    catalog: Catalog
    database: Database
    procore: Procore
    access: Access
    clock: Clock
