"""Which job types there are: the built-in one and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from pydantic import BaseModel

from syncd.errors import ConfigError
from syncd.jobs.protocol import JobType

GROUP = "syncd.jobs"


@dataclass(frozen=True, slots=True)
class Broken:
    """A job type that could not be loaded.

    Attributes:
        name: As in `type:`.
        origin: The entry point's value, `package.module:Class`.
        reason: What went wrong.
    """

    name: str
    origin: str
    reason: str


class Registry:
    """Job types by name. A broken plugin is reported and harms no other.

    Args:
        points: Entry points of the group `syncd.jobs`.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._types: dict[str, type[JobType]] = {}
        self.broken: list[Broken] = []
        for point in points:
            self._load(point)

    @classmethod
    def installed(cls) -> Registry:
        """The job types of all installed packages."""
        return cls(entry_points(group=GROUP))

    def _load(self, point: EntryPoint) -> None:
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001 - importing a plugin runs whatever its author wrote
            self.broken.append(Broken(point.name, point.value, f"{type(error).__name__}: {error}"))
            return
        options = getattr(loaded, "Options", None)
        if not (isinstance(options, type) and issubclass(options, BaseModel)) or not callable(
            getattr(loaded, "run", None)
        ):
            self.broken.append(Broken(point.name, point.value, "it has no pydantic model `Options` or no method `run`"))
        elif point.name in self._types:
            self.broken.append(Broken(point.name, point.value, "another package brings a job type of this name"))
        else:
            self._types[point.name] = loaded

    def option_models(self) -> Mapping[str, type[BaseModel]]:
        """The model of each job type's own keys."""
        return {name: kind.Options for name, kind in self._types.items()}

    def make(self, name: str) -> JobType:
        """A new job of this type.

        Raises:
            ConfigError: There is none, or it is broken.
        """
        if name in self._types:
            return self._types[name]()
        for broken in self.broken:
            if broken.name == name:
                raise ConfigError(
                    f"Job type {name} ({broken.origin}) cannot be loaded: {broken.reason}.",
                    "Mend or remove its package.",
                )
        raise ConfigError(f"There is no job type {name}.", f"Known: {', '.join(sorted(self._types))}.")
