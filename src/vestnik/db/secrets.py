"""Secrets at rest: AES-256-GCM, bound to the row that they belong to, under keys that the database never sees.

A ciphertext is `version (1) | key id (4) | nonce (12) | encrypted text and tag (16)`. The row's identity is
associated data, so a ciphertext copied to another row or column cannot be read there. The key id is the head of
the key's SHA-256, which is how a ring of several keys finds the right one.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import itertools
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.domain.errors import ConfigurationError, SecretError

KEY_BYTES = 32
KEY_FILE = "secret.key"
_VERSION = 1
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER_BYTES = 1 + _KEY_ID_BYTES
_HEX = re.compile(r"[0-9A-Fa-f]{64}")
_CURE = "give one base64 or hexadecimal key of 32 bytes, or several separated by commas, the newest first"
_BETTER = (
    "put one that 'vestnik secrets generate' prints before it; if secrets are stored already, leave this one behind "
    "the new one, separated by a comma, and run 'vestnik secrets rotate'"
)
_NO_COPY = "put a copy of the file back; only if nothing is stored yet, delete it, and a new one is made"
_UNFINISHED = ".new."
_KEY_FILE_HEAD = "# Keys of Vestnik, the newest first. Without them stored sessions cannot be read.\n"

EXAMPLE_KEY: Final = b"vestnik-example-key-do-not-use!!"
"""What the documentation shows as an example, so that everybody knows it."""
FEWEST_BYTE_VALUES: Final = 12
"""A key with fewer different bytes was typed by somebody: among 32 random ones they are never so few."""


def identify_secret(table: str, row_id: UUID, column: str) -> str:
    """The identity that a secret is bound to, such as `accounts:<id>:session`."""
    return f"{table}:{row_id}:{column}"


class KeyRing:
    """Encrypts with its first key and decrypts with any. Its representation holds no key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key ring needs keys of {KEY_BYTES} bytes")
        self._current = _key_id(keys[0])
        self.key_ids = tuple(dict.fromkeys(_key_id(key).hex() for key in keys))
        """By which ciphertexts name their key, in the order of the keys; they tell nothing about them."""
        self._ciphers = {_key_id(key): AESGCM(key) for key in reversed(keys)}
        self._digest_key = hmac.digest(keys[0], b"vestnik digests", "sha256")

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.key_ids)})"

    def encrypt(self, secret: str, identity: str) -> bytes:
        """The ciphertext of a text for the row that `identity` names (see `identify_secret`)."""
        header = bytes([_VERSION]) + self._current
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._current].encrypt(
            nonce, secret.encode(), _associated_data(header, identity)
        )
        return header + nonce + sealed

    def decrypt(self, ciphertext: bytes, identity: str) -> str:
        """The text again.

        Raises SecretError when no key fits, or when the ciphertext was changed or belongs to another row.
        """
        key_id = bytes.fromhex(read_key_id(ciphertext))
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise SecretError(
                f"the secret {identity} was encrypted with key {key_id.hex()}, which is not at hand: add that key "
                f"to VESTNIK_SECRET_KEY or put the file {KEY_FILE} back into the data directory"
            )
        header, nonce = ciphertext[:_HEADER_BYTES], ciphertext[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        try:
            opened = cipher.decrypt(
                nonce, ciphertext[_HEADER_BYTES + _NONCE_BYTES :], _associated_data(header, identity)
            )
        except InvalidTag as exc:
            raise SecretError(f"the secret {identity} was changed, or moved here from another row") from exc
        return opened.decode()

    def needs_rotation(self, ciphertext: bytes) -> bool:
        """Whether it was encrypted with another key than the first one."""
        return read_key_id(ciphertext) != self._current.hex()

    def digest(self, secret: bytes, purpose: str) -> bytes:
        """Tells equal secrets from others, but to nobody without the first key, whose id it begins with."""
        return self._current + hmac.digest(self._digest_key, purpose.encode() + b"\0" + secret, "sha256")

    def is_current_digest(self, digest: bytes) -> bool:
        """Whether a digest was made with the first key, so that it can be compared with new ones."""
        return digest.startswith(self._current)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"vestnik key id" + key).digest()[:_KEY_ID_BYTES]


def _associated_data(header: bytes, identity: str) -> bytes:
    return header + identity.encode()


def read_key_id(ciphertext: bytes) -> str:
    """Which key a secret was encrypted with. Raises SecretError for what is no ciphertext of this version."""
    if len(ciphertext) < _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES:
        raise SecretError("a stored secret is cut off")
    if ciphertext[0] != _VERSION:
        raise SecretError(
            f"a stored secret has format {ciphertext[0]}; this version of Vestnik reads {_VERSION}"
        )
    return ciphertext[1:_HEADER_BYTES].hex()


