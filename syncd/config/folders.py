"""Where an operator's own resources stand, for commands that need nothing else of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from syncd.config.document import read_document
from syncd.errors import ConfigError

_KEY = "resources_dir"


def resource_folders(path: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of `resources_dir`; whatever else is wrong with the file does not matter here.

    Args:
        path: The file `syncd.yaml`.
        environ: The environment.

    Raises:
        ConfigError: The file cannot be read, or the key does not say folders.
    """
    document = read_document(path, environ)
    told = [problem for problem in document.problems if not document.data or problem.key.startswith(_KEY)]
    named = document.data.get(_KEY, [])
    folders = named if isinstance(named, list) else [named]
    if not told and not all(isinstance(one, str) and one for one in folders):
        told = [document.problem((_KEY,), "needs a folder, or a list of folders")]
    if told:
        raise ConfigError("\n".join(map(str, told)), "Correct what is named here.")
    return tuple(path.absolute().parent / one for one in folders)
