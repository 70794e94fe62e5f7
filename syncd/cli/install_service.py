"""`syncd install-service`: the systemd unit, made to fit this installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = Path("/etc/systemd/system")
_NAME = "syncd.service"
_CONFIGURATION = Path("/etc/syncd")
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - what the unit hides from the service


def install_service(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--print", help="Print the unit instead of writing it.")] = False,
) -> None:
    """Write the systemd unit with the paths of this installation, and say what to do next."""
    from syncd.cli.invocation import Invocation
    from syncd.cli.output import print_line

    given = Invocation.of(context).config
    configuration = _CONFIGURATION if given is None else given.absolute()
    text = unit(unit_file().read_text(encoding="utf-8"), program(Path(sys.prefix)), configuration)
    if show:
        for line in text.splitlines():
            print_line(line)
        return
    check_reachable({"syncd": Path(sys.prefix), "Python": Path(sys.base_prefix), "the configuration": configuration})
    target = _FOLDER / _NAME
    write(target, text)
    print_line(f"{target} was written.")
    print_line()
    print_line("Next, as root:")
    print_line(f"  1. Put the configuration into {configuration}, or begin with: syncd init {configuration}")
    print_line("  2. Seal its secrets, each in one line on stdin:")
    for name in ("client_secret", "vault"):
        print_line(f"     systemd-creds encrypt --name={name} - /etc/credstore.encrypted/syncd.{name}")
    print_line("  3. systemctl daemon-reload && systemctl enable --now syncd && systemctl status syncd")
    print_line(f"{unit_file().parent / 'README.md'} has every step, with upgrade and backup.")


def unit_file() -> Path:
    """The unit as it ships: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "systemd"
    return (shipped if shipped.is_dir() else package.parent / "systemd") / _NAME


def program(prefix: Path) -> str:
    """The words that start syncd from an environment, as a unit writes them."""
    script = prefix / "bin" / "syncd"
    return _word(script) if script.exists() else f"{_word(prefix / 'bin' / 'python')} -m syncd"


def unit(template: str, words: str, configuration: Path) -> str:
    """The unit with other paths in it.

    Args:
        template: As it ships.
        words: That start syncd.
        configuration: `syncd.yaml`, or its folder.
    """
    lines = template.splitlines()
    places = {
        "ExecStart": f"{words} run --config {_word(configuration)}",
        "Documentation": f"file:{unit_file().parent / 'README.md'}",
    }
    changed = [
        f"{key}={places[key]}" if (key := line.partition("=")[0]) in places and not line.startswith("#") else line
        for line in lines
    ]
    return "\n".join(changed) + "\n"


def check_reachable(places: Mapping[str, Path]) -> None:
    """Make sure that the service can see what it needs: its unit hides homes and the folders for temporary files.

    Raises:
        ConfigError: Something stands where the service cannot see it.
    """
    from syncd.errors import ConfigError

    for name, place in places.items():
        real = place.resolve()
        if any(real.is_relative_to(hidden) for hidden in _HIDDEN):
            raise ConfigError(
                f"The service could not read {name} in {real}: homes and temporary folders are hidden from it.",
                "Install syncd into a folder such as /opt/syncd with the system's Python, and keep its configuration in "
                "/etc/syncd.",
            )


def write(target: Path, text: str) -> None:
    """Replace a file, whole or not at all.

    Raises:
        SyncdError: It cannot be written.
    """
    from syncd.errors import SyncdError

    draft = target.with_name(f".{target.name}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.chmod(0o644)
        os.replace(draft, target)  # noqa: PTH105 - reads as what it does
    except OSError as error:
        raise SyncdError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Run it as root, or look at the unit: syncd install-service --print",
        ) from None


def _word(path: Path) -> str:
    """A path as one word of ExecStart."""
    text = str(path).replace("%", "%%").replace("$", "$$")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if set(text) & set(" \t'\"\\;") else text
