"""Users' tokens at rest: encrypted by a key that stands beside the configuration, never in the database.

The library for it is imported where a token is to be sealed or opened only: it is large, and most installations have
the service account alone.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Sequence
from pathlib import Path

import orjson

from syncd.auth.secret import Redactor, Secret
from syncd.errors import VaultError

_PRIVATE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Vault:
    """Seals and opens pairs of tokens (Fernet: AES-128-CBC and HMAC-SHA256).

    Args:
        keys: The current key first, then older ones that may still have sealed something.
        place: Where the key is, for messages.
        redactor: Told of every secret that is opened.

    Raises:
        VaultError: A key is no key.
    """

    def __init__(self, keys: Sequence[Secret], place: str, redactor: Redactor) -> None:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415

        self._place = place
        self._redactor = redactor
        redactor.learn(*keys)
        try:
            self._fernet = MultiFernet([Fernet(key.reveal()) for key in keys])
        except (ValueError, TypeError):
            raise VaultError(
                f"{place} holds no usable key.",
                "Restore it from your backup; tokens sealed with another key stay closed.",
            ) from None

    def seal(self, access: Secret, refresh: Secret | None) -> bytes:
        """A pair as it may stand in a database."""
        pair = {"access": access.reveal(), "refresh": refresh.reveal() if refresh else None}
        return self._fernet.encrypt(orjson.dumps(pair))

    def open(self, sealed: bytes) -> tuple[Secret, Secret | None]:
        """The pair.

        Raises:
            VaultError: It was sealed with another key.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415

        try:
            pair = orjson.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise VaultError(
                f"The key in {self._place} does not open the stored tokens: it is another key.",
                "Restore the right one, or let the users sign in again: syncd auth login USER",
            ) from None
        access, refresh = Secret(pair["access"]), Secret(pair["refresh"]) if pair["refresh"] else None
        self._redactor.learn(access, refresh)
        return access, refresh

    def resealed(self, sealed: bytes) -> bytes:
        """The same content under the current key. Raises as `open`."""
        return self.seal(*self.open(sealed))


def read_keys(path: Path) -> list[Secret]:
    """The keys in a file, one on each line, the current one first.

    Raises:
        VaultError: It is not there, cannot be read, or others can read it.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        raise VaultError(
            f"There is no key at {path}.",
            "The first `syncd auth login USER` makes one; without it no token can be opened.",
        ) from None
    except OSError as error:
        raise VaultError(f"The key {path} cannot be read: {error.strerror}.") from None
    if mode & _OTHERS:
        raise VaultError(
            f"The key {path} can be read by others (mode {stat.S_IMODE(mode):o}).", f"Run: chmod 600 {path}"
        )
    keys = [Secret(line.strip()) for line in text.splitlines() if line.strip()]
    if not keys:
        raise VaultError(f"The key {path} is empty.", "Restore it from your backup, or remove it and sign in again.")
    return keys


def make_key(path: Path) -> bool:
    """Make a key file, readable by its owner only, unless it is there.

    Returns:
        Whether it was made.

    Raises:
        VaultError: It cannot be written.
    """
    if path.exists():
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = _written(path, [new_key()])
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
    except OSError as error:
        raise VaultError(
            f"The key {path} cannot be written: {error.strerror}.", "Choose another vault.key_file."
        ) from None
    return True


def write_keys(path: Path, keys: Sequence[Secret]) -> None:
    """Replace the keys in a file, at once or not at all; its owner stays.

    Raises:
        VaultError: It cannot be written; it is as it was.
    """
    try:
        before = path.stat()
        beside = _written(path, keys)
        if before.st_uid != os.geteuid():
            os.chown(beside, before.st_uid, before.st_gid)
        beside.replace(path)
    except OSError as error:
        raise VaultError(f"The key {path} cannot be written: {error.strerror}.") from None


def new_key() -> Secret:
    """A new key."""
    from cryptography.fernet import Fernet  # noqa: PLC0415

    return Secret(Fernet.generate_key().decode())


def _written(path: Path, keys: Sequence[Secret]) -> Path:
    """A new file beside another, complete and on disk, readable by its owner only."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{key.reveal()}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return beside
