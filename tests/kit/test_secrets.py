"""Secrets: sealed at rest, opened by any configured key, compared in constant time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ferryman.kit.errors import Misconfigured
from ferryman.kit.secrets import Vault, key_from_file, new_key, new_token, same


def test_what_is_sealed_opens_again_and_shows_nothing() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal({"token": "panel-token-123"})
    assert b"panel-token-123" not in sealed
    assert vault.open(sealed) == {"token": "panel-token-123"}


def test_a_new_key_in_front_still_opens_what_the_old_one_sealed() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal({"a": 1})
    assert Vault([new, old]).open(sealed) == {"a": 1}


def test_a_missing_key_is_named_as_the_thing_to_put_back() -> None:
    sealed = Vault([new_key()]).seal({"a": 1})
    with pytest.raises(Misconfigured, match="FERRYMAN_SECRET_KEYS"):
        Vault([new_key()]).open(sealed)


def test_a_key_of_the_wrong_shape_stops_the_start_without_showing_it() -> None:
    with pytest.raises(Misconfigured, match="Fernet") as caught:
        Vault(["not-a-key-but-still-private"])
    assert "not-a-key" not in str(caught.value)


def test_the_generated_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    first = key_from_file(path)
    assert key_from_file(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_one_moment_agree_on_the_key(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret.key"
    with ThreadPoolExecutor(20) as pool:
        keys = set(pool.map(key_from_file, [path] * 40))
    assert len(keys) == 1
    assert Vault(list(keys)).open(Vault(list(keys)).seal({"a": 1})) == {"a": 1}
    assert [file.name for file in path.parent.iterdir()] == ["secret.key"]


def test_a_key_that_cannot_be_kept_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Misconfigured, match="FERRYMAN_DATA_DIR"):
        key_from_file(tmp_path / "file" / "secret.key")


def test_tokens_differ_and_fit_a_link() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) == 24 for token in tokens)


def test_no_token_is_taken_for_an_option_on_the_command_line() -> None:
    """One in thirty would begin with a hyphen or an underscore."""
    assert all(new_token(9)[0].isalnum() for _ in range(1000))


def test_comparison_takes_text_and_bytes_and_anything_a_stranger_may_send() -> None:
    assert same("secret", b"secret")
    assert not same("secret", "secret2")
    assert not same("secret", "ключ")
