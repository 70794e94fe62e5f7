"""`syncd init`: write a commented starter configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new configuration; made if need be.")],
) -> None:
    """Write a commented starter configuration.

    It comes with JSON Schemas, so that editors complete its keys and mark what is wrong. Files that are there already
    are never overwritten.
    """
    from syncd.cli.output import print_line
    from syncd.config.starter import STARTER, examples_folder
    from syncd.errors import ConfigError

    source = examples_folder()
    files = {folder / name: _with_schema(source / name, name) for name in STARTER}
    files |= {folder / name: text for name, text in _schemas().items()}
    taken = [str(path) for path in files if path.exists() or path.is_symlink()]
    if taken:
        raise ConfigError(
            f"{', '.join(taken)} would be overwritten; nothing was written.", "Name another folder, or move them away."
        )
    for path, text in files.items():
        _write(path, text)
        print_line(str(path))
    print_line()
    print_line(f"Next: put your company's number into {folder / STARTER[1]}, set PROCORE_CLIENT_ID and")
    print_line(f"PROCORE_CLIENT_SECRET, and type: syncd check --config {folder}")


def _with_schema(path: Path, name: Path) -> str:
    """An example with the line by which editors find its schema."""
    up = "../" * (len(name.parts) - 1)
    schema = "syncd" if len(name.parts) == 1 else "job"
    return f"# yaml-language-server: $schema={up}{schema}.schema.json\n{path.read_text(encoding='utf-8')}"


def _schemas() -> dict[Path, str]:
    from syncd.catalog.load import Catalog
    from syncd.config.schema import job_schema, settings_schema
    from syncd.jobs.registry import Registry

    models = Registry.installed().option_models()
    return {
        Path("syncd.schema.json"): json.dumps(settings_schema(), indent=2) + "\n",
        Path("job.schema.json"): json.dumps(job_schema(models, Catalog().names()), indent=2) + "\n",
    }


def _write(path: Path, text: str) -> None:
    from syncd.errors import SyncdError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise SyncdError(f"{path} cannot be written: {error.strerror or error}.", "Name another folder.") from None
