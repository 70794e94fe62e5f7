"""From files to a frozen configuration: find, read, fill in, validate, and point at the line."""

from __future__ import annotations

import difflib
import glob
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from syncd.config.document import Document, Loc, Problem, read_document
from syncd.config.explain import explain, key_names, nearest, suggestion, unknown_key
from syncd.config.folders import find_configuration
from syncd.config.settings import JOBS, Job, JobKeys, Settings
from syncd.errors import ConfigError
from syncd.jobs.resources_options import ResourcesOptions

_Model = TypeVar("_Model", bound=BaseModel)

__all__ = ["Configuration", "find_configuration", "load_configuration", "load_settings", "unknown_resources"]

_MEND = "Correct what is named here; `syncd check` tells when all is well."


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of an operator's files, read and valid.

    Attributes:
        path: The file `syncd.yaml`, absolute.
        settings: Its content; all paths are absolute.
        jobs: By name, in the order of their files.
        documents: Each job's file with its lines, for errors that are found later.
    """

    path: Path
    settings: Settings
    jobs: Mapping[str, Job]
    documents: Mapping[str, Document] = field(repr=False)

    def job(self, name: str) -> Job:
        """The job of this name.

        Raises:
            ConfigError: There is none; the nearest is suggested.
        """
        if name not in self.jobs:
            near = difflib.get_close_matches(name, self.jobs, n=1)
            known = f"Known: {', '.join(self.jobs)}." if self.jobs else f"{self.path} names no job files."
            raise ConfigError(f"There is no job {name}.", f"Did you mean {near[0]}?" if near else known)
        return self.jobs[name]

    def place(self, job: str, *loc: str | int) -> str:
        """Where a key of a job stands: `FILE:LINE: KEY`."""
        found = self.documents[job].problem(loc, "")
        return f"{found.path}:{found.line}: {found.key}"


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The content of `syncd.yaml` alone, for commands that need no job.

    Raises:
        ConfigError: Everything that is wrong with it, a line each.
    """
    settings, problems = _settings_of(read_document(path, environ))
    if settings is None or problems:
        raise _error(problems)
    return settings


def load_configuration(
    path: Path,
    environ: Mapping[str, str],
    models: Mapping[str, type[BaseModel]],
    broken: Mapping[str, str] | None = None,
    further: Callable[[Configuration], Sequence[str]] = lambda _: (),
) -> Configuration:
    """`syncd.yaml` and all job files.

    Args:
        path: The file `syncd.yaml`.
        environ: The environment.
        models: The model of each job type's own keys.
        broken: Job types that could not be loaded, and why.
        further: Finds what else is wrong with those jobs that could be read, a line each.

    Raises:
        ConfigError: Everything that is wrong with any of the files, a line each.
    """
    top = read_document(path, environ)
    settings, problems = _settings_of(top)
    files, missing = _job_files(path, _patterns(top, settings))
    problems += missing
    jobs: dict[str, Job] = {}
    documents: dict[str, Document] = {}
    for file in files:
        document = read_document(file, environ)
        job, wrong = _job_of(document, models, broken or {})
        problems += wrong
        name = job.name if job else str(document.data.get("name"))
        if name in documents:
            first = documents[name]
            what = f"{name} is taken by {first.path}:{first.line(('name',))}; a job's name is unique"
            problems.append(document.problem(("name",), what))
        elif "name" in document.data:
            documents[name] = document
        if job is not None:
            jobs[name] = job
    if settings is None:
        raise _error(problems)
    configuration = Configuration(path.absolute(), settings, jobs, documents)
    more = further(configuration)
    if problems or more:
        raise _error(problems, more)
    return configuration


def unknown_resources(configuration: Configuration, select: Callable[[Sequence[str]], object]) -> list[str]:
    """What jobs name that is no resource of the catalog, or none at all, a line each, with its place.

    Args:
        configuration: With the jobs.
        select: The names that names, globs or groups of the catalog mean; raises ConfigError for one that means nothing.
    """
    wrong: list[str] = []
    for job in configuration.jobs.values():
        if not isinstance(job.options, ResourcesOptions):
            continue
        named: list[tuple[Loc, str]] = [
            (("resources", index), wish) for index, wish in enumerate(job.options.resources)
        ]
        named += [(("exclude", name), name) for name in job.options.exclude]
        named += [(("hash", name), name) for name in job.options.hash]
        known = len(wrong)
        for loc, wish in named:
            try:
                select([wish])
            except ConfigError as error:
                wrong.append(f"{configuration.place(job.name, *loc)}: {error}")
        if len(wrong) == known and select(job.options.resources) == []:
            wrong.append(f"{configuration.place(job.name, 'resources')} takes away all that it names.")
    return wrong


