"""Albums: which files go together, and under which random_ids."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.albums import LARGEST_ALBUM, check_album, choose_media_ids, derive_random_ids
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import MediaType

PHOTO, VIDEO, DOCUMENT, AUDIO = MediaType.PHOTO, MediaType.VIDEO, MediaType.DOCUMENT, MediaType.AUDIO
RANDOM_IDS = st.integers(-(2**63), 2**63 - 1).filter(bool)


@given(RANDOM_IDS, st.integers(1, LARGEST_ALBUM))
def test_each_message_has_a_random_id_that_follows_from_the_posts(random_id: int, count: int) -> None:
    ids = derive_random_ids(random_id, count)
    assert (ids[0], len(set(ids)), len(ids)) == (random_id, count, count)
    assert all(-(2**63) <= each < 2**63 and each for each in ids)
    assert derive_random_ids(random_id, LARGEST_ALBUM)[:count] == ids


def test_the_random_ids_stay_those_that_were_sent_before() -> None:
    """Another way to derive them would post albums again whose answer got lost before an upgrade."""
    assert derive_random_ids(7, 3) == (7, 6976823283941749203, -8342039357290065866)


@pytest.mark.parametrize(
    "kinds", [[], [PHOTO], [MediaType.VOICE], [PHOTO, VIDEO], [VIDEO] * 10, [DOCUMENT] * 2, [AUDIO] * 3]
)
def test_what_telegram_shows_together_is_taken(kinds: list[MediaType]) -> None:
    check_album(kinds)


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ([PHOTO, DOCUMENT], "do not go together"),
        ([AUDIO, DOCUMENT], "do not go together"),
        ([PHOTO, MediaType.VOICE], "voice goes alone"),
        ([MediaType.ANIMATION, MediaType.ANIMATION], "animation goes alone"),
    ],
)
def test_what_telegram_does_not_show_together_is_refused(kinds: list[MediaType], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        check_album(kinds)
    assert caught.value.field == "media_ids"


def test_one_file_and_several_are_named_in_either_way() -> None:
    one, two = uuid4(), uuid4()
    assert choose_media_ids(None, []) == ()
    assert (
        choose_media_ids(one, []) == choose_media_ids(None, [one]) == choose_media_ids(one, [one]) == (one,)
    )
    assert choose_media_ids(two, [two, one]) == (two, one)


@pytest.mark.parametrize(
    ("media_id", "media_ids", "words"),
    [
        (UUID(int=1), [UUID(int=2), UUID(int=1)], "another than the first"),
        (None, [UUID(int=number) for number in range(11)], "at most 10 files; these are 11"),
        (None, [UUID(int=1), UUID(int=2), UUID(int=1)], "in the album twice"),
    ],
)
def test_what_names_no_album_is_refused(media_id: UUID | None, media_ids: list[UUID], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        choose_media_ids(media_id, media_ids)
