import base64
import hashlib
import os
import re
import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from vestnik.db.models import Base
from vestnik.db.secret_rows import PLACES
from vestnik.db.secrets import (
    EXAMPLE_KEY,
    KEY_FILE,
    KeyRing,
    StoredKeys,
    add_first_key,
    drop_keys,
    generate_key,
    identify_secret,
    open_key_ring,
    parse_keys,
    read_key_ring,
)
from vestnik.domain.errors import ConfigurationError, SecretError

OLD, NEW = (hashlib.sha256(name).digest() for name in (b"old", b"new"))
ROW = identify_secret("accounts", UUID(int=7), "session")


def encode(key: bytes) -> str:
    return base64.b64encode(key).decode()


def write_key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / KEY_FILE
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


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
    path = write_key_file(tmp_path, content)
    with pytest.raises(ConfigurationError) as caught:
        open_key_ring(None, tmp_path, announce=print)
    assert str(path) in caught.value.message
    assert "canary" not in caught.value.message
    assert "put a copy of the file back" in caught.value.message
    assert path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o604, 0o602, 0o777])
@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_a_key_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_key_file(tmp_path, encode(OLD), mode)
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}") as caught:
        open_key_ring(None, tmp_path, announce=print)
    assert f"run 'chmod 600 {path}'" in caught.value.message
    assert stat.S_IMODE(path.stat().st_mode) == mode
    path.chmod(0o600)
    assert read_key_ring(None, tmp_path) is not None


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="gives a file away as root")
@pytest.mark.parametrize(("mode", "is_good"), [(0o440, True), (0o640, True), (0o444, False), (0o660, False)])
def test_a_group_may_read_the_key_file_of_somebody_else(tmp_path: Path, mode: int, *, is_good: bool) -> None:
    path = write_key_file(tmp_path, encode(OLD), mode)
    os.chown(path, 12345, 0)
    if is_good:
        assert read_key_ring(None, tmp_path) is not None
        add_first_key(tmp_path)
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (mode, 12345)
    else:
        with pytest.raises(ConfigurationError, match="others on this machine may read"):
            read_key_ring(None, tmp_path)


def test_a_folder_in_the_place_of_the_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="it has to be a file"):
        open_key_ring(None, tmp_path, announce=print)


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
        ring = KeyRing([OLD])
        open_key_ring(None, tmp_path, announce=lambda _: None)
        assert StoredKeys(SecretStr(OLD.hex()), tmp_path).decrypt(ring.encrypt("x", "i"), "i") == "x"

    def test_a_key_file_changed_meanwhile_is_read_anew(self, tmp_path: Path) -> None:
        keys = StoredKeys(None, tmp_path)
        before = open_key_ring(None, tmp_path, announce=lambda _: None).encrypt("secret", ROW)
        assert keys.decrypt(before, ROW) == "secret"
        add_first_key(tmp_path)
        assert keys.decrypt(before, ROW) == "secret"
        assert keys.open_ring(ROW).needs_rotation(before)


class TestKeysThatCanBeGuessed:
    @pytest.mark.parametrize(
        "key",
        [
            bytes(32),
            b"\xff" * 32,
            b"ab" * 16,
            bytes.fromhex("0123456789abcdef" * 4),
            bytes(range(32)),
            bytes(range(250, 218, -1)),
        ],
    )
    @pytest.mark.parametrize("write", [encode, bytes.hex])
    def test_they_are_refused_without_being_quoted(
        self, tmp_path: Path, key: bytes, write: Callable[[bytes], str]
    ) -> None:
        with pytest.raises(ConfigurationError, match="not random") as caught:
            read_key_ring(SecretStr(write(key)), tmp_path)
        assert caught.value.field == "VESTNIK_SECRET_KEY"
        assert "vestnik secrets generate" in caught.value.message
        assert write(key) not in caught.value.message

    def test_the_key_file_is_looked_at_as_well(self, tmp_path: Path) -> None:
        write_key_file(tmp_path, encode(bytes(32)))
        with pytest.raises(ConfigurationError, match="not random"):
            open_key_ring(None, tmp_path, announce=print)

    def test_the_example_of_the_documentation_is_refused(self, tmp_path: Path) -> None:
        text = (Path(__file__).parents[3] / "docs" / "how-to" / "keys.md").read_text(encoding="utf-8")
        (shown,) = set(re.findall(r"VESTNIK_SECRET_KEY=([\w+/=]{40,})", text))
        assert parse_keys(shown, source="S") == [EXAMPLE_KEY]
        with pytest.raises(ConfigurationError, match="the example of the documentation"):
            read_key_ring(SecretStr(shown), tmp_path)

    @pytest.mark.parametrize("key", [EXAMPLE_KEY, bytes(32)])
    def test_behind_a_good_key_they_still_open_what_they_encrypted(self, tmp_path: Path, key: bytes) -> None:
        ciphertext = KeyRing([key]).encrypt("x", ROW)
        ring = read_key_ring(SecretStr(f"{encode(NEW)},{encode(key)}"), tmp_path)
        assert ring is not None
        assert ring.decrypt(ciphertext, ROW) == "x"

    def test_a_generated_key_is_none_of_them(self, tmp_path: Path) -> None:
        made = {generate_key() for _ in range(200)}
        assert len(made) == 200
        assert all(read_key_ring(SecretStr(key), tmp_path) is not None for key in made)


class TestTheKeyFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return write_key_file(tmp_path, f"# mine\n{encode(OLD)}")

    def read(self, path: Path) -> list[bytes]:
        return parse_keys(path.read_text(), source="S")

    def test_a_new_key_comes_before_the_others(self, path: Path) -> None:
        add_first_key(path.parent)
        new, *others = self.read(path)
        assert others == [OLD]
        assert new != OLD
        assert os.listdir(path.parent) == [KEY_FILE]
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_keys_are_dropped_but_for_the_first(self, path: Path) -> None:
        add_first_key(path.parent)
        first = self.read(path)[0]
        drop_keys(path.parent, KeyRing(self.read(path)).key_ids)
        assert self.read(path) == [first]

    def test_what_a_killed_process_left_is_cleared_away_and_nothing_else(self, path: Path) -> None:
        path.with_name(f"{KEY_FILE}.new.abcd1234").write_text(encode(NEW))
        path.with_name(f"{KEY_FILE}.backup").write_text(encode(OLD))
        add_first_key(path.parent)
        assert sorted(os.listdir(path.parent)) == [KEY_FILE, f"{KEY_FILE}.backup"]

    def test_a_file_that_cannot_be_replaced_stays_as_it_was(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(13, "no")

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(ConfigurationError, match="cannot be written"):
            add_first_key(path.parent)
        assert self.read(path) == [OLD]
        assert os.listdir(path.parent) == [KEY_FILE]

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
    def test_a_link_stays_one(self, path: Path, tmp_path: Path) -> None:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        path.rename(folder / "key")
        path.symlink_to(folder / "key")
        add_first_key(tmp_path)
        assert path.is_symlink()
        assert len(self.read(folder / "key")) == 2


def test_every_encrypted_column_is_known_to_the_rotation() -> None:
    encrypted = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("ciphertext")
    }
    assert {(place.table.name, place.ciphertext.name) for place in PLACES} == encrypted
