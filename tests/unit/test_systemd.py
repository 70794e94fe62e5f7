"""The systemd unit: correct, closed, and made to fit an installation."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.cli.install_service import check_reachable, program, unit, unit_file, write
from syncd.errors import ConfigError, SyncdError

ANALYZE = shutil.which("systemd-analyze")

needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit for the environment that the tests run in."""
    text = unit(unit_file().read_text(), program(Path(sys.prefix)), Path("/etc/syncd"))
    file = tmp_path / "syncd.service"
    file.write_text(text)
    return file


def analyzed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False, timeout=60)


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(installed: Path) -> None:
    answer = analyzed("verify", "--man=no", installed)
    assert (answer.returncode, answer.stderr) == (0, "")


@needs_systemd
def test_the_service_is_exposed_to_almost_nothing(installed: Path) -> None:
    answer = analyzed("security", "--offline=true", "--no-pager", installed)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer.stdout)
    assert found is not None, answer.stderr
    assert float(found[1]) <= 1.2


def test_only_the_paths_of_the_installation_change(installed: Path) -> None:
    shipped, made = unit_file().read_text().splitlines(), installed.read_text().splitlines()
    changed = [after for before, after in zip(shipped, made, strict=True) if before != after]
    assert {line.partition("=")[0] for line in changed} <= {"ExecStart", "Documentation"}
    assert f"ExecStart={Path(sys.prefix) / 'bin' / 'syncd'} run --config /etc/syncd" in made


def test_a_path_with_spaces_and_percent_signs_stays_one_word() -> None:
    assert "ExecStart=x run --config '/a" not in unit("ExecStart=", "x", Path("/a b/50%"))
    assert unit("ExecStart=\n", "x", Path("/a b/50%")) == 'ExecStart=x run --config "/a b/50%%"\n'


def test_an_installation_that_the_service_cannot_see_is_refused() -> None:
    with pytest.raises(ConfigError, match="could not read syncd in /home/ann/syncd"):
        check_reachable({"syncd": Path("/home/ann/syncd")})
    check_reachable({"syncd": Path("/opt/syncd")})


def test_a_unit_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SyncdError, match=r"cannot be written: No such file or directory\. Run it as root"):
        write(tmp_path / "nowhere" / "syncd.service", "")
