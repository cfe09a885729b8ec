import base64
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from vestnik.db.secrets import (
    KEY_FILE,
    KeyRing,
    StoredKeys,
    identify_secret,
    open_key_ring,
    parse_keys,
    read_key_ring,
)
from vestnik.domain.errors import ConfigurationError, SecretError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
ROW = identify_secret("accounts", UUID(int=7), "session")


def encode(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_a_secret_comes_back_for_its_row() -> None:
    ring = KeyRing([OLD])
    ciphertext = ring.encrypt("1canary-сессия", ROW)
    assert ring.decrypt(ciphertext, ROW) == "1canary-сессия"
    assert b"canary" not in ciphertext
    assert ring.encrypt("1canary-сессия", ROW) != ciphertext


@pytest.mark.parametrize(
    "other",
    [
        identify_secret("accounts", UUID(int=8), "session"),
        identify_secret("accounts", UUID(int=7), "api_hash"),
        identify_secret("account_commands", UUID(int=7), "session"),
    ],
)
def test_a_secret_moved_to_another_row_is_refused(other: str) -> None:
    ring = KeyRing([OLD])
    with pytest.raises(SecretError, match="moved here from another row"):
        ring.decrypt(ring.encrypt("x", ROW), other)


@pytest.mark.parametrize("position", [0, 1, 4, 5, 16, 17, -1])
def test_a_changed_ciphertext_is_refused(position: int) -> None:
    ring = KeyRing([OLD])
    changed = bytearray(ring.encrypt("x", ROW))
    changed[position] ^= 1
    with pytest.raises(SecretError):
        ring.decrypt(bytes(changed), ROW)


@pytest.mark.parametrize("length", [0, 1, 5, 32])
def test_a_cut_ciphertext_is_refused(length: int) -> None:
    ring = KeyRing([OLD])
    with pytest.raises(SecretError):
        ring.decrypt(ring.encrypt("x", ROW)[:length], ROW)


def test_an_unknown_key_is_named_by_its_id() -> None:
    ciphertext = KeyRing([OLD]).encrypt("x", ROW)
    with pytest.raises(SecretError, match=f"key {ciphertext[1:5].hex()}, which is not at hand"):
        KeyRing([NEW]).decrypt(ciphertext, ROW)


def test_a_ring_reads_old_keys_and_writes_the_first() -> None:
    ciphertext = KeyRing([OLD]).encrypt("x", ROW)
    ring = KeyRing([NEW, OLD])
    assert ring.decrypt(ciphertext, ROW) == "x"
    assert ring.needs_rotation(ciphertext)
    assert not ring.needs_rotation(ring.encrypt("x", ROW))


def test_a_ring_does_not_show_its_keys() -> None:
    assert OLD.hex() not in repr(KeyRing([OLD]))


def test_keys_are_base64_or_hexadecimal() -> None:
    third = bytes([255] * 32)
    unpadded = base64.urlsafe_b64encode(third).decode().rstrip("=")
    text = f"# newest first\n{encode(NEW)}, {OLD.hex()}\n{unpadded}"
    assert parse_keys(text, source="S") == [NEW, OLD, third]


@pytest.mark.parametrize(
    "text", ["", " ,", "canary!", "Y2FuYXJ5", "00" * 31, encode(OLD) + ",canary", "canaryю"]
)
def test_bad_keys_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_key_ring(SecretStr(text), Path("/nonexistent"))
    assert caught.value.field == "VESTNIK_SECRET_KEY"
    assert "canary" not in caught.value.message
    assert "Y2Fu" not in caught.value.message


def test_the_key_file_is_made_once_and_announced_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    said: list[str] = []
    ring = open_key_ring(None, folder, announce=said.append)
    again = open_key_ring(None, folder, announce=said.append)
    assert again.decrypt(ring.encrypt("x", ROW), ROW) == "x"
    (sentence,) = said
    assert str(folder / KEY_FILE) in sentence
    assert os.listdir(folder) == [KEY_FILE]
    if sys.platform != "win32":
        assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: open_key_ring(None, tmp_path, announce=said.append), range(8)))
    ciphertext = rings[0].encrypt("x", ROW)
    assert {ring.decrypt(ciphertext, ROW) for ring in rings} == {"x"}
    assert len(said) == 1


def test_reading_makes_no_key(tmp_path: Path) -> None:
    assert read_key_ring(None, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "canary", "кириллица"])
def test_a_damaged_key_file_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / KEY_FILE
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        open_key_ring(None, tmp_path, announce=print)
    assert str(path) in caught.value.message
    assert "canary" not in caught.value.message
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_a_key_file_that_others_may_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE
    path.write_text(encode(OLD))
    path.chmod(0o644)
    read_key_ring(None, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(ConfigurationError, match=KEY_FILE.replace(".", r"\.")):
        open_key_ring(None, blocker / "data", announce=print)


class TestStoredKeys:
    def test_a_key_file_made_later_is_found(self, tmp_path: Path) -> None:
        keys = StoredKeys(None, tmp_path)
        with pytest.raises(SecretError, match="there is no key"):
            keys.decrypt(b"", "accounts:1:session")
        ring = open_key_ring(None, tmp_path, announce=lambda _: None)
        assert keys.decrypt(ring.encrypt("secret", "a:1:b"), "a:1:b") == "secret"

    def test_a_key_from_the_settings_wins(self, tmp_path: Path) -> None:
        ring = KeyRing([bytes(32)])
        open_key_ring(None, tmp_path, announce=lambda _: None)
        assert StoredKeys(SecretStr("00" * 32), tmp_path).decrypt(ring.encrypt("x", "i"), "i") == "x"
