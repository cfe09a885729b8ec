"""Files of media in a folder: `media/ab/abcd…` by their SHA-256, written whole or not at all."""

import asyncio
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from vestnik.domain.errors import MediaMissingError, MediaStoreError

Found = TypeVar("Found")
Opened = TypeVar("Opened")

FOLDER: Final = "media"
"""Below the data directory."""
INCOMING: Final = "incoming"
_WRITE_BYTES: Final = 1024 * 1024
_ABANDONED_AFTER: Final = 86_400.0
"""Seconds after which a file that never came in whole is taken for that of a process that died."""


class LocalMediaStore:
    """A `MediaStore` below a data directory, which the processes of one machine share."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / FOLDER

    @property
    def place(self) -> str:
        """Where it is, for a message to an operator."""
        return str(self._root)

    @asynccontextmanager
    async def stage(
        self, chunks: AsyncIterable[bytes], *, limit: int
    ) -> AsyncIterator["LocalStagedFile | None"]:
        """Take in a file; None when it has more bytes than `limit`. What is not kept is gone after the block."""
        staged = await _open_in_thread(self._begin, LocalStagedFile.discard)
        try:
            is_whole = await staged.fill(chunks, limit)
            yield staged if is_whole else None
        finally:
            await asyncio.shield(asyncio.to_thread(staged.discard))

    def _begin(self) -> "LocalStagedFile":
        folder = self._root / INCOMING
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sweep(folder)
            descriptor, name = tempfile.mkstemp(dir=folder)
        except OSError as exc:
            raise _unusable(self._root, exc) from exc
        return LocalStagedFile(os.fdopen(descriptor, "w+b"), Path(name), self._find)

    @asynccontextmanager
    async def open(self, sha256: str) -> AsyncIterator["LocalReader"]:
        """Read a file. Raises MediaMissingError when it is not here."""
        path = self._find(sha256)
        try:
            file = await _open_in_thread(lambda: path.open("rb"), BufferedReader.close)
        except FileNotFoundError as exc:
            raise MediaMissingError(
                f"the file is not in {self._root}: it was stored by a process with another data directory, or "
                "deleted there"
            ) from exc
        except OSError as exc:
            raise _unusable(path, exc) from exc
        try:
            yield LocalReader(file, path)
        finally:
            file.close()  # not in a thread: a cancelled caller would leave it open

    async def list_files(self, *, older_than: timedelta) -> AsyncIterator[str]:
        """The SHA-256 of every file that was kept longer ago than that."""
        for number in range(256):
            for sha256 in await asyncio.to_thread(self._list_part, f"{number:02x}", older_than):
                yield sha256

    def _list_part(self, part: str, older_than: timedelta) -> list[str]:
        oldest = time.time() - older_than.total_seconds()
        try:
            return sorted(
                entry.name
                for entry in os.scandir(self._root / part)
                if is_digest(entry.name) and entry.stat().st_mtime < oldest
            )
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise _unusable(self._root / part, exc) from exc

    async def remove(self, sha256: str) -> None:
        """Delete a file; nothing if it is not here."""
        path = self._find(sha256)
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as exc:
            raise _unusable(path, exc) from exc

    def _find(self, sha256: str) -> Path:
        assert len(sha256) == 64, "hexadecimal digits, never a name from outside"
        return self._root / sha256[:2] / sha256


class LocalStagedFile:
    """A file that comes in, under a name that nobody looks for."""

    def __init__(self, file: BinaryIO, path: Path, find: Callable[[str], Path]) -> None:
        self._file = file
        self._path = path
        self._find = find
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        return self._digest.hexdigest()

    async def fill(self, chunks: AsyncIterable[bytes], limit: int) -> bool:
        """Take the bytes in; False when there are more than `limit`."""
        waiting = bytearray()
        async for chunk in chunks:
            waiting += chunk
            if self.size + len(waiting) > limit:
                return False
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(self._write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(self._write, bytes(waiting))
        return True

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as exc:
            raise _unusable(self._path.parent, exc) from exc
        self._digest.update(data)
        self.size += len(data)

    async def inspect(self, look: Callable[[BinaryIO], Found]) -> Found:
        """What `look` makes of the file, in a thread. Raises MediaStoreError."""

        def run() -> Found:
            try:
                self._file.flush()
                with self._path.open("rb") as file:
                    return look(file)
            except OSError as exc:
                raise _unusable(self._path.parent, exc) from exc

        return await asyncio.to_thread(run)

    async def keep(self) -> None:
        """Make it durable under its SHA-256."""
        await asyncio.to_thread(self._keep)

    def _keep(self) -> None:
        target = self._find(self.sha256)
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()  # Windows moves no open file
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.name != "nt" or not target.exists():  # Windows replaces no file that a worker reads
                os.replace(self._path, target)
            _sync_folder(target.parent)
        except OSError as exc:
            raise _unusable(target, exc) from exc

    def discard(self) -> None:
        """Close it, and delete what was not kept."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


async def _open_in_thread(open_file: Callable[[], Opened], close: Callable[[Opened], None]) -> Opened:
    """Open in a thread, which cannot be stopped: what it opens for nobody is closed, by whoever comes last.

    The event loop may have ended by then, so nothing here waits for it.
    """
    lock, opened, is_wanted = threading.Lock(), list[Opened](), True

    def run() -> None:
        file = open_file()
        with lock:
            if is_wanted:
                opened.append(file)
                return
        close(file)

    try:
        await asyncio.to_thread(run)
    except asyncio.CancelledError:
        with lock:
            is_wanted = False
        for file in opened:
            close(file)
        raise
    return opened[0]


class LocalReader:
    """An opened file."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self.size = os.fstat(file.fileno()).st_size

    async def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on. Raises MediaStoreError."""
        return await asyncio.to_thread(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            self._file.seek(offset)
            return self._file.read(length)
        except OSError as exc:
            raise _unusable(self._path, exc) from exc


def is_digest(name: str) -> bool:
    """Whether it is the name that a file is kept under."""
    return len(name) == 64 and not set(name) - set("0123456789abcdef")


def _sweep(folder: Path) -> None:
    """Delete what processes left behind that died while a file came in."""
    oldest = time.time() - _ABANDONED_AFTER
    for path in folder.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder durable; Windows has no way to and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, exc: OSError) -> MediaStoreError:
    return MediaStoreError(f"media cannot be kept in or read from {path}: {exc.strerror or exc}")