def generate_key() -> str:
    """A new key as it is written in VESTNIK_SECRET_KEY and in the key file."""
    return _format_key(secrets.token_bytes(KEY_BYTES))


def _format_key(key: bytes) -> str:
    return base64.b64encode(key).decode()


def parse_keys(text: str, *, source: str) -> list[bytes]:
    """Read keys separated by commas or line ends; `source` names the setting or file in the message.

    Raises ConfigurationError, which never quotes a key.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    words = [word.strip() for line in lines for word in line.split(",") if word.strip()]
    if not words:
        raise ConfigurationError(f"{source} holds no key: {_CURE}", field=source)
    return [_parse_key(word, number, source) for number, word in enumerate(words, 1)]


def _parse_key(word: str, number: int, source: str) -> bytes:
    if _HEX.fullmatch(word):
        return bytes.fromhex(word)
    try:
        padded = word.rstrip("=").translate(str.maketrans("-_", "+/"))
        key = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ConfigurationError(
            f"{source}: key {number} is neither base64 nor hexadecimal: {_CURE}", field=source
        ) from exc
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            f"{source}: key {number} has {len(key)} bytes, not 32: {_CURE}", field=source
        )
    return key


def _make_ring(keys: Sequence[bytes], source: str) -> KeyRing:
    """What is stored may be read with any key, but nothing more is encrypted with one that can be guessed."""
    if keys[0] == EXAMPLE_KEY:
        raise ConfigurationError(
            f"{source}: the first key is the example of the documentation, which everybody knows: {_BETTER}",
            field=source,
        )
    if is_weak_key(keys[0]):
        raise ConfigurationError(
            f"{source}: the first key is not random, so it can be guessed: {_BETTER}", field=source
        )
    return KeyRing(keys)


def is_weak_key(key: bytes) -> bool:
    """Whether a key is obviously no random one: a byte or a few repeated, or bytes that are counted up or down."""
    steps = {(after - before) % 256 for before, after in itertools.pairwise(key)}
    return len(set(key)) < FEWEST_BYTE_VALUES or len(steps) == 1


def read_key_ring(secret_key: SecretStr | None, data_dir: Path) -> KeyRing | None:
    """The keys of VESTNIK_SECRET_KEY, else of the key file, else None. Creates nothing.

    Raises ConfigurationError when keys are there but cannot be used.
    """
    if secret_key is not None:
        source = "VESTNIK_SECRET_KEY"
        return _make_ring(parse_keys(secret_key.get_secret_value(), source=source), source)
    path = data_dir / KEY_FILE
    keys = _read_key_file(path)
    return None if keys is None else _make_ring(keys, str(path))


def _read_key_file(path: Path) -> list[bytes] | None:
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            _require_private(path, os.fstat(file.fileno()))
            text = file.read()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigurationError(
            f"the key file {path} cannot be read: {exc.strerror}; it has to be a file that the user of this process "
            "may read"
        ) from exc
    try:
        return parse_keys(text, source=str(path))
    except ConfigurationError as exc:
        raise ConfigurationError(f"{exc.message}; {_NO_COPY}", field=str(path)) from exc


def _require_private(path: Path, status: os.stat_result) -> None:
    """A group may read what somebody else gave it, as root does for services; nobody reads what is ours."""
    if os.name == "nt":
        return  # the folder of the user's own data is private there, and modes say nothing
    mode = stat.S_IMODE(status.st_mode)
    if mode & (0o077 if status.st_uid == os.geteuid() else 0o027):
        raise ConfigurationError(
            f"others on this machine may read the key file {path} (mode {mode:04o}): run 'chmod 600 {path}', and if "
            "somebody may have read it, 'vestnik secrets rotate'; where files have no modes, set VESTNIK_SECRET_KEY "
            "to what is in it, and delete it"
        )


def open_key_ring(
    secret_key: SecretStr | None, data_dir: Path, *, announce: Callable[[str], None]
) -> KeyRing:
    """As `read_key_ring`, but makes the key file when there is no key yet, and announces it once."""
    ring = read_key_ring(secret_key, data_dir)
    if ring is not None:
        return ring
    path = data_dir / KEY_FILE
    text = generate_key() + "\n"
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_new = _create_whole(path, text)
    except OSError as exc:
        raise ConfigurationError(
            f"the key file {path} cannot be made: {exc.strerror}; let the user of this process write in its folder, "
            "or set VESTNIK_SECRET_KEY to what 'vestnik secrets generate' prints"
        ) from exc
    if is_new:
        announce(
            f"made the key file {path}, which encrypts Telegram sessions; keep a copy away from the database"
        )
    ring = read_key_ring(None, data_dir)
    assert ring is not None
    return ring


def add_first_key(data_dir: Path) -> None:
    """Put a new key before those of the key file, which all stay. Raises ConfigurationError."""
    path = data_dir / KEY_FILE
    keys = _read_key_file(path) or []
    _replace_key_file(path, [secrets.token_bytes(KEY_BYTES), *keys])


def drop_keys(data_dir: Path, key_ids: Collection[str]) -> None:
    """Take keys out of the key file; the first one always stays. Raises ConfigurationError."""
    path = data_dir / KEY_FILE
    keys = _read_key_file(path) or []
    _replace_key_file(path, [*keys[:1], *(key for key in keys[1:] if _key_id(key).hex() not in key_ids)])


def mark_key_file(data_dir: Path) -> None:
    """Have its time say that something was encrypted with its first key just now."""
    with contextlib.suppress(OSError):  # who may not do this may not drop keys either
        os.utime(data_dir / KEY_FILE)


def _replace_key_file(path: Path, keys: Sequence[bytes]) -> None:
    text = _KEY_FILE_HEAD + "".join(f"{_format_key(key)}\n" for key in keys)
    try:
        # The file may be a link to where a system keeps its secrets.
        _replace_whole(path.resolve(), text)
    except OSError as exc:
        raise ConfigurationError(
            f"the key file {path} cannot be written: {exc.strerror}; it is as it was. Do this as a user who may write "
            "in its folder"
        ) from exc


OpenKeys = Callable[[AsyncSession], Awaitable[KeyRing]]
"""The keys to store a secret with in a transaction; see `vestnik.db.secret_rows.hold_keys`."""


class StoredKeys:
    """Decrypts with the keys as they are at that moment: a file of them may be made or changed meanwhile."""

    def __init__(self, secret_key: SecretStr | None, data_dir: Path) -> None:
        self._secret_key = secret_key
        self.data_dir = data_dir

    @property
    def is_in_environment(self) -> bool:
        """Whether the keys are those of VESTNIK_SECRET_KEY, which no process can change."""
        return self._secret_key is not None

    @property
    def source(self) -> str:
        """Where the keys come from, or would come from."""
        return "VESTNIK_SECRET_KEY" if self.is_in_environment else str(self.data_dir / KEY_FILE)

    def read_ring(self) -> KeyRing | None:
        """The keys, or None while there is none. Raises ConfigurationError."""
        return read_key_ring(self._secret_key, self.data_dir)

    def decrypt(self, ciphertext: bytes, identity: str) -> str:
        """As `KeyRing.decrypt`. Raises SecretError, and ConfigurationError for keys that cannot be used."""
        return self.open_ring(identity).decrypt(ciphertext, identity)

    def open_ring(self, identity: str) -> KeyRing:
        """The keys to read the secret of that name with. Raises SecretError, ConfigurationError."""
        ring = self.read_ring()
        if ring is None:
            raise SecretError(
                f"the secret {identity} cannot be read: there is no key; set VESTNIK_SECRET_KEY to the one that "
                f"encrypted it, or put the file {KEY_FILE} into the data directory"
            )
        return ring


def _create_whole(path: Path, text: str) -> bool:
    """Create a file (mode 0600) with its content in one step; False when it exists already."""
    fresh = _write_beside(path, text)
    try:
        return _publish(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def _replace_whole(path: Path, text: str) -> None:
    """Give a file another content in one step that outlasts a power cut; its owner and its mode stay."""
    for left in path.parent.glob(f"{path.name}{_UNFINISHED}*"):  # of a process that was killed: it holds keys
        left.unlink(missing_ok=True)
    fresh = _write_beside(path, text)
    try:
        if os.name != "nt":
            was, now = path.stat(), fresh.stat()
            if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
                os.chown(fresh, was.st_uid, was.st_gid)
            os.chmod(fresh, stat.S_IMODE(was.st_mode))
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    if os.name != "nt":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # not every file system can, and the file is in its place
                os.fsync(folder)
        finally:
            os.close(folder)


def _write_beside(path: Path, text: str) -> Path:
    """A new file (mode 0600) in the same folder, whose content is on the disk; the caller removes it."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}{_UNFINISHED}", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _publish(fresh: Path, path: Path) -> bool:
    """Give a finished file its name unless the name is taken: a hard link refuses to replace."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links, such as that of a memory stick.
        if path.exists():
            return False
        os.rename(fresh, path)
    return True
