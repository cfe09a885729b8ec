"""Films and sounds told by their bytes: what is a video, an animation, audio, a voice message."""

import io

import pytest

from tests.support.pictures import make_gif, make_jpeg
from tests.support.recordings import make_flac, make_mp3, make_mp4, make_opus
from vestnik.content.media import check_file
from vestnik.content.recordings import Recording, read_recording
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import MediaFacts, MediaType


def look(data: bytes) -> Recording | None:
    return read_recording(io.BytesIO(data), len(data))


def check(data: bytes, kind: MediaType, name: str = "file") -> MediaFacts:
    return check_file(io.BytesIO(data), len(data), kind, name)


@pytest.mark.parametrize("version", [0, 1])
def test_a_film_is_measured(version: int) -> None:
    film = MediaFacts(mime_type="video/mp4", width=1280, height=720, duration=12.5)
    assert check(make_mp4(version=version), MediaType.VIDEO) == film


def test_a_film_that_was_turned_is_as_high_as_it_is_shown() -> None:
    facts = check(make_mp4(turned=True), MediaType.VIDEO)
    assert (facts.width, facts.height) == (720, 1280)


def test_an_animation_is_a_gif_or_a_film_without_sound() -> None:
    assert check(make_gif(64, 48), MediaType.ANIMATION) == MediaFacts(
        mime_type="image/gif", width=64, height=48
    )
    assert check(make_mp4(sound=False), MediaType.ANIMATION).duration == 12.5
    with pytest.raises(InvalidInputError, match="has sound"):
        check(make_mp4(), MediaType.ANIMATION)


@pytest.mark.parametrize(
    ("data", "mime_type", "seconds"),
    [
        (make_mp3(10), "audio/mpeg", 10.0),
        (make_mp3(10, tagged=True), "audio/mpeg", 10.0),
        (make_mp3(1, frames=383), "audio/mpeg", 10.0),
        (make_mp4(picture=False, brand="M4A "), "audio/mp4", 12.5),
        (make_flac(7), "audio/flac", 7.0),
        (make_opus(3), "audio/ogg", 3.0),
    ],
    ids=["mp3", "mp3-tagged", "mp3-variable", "m4a", "flac", "ogg"],
)
def test_audio_is_measured(data: bytes, mime_type: str, seconds: float) -> None:
    facts = check(data, MediaType.AUDIO)
    assert facts.mime_type == mime_type
    assert facts.duration == pytest.approx(seconds, rel=0.01)


def test_a_voice_message_is_opus_in_ogg() -> None:
    assert check(make_opus(3), MediaType.VOICE) == MediaFacts(mime_type="audio/ogg", duration=3.0)
    with pytest.raises(InvalidInputError, match="no Ogg recording with Opus"):
        check(make_mp3(), MediaType.VOICE)


def test_a_document_is_anything_and_has_the_type_of_its_name() -> None:
    assert check(b"%PDF-1.7", MediaType.DOCUMENT, "a.pdf") == MediaFacts(mime_type="application/pdf")
    assert check(b"?", MediaType.DOCUMENT, "strange") == MediaFacts(mime_type="application/octet-stream")
    with pytest.raises(InvalidInputError, match="the file is empty"):
        check(b"", MediaType.DOCUMENT)


@pytest.mark.parametrize("kind", [MediaType.VIDEO, MediaType.ANIMATION, MediaType.AUDIO, MediaType.VOICE])
@pytest.mark.parametrize(
    "data",
    [make_jpeg(), b"<html>", b"\0" * 100, make_mp4()[:500], make_mp4(brand="qt  "), b"OggS" + bytes(10)],
    ids=["jpeg", "html", "zeros", "cut", "quicktime", "ogg-cut"],
)
def test_what_is_something_else_is_refused(data: bytes, kind: MediaType) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check(data, kind)
    assert caught.value.field == "file"


def test_every_prefix_of_a_recording_is_judged_without_a_crash() -> None:
    for data in (make_mp4(), make_mp4(version=1), make_opus(), make_mp3(0.05, frames=3), make_flac()):
        for length in range(len(data)):
            look(data[:length])


def test_tables_that_lie_about_their_length_end_the_search() -> None:
    data = bytearray(make_mp4())
    for at in range(0, len(data) - 4, 7):
        damaged = data.copy()
        damaged[at : at + 4] = b"\0\0\0\x01" if at % 2 else b"\xff\xff\xff\xff"
        look(bytes(damaged))
