"""Files of media in a bucket of an S3-compatible storage, such as Supabase Storage: `media/ab/abcd…` by SHA-256.

Files come in over a folder of this machine, where they are checked before they are handed on; nothing stays there.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Final, TypeVar

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from vestnik.db.media_files import FOLDER, LocalMediaStore, LocalStagedFile, is_digest
from vestnik.domain.errors import MediaMissingError, MediaStoreError

Found = TypeVar("Found")

_BLOCK: Final = 4 * 1024 * 1024
"""Bytes fetched at once: uploads to Telegram ask for small parts one after the other."""
_ANSWER_SECONDS: Final = "30 seconds"
_RETRY_FOR: Final = timedelta(seconds=20)
_MOST_RETRIES: Final = 3
_MISSING: Final = (FileNotFoundError, NotFoundError)


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketAddress:
    """Where a bucket is, and what opens it."""

    endpoint: str
    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)


class BucketMediaStore:
    """A `MediaStore` in a bucket, which processes of any machine share."""

    def __init__(self, address: BucketAddress, incoming: LocalMediaStore) -> None:
        self._address = address
        self._incoming = incoming
        self._store = S3Store(
            address.bucket,
            endpoint=address.endpoint,
            region=address.region,
            access_key_id=address.access_key_id,
            secret_access_key=address.secret_access_key,
            virtual_hosted_style_request=False,
            client_options={"timeout": _ANSWER_SECONDS, "allow_http": address.endpoint.startswith("http://")},
            retry_config={"max_retries": _MOST_RETRIES, "retry_timeout": _RETRY_FOR},
        )

    @property
    def place(self) -> str:
        """Where it is, for a message to an operator."""
        return f"bucket '{self._address.bucket}' at {self._address.endpoint}"

    @asynccontextmanager
    async def stage(
        self, chunks: AsyncIterable[bytes], *, limit: int
    ) -> AsyncIterator["BucketStagedFile | None"]:
        """Take in a file; None when it has more bytes than `limit`. What is not kept is gone after the block."""
        async with self._incoming.stage(chunks, limit=limit) as staged:
            yield None if staged is None else BucketStagedFile(staged, self)

    @asynccontextmanager
    async def open(self, sha256: str) -> AsyncIterator["BucketReader"]:
        """Read a file. Raises MediaMissingError when it is not here."""
        yield BucketReader(self, sha256, await self.measure(sha256))

    async def measure(self, sha256: str) -> int:
        """The bytes of a file. Raises MediaMissingError, MediaStoreError."""
        try:
            return int((await self._store.head_async(_name(sha256)))["size"])
        except _MISSING as exc:
            raise MediaMissingError(
                f"the file is not in {self.place}: it was stored by a process with another storage, or deleted there"
            ) from exc
        except (OSError, BaseError) as exc:
            raise self._unusable(exc) from exc

    async def read(self, sha256: str, start: int, length: int) -> bytes:
        """Bytes of a file that is there. Raises MediaStoreError."""
        try:
            return bytes(await self._store.get_range_async(_name(sha256), start=start, length=length))
        except (OSError, BaseError) as exc:
            raise self._unusable(exc) from exc

    def write(self, sha256: str, file: BinaryIO) -> None:
        """Keep a file, in parts if it is large; nobody sees it before it is whole. Raises MediaStoreError."""
        try:
            obstore.put(self._store, _name(sha256), file)
        except (OSError, BaseError) as exc:
            raise self._unusable(exc) from exc

    async def list_files(self, *, older_than: timedelta) -> AsyncIterator[str]:
        """The SHA-256 of every file that was kept longer ago than that."""
        oldest = datetime.now(UTC) - older_than
        try:
            async for page in self._store.list(f"{FOLDER}/"):
                for item in page:
                    sha256 = item["path"].rpartition("/")[2]
                    if is_digest(sha256) and item["last_modified"] < oldest:
                        yield sha256
        except (OSError, BaseError) as exc:
            raise self._unusable(exc) from exc

    async def remove(self, sha256: str) -> None:
        """Delete a file; nothing if it is not here."""
        try:
            await self._store.delete_async(_name(sha256))
        except _MISSING:
            return
        except (OSError, BaseError) as exc:
            raise self._unusable(exc) from exc

    def _unusable(self, exc: Exception) -> MediaStoreError:
        """In words of our own: those of the library quote requests."""
        if isinstance(exc, (PermissionDeniedError, UnauthenticatedError)):
            return MediaStoreError(
                f"{self.place} refuses us: look at VESTNIK_S3_ACCESS_KEY_ID, VESTNIK_S3_SECRET_ACCESS_KEY and "
                "VESTNIK_S3_REGION, and whether the key may read and write there"
            )
        if isinstance(exc, _MISSING):
            return MediaStoreError(f"there is no {self.place}, or the file was deleted while it was read")
        return MediaStoreError(f"{self.place} cannot be reached or does not answer as a storage does")


class BucketStagedFile:
    """A file that has come in on this machine."""

    def __init__(self, staged: LocalStagedFile, store: BucketMediaStore) -> None:
        self._staged = staged
        self._store = store

    @property
    def sha256(self) -> str:
        """In hexadecimal digits."""
        return self._staged.sha256

    @property
    def size(self) -> int:
        """Its bytes."""
        return self._staged.size

    async def inspect(self, look: Callable[[BinaryIO], Found]) -> Found:
        """What `look` makes of the file, in a thread."""
        return await self._staged.inspect(look)

    async def keep(self) -> None:
        """Hand it to the bucket; the bytes that are there stay as they are."""
        try:
            if await self._store.measure(self.sha256) == self.size:
                return
        except MediaMissingError:
            pass
        await self._staged.inspect(lambda file: self._store.write(self.sha256, file))


class BucketReader:
    """An opened file, fetched block by block."""

    def __init__(self, store: BucketMediaStore, sha256: str, size: int) -> None:
        self._store = store
        self._sha256 = sha256
        self.size = size
        self._start = 0
        self._block = b""
        self._turn = asyncio.Lock()

    async def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on. Raises MediaStoreError."""
        found = bytearray()
        async with self._turn:
            while len(found) < length and offset < self.size:
                if not self._start <= offset < self._start + len(self._block):
                    wanted = min(_BLOCK, self.size - offset)
                    self._start, self._block = offset, await self._store.read(self._sha256, offset, wanted)
                    if len(self._block) != wanted:
                        raise MediaStoreError(f"{self._store.place} gave less of a file than it has")
                begin = offset - self._start
                part = self._block[begin : begin + length - len(found)]
                found += part
                offset += len(part)
        return bytes(found)


def _name(sha256: str) -> str:
    assert is_digest(sha256), "never a name from outside"
    return f"{FOLDER}/{sha256[:2]}/{sha256}"
