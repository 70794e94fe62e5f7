"""The command as an operator has it: a process with arguments, an environment and exit codes."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.program import Site

from syncd.sandbox.server import Sandbox

SYNCD = [sys.executable, "-m", "syncd"]
CREDENTIALS = {"PROCORE_CLIENT_ID": "id", "PROCORE_CLIENT_SECRET": "a-secret-value"}


def syncd(
    *words: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PROCORE_", "SYNCD_", "NO_COLOR"))}
    return subprocess.run(
        [*SYNCD, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=cwd,
        env=clean | dict(environ or {}),
    )


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("starter") / "config"
    done = syncd("init", str(made))
    assert done.returncode == 0
    assert f"syncd check --config {made}" in done.stdout
    return made


@pytest.fixture
def folder(starter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(starter, tmp_path / "config"))


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(text))


def test_help_lists_the_commands_without_importing_what_they_need() -> None:
    words = [sys.executable, "-X", "importtime", "-m", "syncd", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert "init " in done.stdout
    assert "sync " in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "syncd.cli.main" in imported
    assert not imported & {"pydantic", "sqlalchemy", "httpx", "structlog", "yaml", "flask"}


@pytest.mark.parametrize(
    "words",
    [
        ["auth", "list"],
        ["check"],
        ["db", "current"],
        ["plan", "rfis"],
        ["purge", "--project", "1", "--yes"],
        ["resources", "show", "rfis"],
        ["status"],
    ],
)
def test_a_command_imports_all_that_it_needs(tmp_path: Path, sandbox: Sandbox, words: list[str]) -> None:
    """Started anew, with nothing imported by another command; `sync`, `run` and `auth login` are so elsewhere."""
    site = Site(tmp_path, sandbox)
    site.job("rfis")
    with site.app():
        pass
    with site.start(*words, anew=True) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out


def test_version() -> None:
    done = syncd("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("syncd 0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Usage: syncd"),
        (["snyc"], "No such command 'snyc'. Did you mean 'sync'?"),
        (["sync", "--ful"], "No such option"),
        (["sync", "field", "--config"], "'--config' requires an argument"),
        (["--log-format", "xml", "sync", "field"], "--log-format"),
        (["init"], "DIR"),
    ],
)
def test_wrong_usage_is_said_on_stderr_with_code_2(words: list[str], said: str) -> None:
    done = syncd(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_init_writes_a_configuration_that_editors_understand(folder: Path) -> None:
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "job.schema.json",
        "jobs/field.yaml",
        "syncd.schema.json",
        "syncd.yaml",
    ]
    for name in ("syncd.yaml", "jobs/field.yaml"):
        first = (folder / name).read_text(encoding="utf-8").splitlines()[0]
        schema = folder / Path(name).parent / first.removeprefix("# yaml-language-server: $schema=")
        assert json.loads(schema.read_text())["type"] == "object"


def test_init_never_overwrites(folder: Path) -> None:
    job = folder / "jobs" / "field.yaml"
    job.write_text("mine")
    for path in folder.glob("*"):
        if path.is_file():
            path.unlink()
    done = syncd("init", str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{job} would be overwritten; nothing was written." in done.stderr
    assert job.read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["jobs"]


def test_init_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = syncd("init", str(tmp_path / "file" / "config"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be written: Not a directory." in done.stderr


def test_an_unset_variable_is_named_with_its_key(folder: Path) -> None:
    done = syncd("sync", "field", "--config", str(folder), environ={"PROCORE_CLIENT_ID": "id"})
    assert (done.returncode, done.stdout) == (2, "")
    line = line_of(folder / "syncd.yaml", "client_secret")
    what = "needs the environment variable PROCORE_CLIENT_SECRET, which is not set."
    assert done.stderr.splitlines() == [
        f"error: {folder}/syncd.yaml:{line}: procore.client_secret {what}",
        "Correct what is named here; `syncd check` tells when all is well.",
    ]


@pytest.mark.parametrize(
    ("place", "command"),
    [
        ("before", ["check", "--json"]),
        ("after", ["sync", "field", "--json"]),
        ("environment", ["status"]),
        ("here", ["check"]),
    ],
)
def test_the_configuration_is_found_wherever_it_is_named(folder: Path, place: str, command: list[str]) -> None:
    job = folder / "jobs" / "field.yaml"
    job.write_text(job.read_text(encoding="utf-8").replace("\nlookback:", "\nlokback:"), encoding="utf-8")
    words = {"before": ["--config", str(folder), *command], "after": [*command, f"--config={folder}/syncd.yaml"]}
    environ = CREDENTIALS | ({"SYNCD_CONFIG": str(folder)} if place == "environment" else {})
    done = syncd(*words.get(place, command), cwd=folder.parent if place == "here" else None, environ=environ)
    assert (done.returncode, done.stdout) == (2, "")
    line = line_of(job, "lokback")
    assert f"jobs/field.yaml:{line}: lokback is no known key; did you mean lookback?" in done.stderr
    assert "a-secret-value" not in done.stderr
    assert not (folder / "syncd.db").exists()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_one_sentence(folder: Path, tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "company.pem"
    if content is not None:
        bundle.write_text(content)
    done = syncd("status", "--config", str(folder), environ=CREDENTIALS | {"SSL_CERT_FILE": str(bundle)})
    first, remedy = done.stderr.splitlines()
    assert (done.returncode, remedy) == (2, "Check the variables SSL_CERT_FILE and SSL_CERT_DIR of the environment.")
    assert first.startswith(f"error: The certificates in {bundle} cannot be read: ")


def test_no_configuration_says_where_it_was_looked_for(tmp_path: Path) -> None:
    done = syncd("sync", "field", cwd=tmp_path)
    assert done.returncode == 2
    assert "config/syncd.yaml and /etc/syncd/syncd.yaml" in done.stderr
    assert "syncd init" in done.stderr


def test_an_unknown_resource_is_found_before_anything_is_asked_of_procore(folder: Path) -> None:
    job = folder / "jobs" / "field.yaml"
    job.write_text(job.read_text(encoding="utf-8").replace("submittals]", "submitals]"), encoding="utf-8")
    done = syncd("sync", "field", "--config", str(folder), environ=CREDENTIALS)
    assert (done.returncode, done.stdout) == (2, "")
    assert "resources[4]: There is no resource submitals. Did you mean submittals?" in done.stderr


def test_a_reader_that_leaves_early_is_no_reason_for_noise() -> None:
    with subprocess.Popen([*SYNCD, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_end_no_command(folder: Path, closed: str) -> None:
    command = f'"$@" {closed}'
    made = folder.parent / "other"
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *SYNCD, "init", str(made)], check=False, timeout=60, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (made / "syncd.yaml").is_file()


def test_a_long_result_that_finds_no_room_is_one_sentence() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*SYNCD, "resources", "--json"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, b"error: The output cannot be written: No space left on device.\n")


def test_a_demo_where_nothing_can_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = syncd("demo", "--folder", str(tmp_path / "file" / "demo"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "/file/demo cannot be written: Not a directory." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_locale_without_unicode_ends_no_command(tmp_path: Path) -> None:
    done = syncd("init", str(tmp_path / "größe"), environ={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_terminal_sees_colour_unless_it_says_otherwise(tmp_path: Path) -> None:
    def shown(**environ: str) -> bytes:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*SYNCD, "sync", "x"],
            cwd=tmp_path,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, **environ},
        ) as process:
            os.close(theirs)
            seen = b""
            try:
                while piece := os.read(ours, 4096):
                    seen += piece
            except OSError:  # Linux reports the end of a terminal as an error
                pass
            process.wait()
        os.close(ours)
        return seen

    assert b"\x1b[1;31merror:\x1b[0m There is no configuration" in shown(NO_COLOR="")
    assert b"\r\nerror: There is no configuration" in b"\r\n" + shown(NO_COLOR="1")
