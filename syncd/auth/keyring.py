"""Where the vault's key is: in the configuration itself, or in a file beside it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from pathlib import Path

from syncd.auth.secret import Redactor, Secret
from syncd.auth.vault import Vault, make_key, new_key, read_keys, write_keys


class Keyring:
    """The vault's keys, the current one first.

    Args:
        given: Keys that the configuration holds, with spaces between, or None: they are in the file.
        file: The key file.
        redactor: Told of every secret that is opened.
    """

    def __init__(self, given: Secret | None, file: Path, redactor: Redactor) -> None:
        self._given = given
        self._file = file
        self._redactor = redactor

    def vault(self) -> Vault:
        """What opens users' tokens.

        Raises:
            VaultError: The key is not there, unusable, or can be read by others.
        """
        place = str(self._file) if self._given is None else "vault.key"
        return Vault(self._keys(), place, self._redactor)

    def _keys(self) -> Sequence[Secret]:
        if self._given is None:
            return read_keys(self._file)
        return [Secret(word) for word in self._given.reveal().split()]

    def make(self) -> Path | None:
        """Make the key file where there is none; returns its path where it was made.

        Raises:
            VaultError: It cannot be written.
        """
        return self._file if self._given is None and make_key(self._file) else None

    def rotate(self) -> Path | None:
        """Put a new key in front of those in the key file; None where the configuration gives the key itself.

        Raises:
            VaultError: There is no key yet, or it cannot be written.
        """
        if self._given is not None:
            return None
        write_keys(self._file, [new_key(), *read_keys(self._file)])
        return self._file

    def pseudonym_key(self) -> bytes:
        """The key of pseudonyms: derived from the oldest key, so that it outlives rotations; never in the database.

        The key file is made where it does not exist.

        Raises:
            VaultError: The key cannot be made or read.
        """
        self.make()
        return hmac.digest(self._keys()[-1].reveal().encode(), b"syncd pseudonyms", "sha256")
