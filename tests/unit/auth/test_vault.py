from __future__ import annotations

import stat
from pathlib import Path

import pytest
from support.tokens import KEY, vault

from syncd.auth.secret import Redactor, Secret
from syncd.auth.vault import Vault, make_key, new_key, read_keys, write_keys
from syncd.errors import VaultError


def test_what_is_sealed_shows_nothing_and_opens_again() -> None:
    sealed = vault().seal(Secret("the-access-token"), Secret("the-refresh-token"))
    assert b"token" not in sealed
    assert vault().open(sealed) == (Secret("the-access-token"), Secret("the-refresh-token"))
    assert vault().open(vault().seal(Secret("alone"), None)) == (Secret("alone"), None)


def test_another_key_says_so_and_opens_nothing() -> None:
    sealed = vault().seal(Secret("access"), None)
    with pytest.raises(VaultError, match="another key") as caught:
        vault(new_key().reveal()).open(sealed)
    assert "syncd auth login" in caught.value.remedy


def test_a_damaged_pair_opens_not_at_all() -> None:
    sealed = bytearray(vault().seal(Secret("access"), None))
    sealed[40] ^= 1
    with pytest.raises(VaultError):
        vault().open(bytes(sealed))


@pytest.mark.parametrize("text", ["", "short", "ü" * 44, "A" * 43])
def test_what_is_no_key_is_told_without_showing_it(text: str) -> None:
    with pytest.raises(VaultError) as caught:
        Vault([Secret(text)], "vault.key", Redactor())
    assert "vault.key holds no usable key." in caught.value.message


def test_older_keys_open_and_the_first_one_seals() -> None:
    fresh = new_key().reveal()
    both = vault(fresh, KEY)
    sealed = both.resealed(vault(KEY).seal(Secret("access"), Secret("refresh")))
    assert vault(fresh).open(sealed) == (Secret("access"), Secret("refresh"))


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "vault.key"
    assert make_key(path)
    before = path.read_bytes()
    assert not make_key(path)
    assert path.read_bytes() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["vault.key"]
    Vault(read_keys(path), "vault.key", Redactor())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "vault.key"
    make_key(path)
    path.chmod(mode)
    with pytest.raises(VaultError, match="can be read by others") as caught:
        read_keys(path)
    assert caught.value.remedy == f"Run: chmod 600 {path}"


def test_a_missing_or_empty_key_is_told(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    with pytest.raises(VaultError, match="There is no key"):
        read_keys(path)
    path.touch(0o600)
    with pytest.raises(VaultError, match="is empty"):
        read_keys(path)


def test_keys_are_replaced_at_once_and_stay_private(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    make_key(path)
    keys = [new_key(), *read_keys(path)]
    write_keys(path, keys)
    assert read_keys(path) == keys
    assert [one.name for one in tmp_path.iterdir()] == ["vault.key"]


def test_keys_that_cannot_be_written_leave_the_file_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be written"):
        write_keys(tmp_path / "nowhere" / "vault.key", [new_key()])
    with pytest.raises(VaultError, match="cannot be written"):
        make_key(Path("/proc/vault.key"))


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret("the-secret")
    assert "the-secret" not in f"{secret} {secret!r} {[secret]} {Exception(secret)}"
    assert secret == Secret("the-secret")
    assert len({secret, Secret("the-secret")}) == 1


def test_the_log_masks_what_it_knows_and_what_looks_like_a_secret() -> None:
    redactor = Redactor()
    redactor.learn(Secret("known-secret"), "short", None)
    event = {
        "event": "x known-secret y",
        "nested": {"list": ["known-secret", 5]},
        "object": ValueError("known-secret"),
        "header": "Authorization: Bearer abc.def-123",
        "form": "grant_type=x&refresh_token=abcdef&client_secret=s3cret&code=abcdefghijklmnopqrst",
        "number": 5,
    }
    assert redactor(None, "info", dict(event)) == {
        "event": "x *** y",
        "nested": {"list": ["***", 5]},
        "object": "***",
        "header": "Authorization: Bearer ***",
        "form": "grant_type=x&refresh_token=***&client_secret=***&code=***",
        "number": 5,
    }
