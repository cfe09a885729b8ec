"""Files as Telegram takes them: handed over in parts, made into media, posted by their ids.

Sources: https://core.telegram.org/api/files (parts, sizes), https://core.telegram.org/method/messages.uploadMedia.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from telethon.tl.functions.messages import UploadMediaRequest
from telethon.tl.functions.upload import SaveBigFilePartRequest, SaveFilePartRequest
from telethon.tl.tlobject import TLObject, TLRequest
from telethon.tl.types import (
    Document,
    DocumentAttributeAnimated,
    DocumentAttributeAudio,
    DocumentAttributeFilename,
    DocumentAttributeImageSize,
    DocumentAttributeVideo,
    InputDocument,
    InputFile,
    InputFileBig,
    InputMediaDocument,
    InputMediaPhoto,
    InputMediaUploadedDocument,
    InputMediaUploadedPhoto,
    InputPeerSelf,
    InputPhoto,
    MessageMediaDocument,
    MessageMediaPhoto,
    Photo,
)

from vestnik.domain.errors import MediaStoreError
from vestnik.domain.media import MediaFile, MediaType
from vestnik.domain.media_store import MediaReader
from vestnik.domain.transport import ErrorClass, TransportError, UploadedMedia, UploadProgress

BIG_FILE: Final = 10 * 1024 * 1024
"""Larger ones go by saveBigFilePart and have no checksum."""
PART: Final = 128 * 1024
"""Bytes of a part; it has to divide 512 KiB, and 4,000 parts are the most. Posts share the connection and wait for
the part before them; and Telethon compresses each part, which takes the event loop 20 ms for 512 KiB."""

Call = Callable[[TLRequest], Awaitable[TLObject]]


async def upload_media(
    call: Call,
    file: MediaFile,
    reader: MediaReader,
    progress: UploadProgress,
    wait_for_turn: Callable[[], Awaitable[None]],
) -> UploadedMedia:
    """Hand a file over from where `progress` stands, one part after the other, and have it made into media.

    The media belongs to "Saved Messages" without a message there. Raises TransportError, MediaStoreError.
    """
    if reader.size != file.size:
        raise MediaStoreError(f"the stored file has {reader.size:,} bytes instead of {file.size:,}")
    total = -(-file.size // PART)
    while progress.parts < total:
        data = await reader.read(progress.parts * PART, PART)
        await wait_for_turn()
        await call(_make_part(file, progress, total, data))
        progress.parts += 1
    given = await _name_file(file, reader, progress.file_id, total)
    await wait_for_turn()
    answer = await call(UploadMediaRequest(peer=InputPeerSelf(), media=_make_uploaded(file, given)))
    return _read_uploaded(answer)


def make_input_media(uploaded: UploadedMedia) -> TLObject:
    """What a request to post carries."""
    given = {
        "id": uploaded.file_id,
        "access_hash": uploaded.access_hash,
        "file_reference": uploaded.file_reference,
    }
    if uploaded.is_photo:
        return InputMediaPhoto(InputPhoto(**given))
    return InputMediaDocument(InputDocument(**given))


def find_media_id(message: TLObject) -> int | None:
    """The id of the photo or document of a message."""
    media = getattr(message, "media", None)
    held = getattr(media, "photo", None) or getattr(media, "document", None)
    return getattr(held, "id", None)


def has_media_of(message: TLObject, files: Sequence[MediaFile]) -> bool:
    """Whether a message holds a photo or a document as the first of our files is one; no media for none."""
    media = getattr(message, "media", None)
    if not files:
        return not isinstance(media, (MessageMediaPhoto, MessageMediaDocument))
    wanted = MessageMediaPhoto if files[0].kind is MediaType.PHOTO else MessageMediaDocument
    return isinstance(media, wanted)


def _make_part(file: MediaFile, progress: UploadProgress, total: int, data: bytes) -> TLRequest:
    if file.size > BIG_FILE:
        return SaveBigFilePartRequest(progress.file_id, progress.parts, total, data)
    return SaveFilePartRequest(progress.file_id, progress.parts, data)


async def _name_file(file: MediaFile, reader: MediaReader, file_id: int, total: int) -> TLObject:
    if file.size > BIG_FILE:
        return InputFileBig(file_id, total, file.name)
    checksum = hashlib.md5(usedforsecurity=False)
    await asyncio.to_thread(checksum.update, await reader.read(0, file.size))
    return InputFile(file_id, total, file.name, checksum.hexdigest())


def _make_uploaded(file: MediaFile, given: TLObject) -> TLObject:
    if file.kind is MediaType.PHOTO:
        return InputMediaUploadedPhoto(given)
    return InputMediaUploadedDocument(
        given,
        file.mime_type,
        attributes=[*_list_attributes(file), DocumentAttributeFilename(file.name)],
        # Otherwise a film without sound would become an animation.
        nosound_video=True if file.kind is MediaType.VIDEO else None,
        # Otherwise Telegram may make a photo or a video of a document by its type.
        force_file=True if file.kind is MediaType.DOCUMENT else None,
    )


def _list_attributes(file: MediaFile) -> list[TLObject]:
    """As what Telegram shows a file (https://core.telegram.org/type/DocumentAttribute)."""
    width, height, duration = file.width or 0, file.height or 0, file.duration or 0.0
    match file.kind:
        case MediaType.VIDEO:
            return [DocumentAttributeVideo(duration, width, height, supports_streaming=True)]
        case MediaType.ANIMATION if file.mime_type == "image/gif":
            return [DocumentAttributeAnimated(), DocumentAttributeImageSize(width, height)]
        case MediaType.ANIMATION:
            return [DocumentAttributeAnimated(), DocumentAttributeVideo(duration, width, height)]
        case MediaType.AUDIO:
            return [DocumentAttributeAudio(round(duration))]
        case MediaType.VOICE:
            return [DocumentAttributeAudio(round(duration), voice=True)]
        case _:
            return []


def _read_uploaded(answer: TLObject) -> UploadedMedia:
    is_photo = isinstance(answer, MessageMediaPhoto)
    held = getattr(answer, "photo" if is_photo else "document", None)
    if not isinstance(held, (Photo, Document)):
        raise TransportError(
            "MEDIA_NOT_MADE",
            ErrorClass.CONTENT,
            "Telegram took the file and made no media of it; choose another file (MEDIA_NOT_MADE).",
        )
    return UploadedMedia(
        is_photo=is_photo,
        file_id=held.id,
        access_hash=held.access_hash,
        file_reference=held.file_reference,
    )
