"""Files of media in a bucket, against a server that speaks S3."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.bucket import BUCKET, KEY_ID, SECRET, name_bucket, run_bucket
from tests.support.media import as_chunks
from vestnik.db.media_bucket import BucketMediaStore
from vestnik.db.media_files import LocalMediaStore
from vestnik.db.media_stores import make_media_store
from vestnik.domain.errors import MediaMissingError, MediaStoreError
from vestnik.domain.media_store import MediaStore
from vestnik.settings import load_settings

LARGE = 11 * 1024 * 1024
"""Goes in several parts and is read in several blocks."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with run_bucket() as endpoint:
        yield endpoint


def make_store(endpoint: str, data_dir: Path) -> MediaStore:
    return make_media_store(load_settings(data_dir=data_dir, **name_bucket(endpoint)))


@pytest.fixture
def store(endpoint: str, tmp_path: Path) -> MediaStore:
    return make_store(endpoint, tmp_path)


async def keep(store: MediaStore, data: bytes) -> str:
    async with store.stage(as_chunks(data), limit=len(data)) as staged:
        assert staged is not None
        assert staged.size == len(data)
        assert await staged.inspect(lambda file: file.read(7)) == data[:7]
        await staged.keep()
        return staged.sha256


async def read_all(store: MediaStore, sha256: str, part: int = 128 * 1024) -> bytes:
    async with store.open(sha256) as reader:
        found = [await reader.read(offset, part) for offset in range(0, reader.size, part)]
        assert await reader.read(reader.size, 10) == b""
    return b"".join(found)


def list_local(data_dir: Path) -> list[Path]:
    return [path for path in data_dir.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [1, 4 * 1024 * 1024, LARGE])
async def test_a_file_is_the_same_for_a_process_of_another_machine(
    endpoint: str, store: MediaStore, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    sha256 = await keep(store, data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    elsewhere = make_store(endpoint, tmp_path / "elsewhere")
    assert await read_all(elsewhere, sha256, part=300_000) == data
    async with elsewhere.open(sha256) as reader:
        assert reader.size == size
        assert await reader.read(size // 2, size) == data[size // 2 :]
        assert await reader.read(0, 3) == data[:3]
    assert list_local(tmp_path) == [], "nothing stays on this machine"


async def test_what_is_not_kept_is_nowhere(store: MediaStore, tmp_path: Path) -> None:
    data = os.urandom(1000)
    async with store.stage(as_chunks(data), limit=999) as staged:
        assert staged is None
    async with store.stage(as_chunks(data), limit=1000) as staged:
        assert staged is not None
    with pytest.raises(MediaMissingError, match=BUCKET):
        async with store.open(staged.sha256):
            pass
    assert list_local(tmp_path) == []


async def test_a_file_is_removed_and_kept_again_as_often_as_one_likes(store: MediaStore) -> None:
    data = os.urandom(1000)
    for _ in range(2):
        sha256 = await keep(store, data)
        assert await keep(store, data) == sha256
        assert await read_all(store, sha256) == data
        await store.remove(sha256)
        await store.remove(sha256)
        with pytest.raises(MediaMissingError):
            async with store.open(sha256):
                pass


async def test_old_files_are_listed(store: MediaStore) -> None:
    async def listed(age: timedelta) -> set[str]:
        return {sha256 async for sha256 in store.list_files(older_than=age)}

    kept = {await keep(store, os.urandom(100)) for _ in range(3)}
    assert kept <= await listed(timedelta(seconds=-60))
    assert not kept & await listed(timedelta(hours=1))


async def test_parts_that_are_read_at_the_same_time_do_not_mix(store: MediaStore) -> None:
    data = os.urandom(LARGE)
    sha256 = await keep(store, data)
    async with store.open(sha256) as reader:
        offsets = [0, LARGE - 1000, 5_000_000, 100, 4 * 1024 * 1024 - 500]
        parts = await asyncio.gather(*(reader.read(offset, 1000) for offset in offsets))
    assert parts == [data[offset : offset + 1000] for offset in offsets]


@pytest.fixture
async def answering(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A server that answers everything with one status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"HTTP/1.1 {request.param} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answering", "words"),
    [("403", "refuses us"), ("401", "refuses us"), ("400", "does not answer as a storage does")],
    indirect=["answering"],
)
async def test_a_storage_that_refuses_is_explained_without_its_key(
    answering: str, tmp_path: Path, words: str
) -> None:
    store = make_store(answering, tmp_path)
    for work in (keep(store, b"x" * 100), read_all(store, "ab" * 32), store.remove("ab" * 32)):
        with pytest.raises(MediaStoreError, match=words) as caught:
            await work
        assert f"bucket '{BUCKET}' at {answering}" in caught.value.message
        for text in (caught.value.message, repr(store), str(vars(store))):
            assert SECRET not in text
            assert KEY_ID not in caught.value.message
    assert list_local(tmp_path) == []


async def test_a_storage_that_is_not_there_is_an_error_soon(tmp_path: Path) -> None:
    store = make_store("http://127.0.0.1:9", tmp_path)
    async with asyncio.timeout(60):
        with pytest.raises(MediaStoreError, match="cannot be reached"):
            await read_all(store, "ab" * 32)


def test_without_a_bucket_files_are_kept_in_the_data_directory(tmp_path: Path) -> None:
    assert isinstance(make_media_store(load_settings(data_dir=tmp_path)), LocalMediaStore)


def test_a_supabase_project_is_its_own_storage(tmp_path: Path) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        database_url="postgresql://localhost/x",
        supabase_url="https://project.supabase.example/",
        **(name_bucket("") | {"s3_endpoint": None}),
    )
    store = make_media_store(settings)
    assert isinstance(store, BucketMediaStore)
    assert store.place == f"bucket '{BUCKET}' at https://project.supabase.example/storage/v1/s3"
