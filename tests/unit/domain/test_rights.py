"""Which posts a channel takes."""

import pytest

from vestnik.domain.media import MediaType
from vestnik.domain.rights import PostKind, find_forbidden


@pytest.mark.parametrize(
    ("media", "forbidden", "error"),
    [
        ([], [], None),
        ([], [PostKind.PHOTOS, PostKind.MEDIA], None),
        ([], [PostKind.PLAIN], "CHAT_SEND_PLAIN_FORBIDDEN"),
        ([MediaType.PHOTO], [PostKind.PLAIN], None),
        ([MediaType.PHOTO], [PostKind.PHOTOS, PostKind.MEDIA], "CHAT_SEND_PHOTOS_FORBIDDEN"),
        ([MediaType.PHOTO, MediaType.VIDEO], [PostKind.VIDEOS], "CHAT_SEND_VIDEOS_FORBIDDEN"),
        ([MediaType.DOCUMENT], [PostKind.MEDIA], "CHAT_SEND_MEDIA_FORBIDDEN"),
        ([MediaType.ANIMATION], [PostKind.VIDEOS], None),
    ],
)
def test_the_error_is_the_one_that_telegram_would_answer(
    media: list[MediaType], forbidden: list[PostKind], error: str | None
) -> None:
    assert find_forbidden(media, forbidden) == error


@pytest.mark.parametrize("kind", MediaType)
def test_every_kind_of_file_can_be_forbidden_by_itself(kind: MediaType) -> None:
    forbidding = [rule for rule in PostKind if rule is not PostKind.MEDIA and find_forbidden([kind], [rule])]
    assert len(forbidding) == 1
