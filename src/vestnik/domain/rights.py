"""What kinds of posts a channel takes from an account, under Telegram's names."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from vestnik.domain.media import MediaType


class PostKind(StrEnum):
    """A kind of post that can be forbidden by itself; MEDIA stands for all but text.

    The names are those of Telegram's errors, CHAT_SEND_…_FORBIDDEN.
    """

    PLAIN = "PLAIN"
    MEDIA = "MEDIA"
    PHOTOS = "PHOTOS"
    VIDEOS = "VIDEOS"
    GIFS = "GIFS"
    AUDIOS = "AUDIOS"
    VOICES = "VOICES"
    DOCS = "DOCS"


_KINDS: Final = {
    MediaType.PHOTO: PostKind.PHOTOS,
    MediaType.VIDEO: PostKind.VIDEOS,
    MediaType.ANIMATION: PostKind.GIFS,
    MediaType.AUDIO: PostKind.AUDIOS,
    MediaType.VOICE: PostKind.VOICES,
    MediaType.DOCUMENT: PostKind.DOCS,
}


def find_forbidden(media: Collection[MediaType], forbidden: Collection[str]) -> str | None:
    """The error that Telegram would answer to a post with these files, or with none; None if it may go out."""
    needed = [_KINDS[kind] for kind in media] or [PostKind.PLAIN]
    for kind in needed:
        if kind in forbidden:
            return f"CHAT_SEND_{kind}_FORBIDDEN"
    if media and PostKind.MEDIA in forbidden:
        return f"CHAT_SEND_{PostKind.MEDIA}_FORBIDDEN"
    return None
