"""Files that a command posts: given by their paths, taken into the media store."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from vestnik.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from vestnik.services.media import ReceivedMedia
    from vestnik.settings import Settings

_CHUNK = 1024 * 1024

MediaOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--media",
        metavar="FILE",
        help="A file to post; the text is its caption. Several make an album, in this order.",
    ),
]
MediaTypeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--media-type",
        metavar="TYPE",
        help="As what the files are posted, photo if left out: one for all, or one for each.",
    ),
]


def receive_files(settings: "Settings", media: Sequence[Path], kinds: Sequence[str]) -> "list[ReceivedMedia]":
    """Check the files and keep their bytes; nothing names them yet. Raises InvalidInputError, MediaStoreError."""
    matched = _match_kinds(list(media), list(kinds))
    return [_receive_file(settings, path, kind) for path, kind in zip(media, matched, strict=True)]


def _match_kinds(media: list[Path], given: list[str]) -> list[str]:
    """The kind of each file."""
    kinds = given or ["photo"]
    if len(kinds) == 1:
        return kinds * len(media)
    if len(kinds) != len(media):
        raise InvalidInputError(
            f"--media is given {len(media)} times and --media-type {len(kinds)} times; give one type for all files, or "
            "one for each",
            field="media_type",
        )
    return kinds


def _receive_file(settings: "Settings", path: Path, kind: str) -> "ReceivedMedia":
    """Take the file into the media store, where workers find it."""
    from vestnik.bootstrap import run_async
    from vestnik.db.media_stores import make_media_store
    from vestnik.services.media import receive_media

    store = make_media_store(settings)
    try:
        file = path.open("rb")
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InvalidInputError(f"the file '{path}' cannot be read: {reason}", field="media") from exc
    with file:
        return run_async(receive_media(store, _read_chunks(file), kind=kind, name=path.name))


async def _read_chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
