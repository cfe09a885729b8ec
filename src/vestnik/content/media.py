"""Whether a file is what it is to be posted as, told by its bytes and never by its name.

What Telegram shows as what: https://core.telegram.org/bots/api#available-methods (sendPhoto and those after it).
"""

import mimetypes
from collections.abc import Callable
from typing import BinaryIO, Final, NoReturn

from vestnik.content.images import read_image
from vestnik.content.recordings import read_recording
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import MediaFacts, MediaType, describe_size

LARGEST_SIDES: Final = 10_000
"""Pixels of a photo's width and height together."""
WIDEST_RATIO: Final = 20
PHOTO_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
ANY_TYPE: Final = "application/octet-stream"


def check_file(file: BinaryIO, size: int, kind: MediaType, name: str) -> MediaFacts:
    """What the file says of itself. Raises InvalidInputError for one that Telegram would not show as `kind`.

    The name counts for documents alone, whose bytes say little.
    """
    check_size(size, kind)
    if kind is MediaType.DOCUMENT:
        return MediaFacts(mime_type=mimetypes.guess_type(name)[0] or ANY_TYPE)
    return _CHECKS[kind](file, size)


def check_size(size: int | None, kind: MediaType) -> None:
    """Raises InvalidInputError for an empty file and one that is too large; None stands for too large."""
    if size == 0:
        _refuse("the file is empty")
    if size is None or size > kind.largest:
        found = "the file" if size is None else f"the file has {describe_size(size)}, which"
        _refuse(f"{found} is too large for a {kind}: {describe_size(kind.largest)} is the most")


def _check_photo(file: BinaryIO, _size: int) -> MediaFacts:
    image = read_image(file)
    if image is None or image.mime_type not in PHOTO_TYPES or image.is_animated:
        _refuse("the file is no JPEG, PNG or still WebP picture, which are what Telegram takes as a photo")
    sides = f"{image.width:,} × {image.height:,} pixels"
    if image.width + image.height > LARGEST_SIDES:
        _refuse(
            f"the picture has {sides}; width and height together may be {LARGEST_SIDES:,}: make it smaller, or "
            "send it as a document"
        )
    if max(image.width, image.height) > WIDEST_RATIO * min(image.width, image.height):
        _refuse(f"the picture has {sides}; one side may be {WIDEST_RATIO} times the other at most: crop it")
    return MediaFacts(mime_type=image.mime_type, width=image.width, height=image.height)


def _check_video(file: BinaryIO, size: int) -> MediaFacts:
    film = read_recording(file, size)
    if film is None or film.mime_type != "video/mp4":
        _refuse("the file is no whole MP4 film, which is what Telegram plays; others go as a document")
    return MediaFacts(mime_type=film.mime_type, width=film.width, height=film.height, duration=film.duration)


def _check_animation(file: BinaryIO, size: int) -> MediaFacts:
    image = read_image(file)
    if image is not None and image.mime_type == "image/gif":
        return MediaFacts(mime_type=image.mime_type, width=image.width, height=image.height)
    film = read_recording(file, size)
    if film is None or film.mime_type != "video/mp4":
        _refuse("the file is no GIF and no MP4 film, which are what Telegram shows as an animation")
    if film.has_sound:
        _refuse("the film has sound, and an animation has none: send it as a video, or without its sound")
    return MediaFacts(mime_type=film.mime_type, width=film.width, height=film.height, duration=film.duration)


def _check_audio(file: BinaryIO, size: int) -> MediaFacts:
    sound = read_recording(file, size)
    if sound is None or sound.has_picture:
        _refuse("the file is no MP3, M4A, FLAC or Ogg recording, which are what Telegram plays as audio")
    return MediaFacts(mime_type=sound.mime_type, duration=sound.duration)


def _check_voice(file: BinaryIO, size: int) -> MediaFacts:
    sound = read_recording(file, size)
    if sound is None or not sound.is_opus:
        _refuse("the file is no Ogg recording with Opus, which is what Telegram plays as a voice message")
    return MediaFacts(mime_type=sound.mime_type, duration=sound.duration)


def _refuse(message: str) -> NoReturn:
    raise InvalidInputError(message, field="file")


_CHECKS: Final[dict[MediaType, Callable[[BinaryIO, int], MediaFacts]]] = {
    MediaType.PHOTO: _check_photo,
    MediaType.VIDEO: _check_video,
    MediaType.ANIMATION: _check_animation,
    MediaType.AUDIO: _check_audio,
    MediaType.VOICE: _check_voice,
}
