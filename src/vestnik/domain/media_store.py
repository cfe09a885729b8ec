"""Where the bytes of media are kept: by their SHA-256, in a folder today, in a bucket some day."""

from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import BinaryIO, Protocol, TypeVar

Found = TypeVar("Found")


class MediaReader(Protocol):
    """An opened file."""

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on; fewer only at the end. Raises MediaStoreError."""
        ...


class StagedFile(Protocol):
    """A file that has come in whole and is not kept yet."""

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        ...

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    async def inspect(self, look: Callable[[BinaryIO], Found]) -> Found:
        """What `look` makes of the file, in a thread: it may read and seek, and is closed afterwards.

        Raises MediaStoreError when the disk is full.
        """
        ...

    async def keep(self) -> None:
        """Make it durable under its SHA-256, in one step; harmless if it is there already."""
        ...


class MediaStore(Protocol):
    """Keeps files by their SHA-256, each once. What cannot be used raises MediaStoreError."""

    @property
    def place(self) -> str:
        """Where it is, for a message to an operator."""
        ...

    def stage(
        self, chunks: AsyncIterable[bytes], *, limit: int
    ) -> AbstractAsyncContextManager[StagedFile | None]:
        """Take in a file; None when it has more bytes than `limit`. What is not kept is gone after the block."""
        ...

    def open(self, sha256: str) -> AbstractAsyncContextManager[MediaReader]:
        """Read a file. Raises MediaMissingError when it is not here."""
        ...

    def list_files(self, *, older_than: timedelta) -> AsyncIterator[str]:
        """The SHA-256 of every file that was kept longer ago than that."""
        ...

    async def remove(self, sha256: str) -> None:
        """Delete a file; nothing if it is not here."""
        ...
