"""Where the configuration and an operator's own resources stand, for commands that need nothing else of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from syncd.config.document import read_document
from syncd.errors import ConfigError

FILE_NAME = "syncd.yaml"

PLACES = (Path("config") / FILE_NAME, Path("/etc/syncd") / FILE_NAME)
"""Where the configuration is looked for when nobody says where it is."""

_KEY = "resources_dir"


def find_configuration(given: Path | None, environ: Mapping[str, str], places: Sequence[Path] = PLACES) -> Path:
    """The file `syncd.yaml`: the given one, else $SYNCD_CONFIG, else the first of `places` that is there.

    Args:
        given: A file or its folder, or None.
        environ: The environment.
        places: Where to look last.

    Raises:
        ConfigError: There is none.
    """
    named = environ.get("SYNCD_CONFIG")
    wish = given or (Path(named) if named else None)
    if wish is not None:
        said = "--config" if given else "SYNCD_CONFIG"
        try:
            path = wish / FILE_NAME if wish.is_dir() else wish
            found = path.exists()
        except OSError as error:
            raise ConfigError(
                f"{wish} cannot be looked at ({said}): {error.strerror}.", "Give the user that runs syncd the right to."
            ) from None
        if not found:
            raise ConfigError(f"There is no file {path} ({said}).", "Correct the path, or make one: syncd init DIR")
        return path
    for path in places:
        # One that may not be looked at is not there for this user.
        with suppress(OSError):
            if path.exists():
                return path
    looked = " and ".join(str(path) for path in places)
    raise ConfigError(
        f"There is no configuration: looked for {looked}.",
        "Say where it is with --config PATH or SYNCD_CONFIG, or make one: syncd init config",
    )


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
