"""The folder of media: files by their digest, whole or not at all."""

import asyncio
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.media import as_chunks
from vestnik.db.media_files import LocalMediaStore
from vestnik.domain.errors import MediaMissingError, MediaStoreError

DATA = os.urandom(3 * 1024 * 1024 + 17)
FULL = Path("/dev/full")
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> LocalMediaStore:
    return LocalMediaStore(tmp_path)


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def keep(store: LocalMediaStore, data: bytes) -> str:
    async with store.stage(as_chunks(data), limit=len(data)) as staged:
        assert staged is not None
        await staged.keep()
        return staged.sha256


async def test_a_file_is_found_by_its_digest_and_read_in_parts(
    store: LocalMediaStore, tmp_path: Path
) -> None:
    assert await keep(store, DATA) == DIGEST
    assert list_files(tmp_path) == [tmp_path / "media" / DIGEST[:2] / DIGEST]
    async with store.open(DIGEST) as reader:
        assert reader.size == len(DATA)
        assert await reader.read(1_000_000, 2_000_000) == DATA[1_000_000:3_000_000]
        assert await reader.read(len(DATA) - 5, 100) == DATA[-5:]


async def test_the_same_file_again_is_one_file(store: LocalMediaStore, tmp_path: Path) -> None:
    await keep(store, DATA)
    async with store.open(DIGEST) as reader:
        await keep(store, DATA)
        assert await reader.read(0, 10) == DATA[:10]
    assert len(list_files(tmp_path)) == 1


async def test_what_is_not_kept_leaves_nothing(store: LocalMediaStore, tmp_path: Path) -> None:
    async with store.stage(as_chunks(DATA), limit=len(DATA)) as staged:
        assert staged is not None
        assert await staged.inspect(lambda file: file.read(4)) == DATA[:4]
    assert list_files(tmp_path) == []


async def test_a_file_beyond_the_limit_is_not_read_to_its_end(store: LocalMediaStore, tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(100_000)

    async with store.stage(endless(), limit=1_000_000) as staged:
        assert staged is None
    assert taken == 11
    assert list_files(tmp_path) == []


async def test_an_upload_that_breaks_off_leaves_nothing(store: LocalMediaStore, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield DATA[:2_000_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        async with store.stage(broken(), limit=len(DATA)):
            pass
    assert list_files(tmp_path) == []


async def test_a_file_that_is_not_here_is_told_with_the_place(store: LocalMediaStore, tmp_path: Path) -> None:
    with pytest.raises(MediaMissingError) as caught:
        async with store.open(DIGEST):
            pass
    assert str(tmp_path / "media") in caught.value.message
    await store.remove(DIGEST)


async def test_a_removed_file_is_gone(store: LocalMediaStore, tmp_path: Path) -> None:
    await keep(store, DATA)
    await store.remove(DIGEST)
    assert list_files(tmp_path) == []


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"a file, no folder")
    with pytest.raises(MediaStoreError, match="media cannot be kept"):
        async with LocalMediaStore(tmp_path).stage(as_chunks(DATA), limit=len(DATA)):
            pass


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
async def test_a_disk_that_is_full_is_told_where_the_last_bytes_of_a_file_are_written(
    store: LocalMediaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_full(**_: object) -> tuple[int, str]:
        return os.open(FULL, os.O_RDWR), str(tmp_path / "staged")

    monkeypatch.setattr(tempfile, "mkstemp", make_full)
    async with store.stage(as_chunks(b"small enough for a buffer"), limit=100) as staged:
        assert staged is not None
        with pytest.raises(MediaStoreError, match="No space left"):
            await staged.inspect(lambda file: file.read())


async def test_a_file_that_is_opened_for_somebody_who_has_gone_is_closed(
    store: LocalMediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await keep(store, DATA)
    begun, go_on = asyncio.Event(), threading.Event()
    loop, opened, open_path = asyncio.get_running_loop(), list[Any](), Path.open

    def open_slowly(path: Path, mode: str) -> Any:
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(30)
        opened.append(open_path(path, mode))
        return opened[-1]

    async def read() -> None:
        async with store.open(digest):
            raise AssertionError("it was to be given up before")

    monkeypatch.setattr(Path, "open", open_slowly)
    async with asyncio.timeout(30):
        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        await asyncio.wait([reading])
        go_on.set()
        while not (opened and opened[0].closed):  # noqa: ASYNC110 - a file has no event for it
            await asyncio.sleep(0.01)
    assert reading.cancelled()


def test_what_is_opened_after_the_event_loop_has_ended_is_closed(
    store: LocalMediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = asyncio.run(keep(store, DATA))
    begun, go_on, opened, open_path = threading.Event(), threading.Event(), list[Any](), Path.open

    def open_slowly(path: Path, mode: str) -> Any:
        begun.set()
        assert go_on.wait(30)
        opened.append(open_path(path, mode))
        return opened[-1]

    async def read() -> None:
        async with store.open(digest):
            raise AssertionError("it was to be given up before")

    async def give_up() -> None:
        executor = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(executor)
        reading = asyncio.create_task(read())
        while not begun.is_set():  # noqa: ASYNC110 - set by a thread
            await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])
        executors.append(executor)

    executors = list[ThreadPoolExecutor]()
    monkeypatch.setattr(Path, "open", open_slowly)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(give_up())
    for task in asyncio.all_tasks(loop):  # as `asyncio.run` ends one, but for waiting for its threads
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop._default_executor = None  # type: ignore[attr-defined]
    loop.close()
    go_on.set()
    executors[0].shutdown(wait=True)
    assert opened[0].closed


async def test_what_dead_processes_left_behind_is_swept_away(store: LocalMediaStore, tmp_path: Path) -> None:
    incoming = tmp_path / "media" / "incoming"
    incoming.mkdir(parents=True)
    for name, age in (("old", 2 * 86_400), ("young", 60)):
        (incoming / name).write_bytes(b"part")
        os.utime(incoming / name, (time.time() - age,) * 2)
    await keep(store, DATA)
    assert [path.name for path in incoming.iterdir()] == ["young"]
