"""Albums through Telethon: their messages are found again, and each random_id counts for itself."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from telethon.tl.types import DocumentAttributeFilename

from vestnik.domain.albums import derive_random_ids
from vestnik.domain.ids import MediaId
from vestnik.domain.media import MediaFile, MediaType
from vestnik.domain.transport import Content, ErrorClass, TransportError, UploadedMedia
from vestnik.simulator.options import Options, RandomIdAnswer
from vestnik.simulator.uploads import StoredFile

PHOTO, DOCUMENT = MediaType.PHOTO, MediaType.DOCUMENT


@pytest.fixture
def make_album(server):
    """Content with files that the simulator has already."""

    def make(*kinds: MediaType, text: str = "Look") -> Content:
        simulator = server.simulator
        (account,) = simulator.accounts
        files, uploaded = [], []
        for kind in kinds:
            is_photo = kind is PHOTO
            name = DocumentAttributeFilename("a.pdf")
            media = simulator.media.add(
                "photo" if is_photo else "document", StoredFile(3, "", ""), "", [] if is_photo else [name]
            )
            uploaded.append(
                UploadedMedia(
                    is_photo=is_photo,
                    file_id=media.media_id,
                    access_hash=account.access_hash("file", media.media_id),
                    file_reference=simulator.media.make_reference(media),
                )
            )
            files.append(
                MediaFile(
                    media_id=MediaId(uuid4()), kind=kind, sha256="00" * 32, size=3, mime_type="", name="a"
                )
            )
        return Content(text=text, files=tuple(files), uploaded=tuple(uploaded))

    return make


@pytest.mark.parametrize("text", ["Look", ""])
async def test_all_messages_of_an_album_are_found_in_the_history(transport, channel, make_album, text):
    target = await transport.resolve(channel)
    since = datetime.now(UTC)
    other, album = make_album(PHOTO, PHOTO, text=text), make_album(PHOTO, PHOTO, PHOTO, text=text)
    single = make_album(PHOTO, text=text)
    wanted = await transport.send(target.peer, album, 7)
    second = await transport.send(target.peer, other, 8)
    alone = await transport.send(target.peer, single, 9)
    assert (len(wanted), len(second), len(alone)) == (3, 2, 1)
    assert await transport.find_messages(target.peer, album, since) == wanted
    assert await transport.find_messages(target.peer, other, since) == second
    assert await transport.find_messages(target.peer, single, since) == alone


async def test_a_repeated_album_is_the_original_one(server, transport, channel, make_album):
    target = await transport.resolve(channel)
    album = make_album(DOCUMENT, DOCUMENT)
    first = await transport.send(target.peer, album, 7)
    assert await transport.send(target.peer, album, 7) == first
    assert [post.random_id for post in server.simulator.list_posts()] == list(derive_random_ids(7, 2))


async def test_one_known_item_makes_the_whole_album_a_duplicate(server, transport, channel, make_album):
    server.simulator.options = Options(random_id=RandomIdAnswer.DUPLICATE)
    target = await transport.resolve(channel)
    await transport.send(target.peer, make_album(PHOTO), derive_random_ids(7, 2)[1])
    with pytest.raises(TransportError) as caught:
        await transport.send(target.peer, make_album(PHOTO, PHOTO), 7)
    assert caught.value.error_class is ErrorClass.SENT
    assert len(server.simulator.posts) == 1


async def test_the_item_whose_reference_ran_out_is_named(server, transport, channel, make_album):
    target = await transport.resolve(channel)
    album = make_album(PHOTO, PHOTO, PHOTO)
    server.simulator.expire_file_references(album.uploaded[1].file_id)
    with pytest.raises(TransportError) as caught:
        await transport.send(target.peer, album, 7)
    error = caught.value
    assert (error.name, error.error_class, error.item) == (
        "FILE_REFERENCE_EXPIRED",
        ErrorClass.REFRESH_MEDIA,
        1,
    )
    assert len(server.simulator.posts) == 0


async def test_what_does_not_go_together_is_refused_by_telegram_as_well(transport, channel, make_album):
    target = await transport.resolve(channel)
    with pytest.raises(TransportError) as caught:
        await transport.send(target.peer, make_album(PHOTO, DOCUMENT), 7)
    assert caught.value.name == "MEDIA_INVALID"