def _error(problems: Iterable[Problem], more: Sequence[str] = ()) -> ConfigError:
    ordered = sorted(problems, key=lambda problem: (problem.path, problem.line))
    lines = [*map(str, ordered), *more]
    return ConfigError("\n".join(dict.fromkeys(lines)), _MEND if ordered else "")


def _settings_of(document: Document) -> tuple[Settings | None, list[Problem]]:
    problems = list(document.problems)
    if not document.data:
        return None, problems
    settings = _validated(Settings, document.data, document, problems)
    if settings is None:
        return None, problems
    return _with_absolute_paths(settings, document.path.absolute().parent), problems


def _patterns(document: Document, settings: Settings | None) -> Sequence[str]:
    """What the file says of jobs, also where it is wrong elsewhere: all that is wrong is reported at once."""
    if settings is not None:
        return settings.jobs
    named = document.data.get("jobs", JOBS)
    listed = named if isinstance(named, list) else [named]
    return [one for one in listed if isinstance(one, str)]


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    url = re.sub(
        r"^sqlite:///(?!/|:memory:|file:|\?|$)",
        lambda _: f"sqlite:///{folder}/",
        settings.database.url.get_secret_value(),
    )
    return settings.model_copy(
        update={
            "database": settings.database.model_copy(update={"url": SecretStr(url)}),
            "vault": settings.vault.model_copy(update={"key_file": folder / settings.vault.key_file}),
            "resources_dir": tuple(folder / one for one in settings.resources_dir),
        }
    )


def _job_files(path: Path, patterns: Sequence[str]) -> tuple[list[Path], list[Problem]]:
    """The job files that the patterns mean, each once, in the order of their names; and patterns without a file."""
    found: dict[Path, Path] = {}
    problems: list[Problem] = []
    own = path.resolve()
    for pattern in patterns:
        names = sorted(glob.glob(pattern, root_dir=path.parent, recursive=True))  # noqa: PTH207 - patterns may be absolute
        files = [file for name in names if (file := path.parent / name).resolve() != own and not _is_folder(file)]
        if not files:
            what = f"names no file that is there, in {path.parent}; write a job there, one file each"
            problems.append(Problem(path, 0, "jobs", what))
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values()), problems


def _is_folder(file: Path) -> bool:
    try:
        return file.is_dir()
    except OSError:
        return False  # whoever reads it is told why that cannot be done


def _job_of(
    document: Document, models: Mapping[str, type[BaseModel]], broken: Mapping[str, str]
) -> tuple[Job | None, list[Problem]]:
    data, problems = document.data, list(document.problems)
    if not data:
        return None, problems
    common = key_names(JobKeys, ())
    found: list[Problem] = []
    keys = _validated(JobKeys, {key: data[key] for key in common if key in data}, document, found)
    kind = keys.type if keys else str(data.get("type", JobKeys.model_fields["type"].default))
    model = models.get(kind)
    if model is None:
        if ("type",) not in document.unresolved:
            found.append(document.problem(("type",), _unknown_type(kind, models, broken)))
        return None, [*problems, *found]
    own = key_names(model, ())
    open_ended = model.model_config.get("extra") == "allow"
    unknown = [] if open_ended else [key for key in data if key not in common and key not in own]
    given = {key: data[key] for key in data if key in own or (open_ended and key not in common)}
    options = _validated(model, given, document, found)
    known = [*common, *own]
    meant = {name for key in unknown for name in nearest(key, known)} - set(data)
    problems += [document.problem((key,), unknown_key(key, known)) for key in unknown]
    problems += [problem for problem in found if problem.key not in meant]
    if keys is None or options is None:
        return None, problems
    job = Job(
        name=keys.name,
        type=keys.type,
        as_user=keys.as_user,
        company=keys.company,
        schedule=keys.schedule,
        freshness=keys.freshness,
        options=options,
        path=document.path.absolute(),
    )
    return job, problems


def _unknown_type(kind: str, models: Mapping[str, type[BaseModel]], broken: Mapping[str, str]) -> str:
    if kind in broken:
        return f"{kind} cannot be loaded: {broken[kind]}; mend or remove its package"
    return f"names no installed job type{suggestion(kind, sorted(models))}"


def _validated(
    model: type[_Model], data: Mapping[str, Any], document: Document, problems: list[Problem]
) -> _Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems += explain(error, document, model)
    except Exception as error:  # noqa: BLE001 - a plugin's model runs whatever its author wrote
        what = f"cannot be checked: {model.__module__}.{model.__qualname__} raised {type(error).__name__}"
        problems.append(document.problem((), what))
    return None
