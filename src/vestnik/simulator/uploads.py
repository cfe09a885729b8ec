"""Uploaded file parts, and the photos and documents made of them."""

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from telethon.tl import TLObject, types

from vestnik.simulator.accounts import Account
from vestnik.simulator.failures import RpcFailure

MAX_PART: Final = 512 * 1024
MAX_PARTS: Final = 4000
_PART_UNIT: Final = 1024
_REFERENCE: Final = b"ref"


@dataclass(slots=True)
class _Upload:
    parts: dict[int, bytes] = field(default_factory=dict)
    total: int | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was put together; its bytes are not kept."""

    size: int
    md5: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Media:
    """A photo or document that can be posted again and again by its id."""

    media_id: int
    kind: str
    file: StoredFile
    mime_type: str
    attributes: list[TLObject]

    @property
    def takes_right(self) -> str:
        """What a channel has to allow for it, as Telegram names it in CHAT_SEND_…_FORBIDDEN."""
        if self.kind == "photo":
            return "PHOTOS"
        found = {type(attribute) for attribute in self.attributes}
        if types.DocumentAttributeAnimated in found:
            return "GIFS"
        if types.DocumentAttributeVideo in found:
            return "VIDEOS"
        audio = next(
            (item for item in self.attributes if isinstance(item, types.DocumentAttributeAudio)), None
        )
        if audio is not None:
            return "VOICES" if audio.voice else "AUDIOS"
        return "DOCS"

    def to_dict(self) -> dict[str, Any]:
        """For the control port."""
        return {
            "kind": self.kind,
            "id": self.media_id,
            "size": self.file.size,
            "sha256": self.file.sha256,
            "mime_type": self.mime_type,
            "attributes": [attribute.to_dict() for attribute in self.attributes],
        }


class MediaStore:
    """All uploads and media. `generation` is part of every file reference; raising it expires them.

    `run` tells the references of one server from those of another, as a client may have kept them.
    """

    def __init__(self) -> None:
        self.generation = 1
        self.run = secrets.token_bytes(8)
        self.uploaded_bytes = 0
        """Of all parts that came in, repeated ones included."""
        self._uploads: dict[tuple[int, int], _Upload | StoredFile] = {}
        self._media: dict[int, Media] = {}
        self._expired: Counter[int] = Counter()

    def save_part(self, account: Account, file_id: int, part: int, data: bytes, total: int | None) -> None:
        """Keep one part; raises RpcFailure for one that Telegram would refuse."""
        if not data:
            raise RpcFailure(400, "FILE_PART_EMPTY")
        if len(data) > MAX_PART:
            raise RpcFailure(400, "FILE_PART_TOO_BIG")
        if not 0 <= part < MAX_PARTS:
            raise RpcFailure(400, "FILE_PART_INVALID")
        if total is not None and not part < total <= MAX_PARTS:
            raise RpcFailure(400, "FILE_PARTS_INVALID")
        key = (account.index, file_id)
        upload = self._uploads.get(key)
        if not isinstance(upload, _Upload):
            upload = self._uploads[key] = _Upload()
        upload.parts[part] = data
        self.uploaded_bytes += len(data)
        upload.total = total

    def assemble(self, account: Account, file: TLObject) -> StoredFile:
        """The file that an InputFile or InputFileBig names; its parts are checked and then let go."""
        key = (account.index, file.id)
        upload = self._uploads.get(key)
        if upload is None:
            raise RpcFailure(400, "FILE_PARTS_INVALID")
        if isinstance(upload, StoredFile):
            return upload
        stored = _join_parts(upload, file.parts)
        claimed = getattr(file, "md5_checksum", "")
        if claimed and claimed != stored.md5:
            raise RpcFailure(400, "MD5_CHECKSUM_INVALID")
        self._uploads[key] = stored
        return stored

    def add(self, kind: str, file: StoredFile, mime_type: str, attributes: list[TLObject]) -> Media:
        """Make a photo or document of a file."""
        media_id = (1 << 40) + len(self._media)
        media = Media(media_id, kind, file, mime_type, attributes)
        self._media[media_id] = media
        return media

    def find(self, account: Account, kind: str, given: TLObject) -> Media:
        """The media that an InputPhoto or InputDocument names; its hash and reference are checked."""
        reference = getattr(given, "file_reference", b"")
        if reference.startswith(_REFERENCE) and not reference.startswith(_REFERENCE + self.run):
            raise RpcFailure(400, "FILE_REFERENCE_EXPIRED")
        media = self._media.get(getattr(given, "id", 0))
        if media is None or media.kind != kind or given.access_hash != account.access_hash("file", given.id):
            raise RpcFailure(400, "MEDIA_INVALID")
        if not given.file_reference:
            raise RpcFailure(400, "FILE_REFERENCE_EMPTY")
        if given.file_reference != self.make_reference(media):
            raise RpcFailure(400, "FILE_REFERENCE_EXPIRED")
        return media

    def make_reference(self, media: Media) -> bytes:
        """The reference that counts at present."""
        generation = self.generation + self._expired[media.media_id]
        return _REFERENCE + self.run + generation.to_bytes(4, "big") + media.media_id.to_bytes(8, "big")

    def expire(self, media_id: int | None) -> None:
        """Make the references given out so far invalid: those of one medium, or all."""
        if media_id is None:
            self.generation += 1
        else:
            self._expired[media_id] += 1

    def describe(self, account: Account, media: Media, date: int) -> TLObject:
        """The MessageMedia that one account sees."""
        common = {
            "id": media.media_id,
            "access_hash": account.access_hash("file", media.media_id),
            "file_reference": self.make_reference(media),
            "date": date,
            "dc_id": 2,
        }
        if media.kind == "photo":
            size = types.PhotoSize("x", 800, 600, media.file.size)
            return types.MessageMediaPhoto(photo=types.Photo(sizes=[size], **common))
        document = types.Document(
            mime_type=media.mime_type, size=media.file.size, attributes=media.attributes, **common
        )
        return types.MessageMediaDocument(document=document)


def _join_parts(upload: _Upload, expected: int) -> StoredFile:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size = 0
    for number in range(expected):
        part = upload.parts.get(number)
        if part is None:
            raise RpcFailure(400, f"FILE_PART_{number}_MISSING")
        if number < expected - 1 and (len(part) % _PART_UNIT or len(part) != len(upload.parts[0])):
            raise RpcFailure(400, "FILE_PART_SIZE_INVALID")
        md5.update(part)
        sha256.update(part)
        size += len(part)
    if size == 0 or len(upload.parts) != expected:
        raise RpcFailure(400, "FILE_PARTS_INVALID")
    return StoredFile(size, md5.hexdigest(), sha256.hexdigest())
