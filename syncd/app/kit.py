"""What a configuration is put together with: the kit that outlives it, and the reading of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncd.auth.secret import Redactor
from syncd.catalog.load import Catalog
from syncd.config.fields import needed_fields
from syncd.config.load import Configuration, load_configuration, unknown_resources
from syncd.engine.ports import Clock
from syncd.errors import ConfigError
from syncd.jobs.registry import Registry
from syncd.jobs.resources_options import ResourcesOptions
from syncd.model import Counts, Partition


class Silent:
    """Progress that nobody watches."""

    def planned(self, resource: str, partitions: int) -> None:
        """So many partitions of a resource are to be read."""

    def page(self, partition: Partition, records: int) -> None:
        """A page arrived."""

    def done(self, partition: Partition, counts: Counts) -> None:
        """A partition was finished."""

    def waiting(self, seconds: float, why: str) -> None:
        """The run waits."""


@dataclass(frozen=True, slots=True)
class Kit:
    """What does not change when the configuration is read again.

    Attributes:
        clock: Time.
        redactor: Knows the secrets.
        registry: Job types.
        given_up: Leases that were given up while the database was away, by their owners.
    """

    clock: Clock
    redactor: Redactor
    registry: Registry
    given_up: set[str] = field(default_factory=set)


def read_configuration(path: Path, environ: Mapping[str, str], registry: Registry) -> tuple[Configuration, Catalog]:
    """The configuration, valid as a whole, and the catalog that it names.

    Raises:
        ConfigError: Everything that is wrong with any of the files.
    """
    broken = {one.name: f"{one.origin} cannot be loaded: {one.reason}" for one in registry.broken}
    catalogs: list[Catalog] = []

    def wrong(read: Configuration) -> list[str]:
        try:
            catalogs.append(Catalog(read.settings.resources_dir))
        except ConfigError as error:
            return [str(error)]
        unknown = unknown_resources(read, catalogs[0].select)
        if unknown:
            return unknown
        try:
            for job in read.jobs.values():
                if isinstance(job.options, ResourcesOptions):
                    catalogs[0].check(catalogs[0].select(job.options.resources))
        except ConfigError as error:
            return [str(error)]
        return needed_fields(read, catalogs[0])

    configuration = load_configuration(path, environ, registry.option_models(), broken, wrong)
    return configuration, catalogs[0]
