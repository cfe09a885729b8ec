"""Uploads, photos, documents, albums."""

import hashlib
import io
import os
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions, types

from tests.integration.simulator.conftest import ACCOUNT, peer_of, posted_id, send_request
from vestnik.simulator.channels import ChannelSpec, Forbidden

PART = 64 * 1024


@pytest.fixture
async def client(connect):
    return await connect()


async def upload(client: Any, data: bytes, file_id: int = 1, *, parts: int | None = None) -> Any:
    """Parts of 64 KiB as upload.saveFilePart takes them."""
    chunks = [data[start : start + PART] for start in range(0, len(data), PART)]
    for number, chunk in enumerate(chunks):
        assert await client(functions.upload.SaveFilePartRequest(file_id, number, chunk)) is True
    digest = hashlib.md5(data).hexdigest()
    return types.InputFile(file_id, parts or len(chunks), "photo.jpg", digest)


async def upload_photo(client: Any, data: bytes = b"picture" * 100, file_id: int = 1) -> Any:
    """What a photo is posted by."""
    file = await upload(client, data, file_id)
    media = types.InputMediaUploadedPhoto(file)
    answer = await client(functions.messages.UploadMediaRequest(types.InputPeerSelf(), media))
    photo = answer.photo
    return types.InputMediaPhoto(types.InputPhoto(photo.id, photo.access_hash, photo.file_reference))


def send_media(peer: Any, media: Any, caption: str = "", random_id: int = 1) -> Any:
    return functions.messages.SendMediaRequest(peer, media, caption, random_id=random_id)


async def test_a_photo_is_uploaded_once_and_posted_everywhere(server, client):
    media = await upload_photo(client)
    for index, name in enumerate(("alpha_news", "beta_news")):
        answer = await client(send_media(peer_of(server, name), media, "Caption", index + 1))
        message = answer.updates[1].message
        assert message.message == "Caption"
        assert message.media.photo.id == media.id.id
    assert server.simulator.summarize().calls["upload.saveFilePart"] == 1


async def test_a_photo_may_go_without_a_caption(server, client):
    media = await upload_photo(client)
    assert posted_id(await client(send_media(peer_of(server, "alpha_news"), media))) == 2


async def test_a_document_uploaded_with_the_post_keeps_its_name_and_size(server, client):
    data = os.urandom(3 * PART + 5)
    file = io.BytesIO(data)
    file.name = "data.bin"
    sent = await client.send_file("alpha_news", file, force_document=True)
    assert sent.document.size == len(data)
    assert sent.file.name == "data.bin"
    read = await client.get_messages("alpha_news", ids=sent.id)
    assert read.document.id == sent.document.id


async def test_a_file_of_more_than_10_mb_goes_up_in_big_parts(server, client):
    data = bytes(10 * 1024 * 1024 + 1)
    file = await client.upload_file(data, part_size_kb=512)
    assert isinstance(file, types.InputFileBig)
    sent = await client.send_file("alpha_news", file, force_document=True)
    assert sent.document.size == len(data)
    assert server.simulator.summarize().calls["upload.saveBigFilePart"] == 21


async def test_an_album_goes_up_as_one_group(server, client):
    media = [await upload_photo(client, bytes([index]) * 50, index) for index in range(1, 4)]
    items = [
        types.InputSingleMedia(entry, "first" if index == 0 else "", random_id=index + 10)
        for index, entry in enumerate(media)
    ]
    request = functions.messages.SendMultiMediaRequest(peer_of(server, "alpha_news"), items)
    answer = await client(request)
    numbers = {entry.random_id: entry.id for entry in answer.updates[:3]}
    assert numbers == {10: 2, 11: 3, 12: 4}
    messages = [entry.message for entry in answer.updates[3:]]
    assert len({message.grouped_id for message in messages}) == 1
    assert messages[0].message == "first"
    again = await client(request)
    assert {entry.random_id: entry.id for entry in again.updates[:3]} == numbers
    assert server.simulator.summarize().absorbed_repeats == 3


async def test_telethon_sends_an_album_by_itself(server, client):
    files = [io.BytesIO(b"x" * 50), io.BytesIO(b"y" * 60)]
    for index, file in enumerate(files):
        file.name = f"{index}.jpg"
    sent = await client.send_file("alpha_news", files, caption=["one", "two"])
    assert [message.message for message in sent] == ["one", "two"]


async def test_an_album_of_eleven_is_refused(server, client):
    media = await upload_photo(client)
    items = [types.InputSingleMedia(media, "", random_id=index + 1) for index in range(11)]
    with pytest.raises(errors.MultiMediaTooLongError):
        await client(functions.messages.SendMultiMediaRequest(peer_of(server, "alpha_news"), items))


async def test_captions_have_their_own_limit(server, client):
    media = await upload_photo(client)
    peer = peer_of(server, "alpha_news")
    await client(send_media(peer, media, "a" * 1024))
    for text in ("a" * 1025, "😀" * 512 + "a"):
        with pytest.raises(errors.MediaCaptionTooLongError):
            await client(send_media(peer, media, text, random_id=2))


async def test_an_expired_file_reference_is_told_and_a_new_upload_helps(server, client, control):
    media = await upload_photo(client)
    await control.expire_file_references()
    with pytest.raises(errors.FileReferenceExpiredError):
        await client(send_media(peer_of(server, "alpha_news"), media))
    fresh = await upload_photo(client, file_id=2)
    assert posted_id(await client(send_media(peer_of(server, "alpha_news"), fresh))) == 2


async def test_media_of_another_account_or_none_at_all_is_refused(server, client, connect):
    server.simulator.add_account("other")
    other = await connect(account="other")
    media = await upload_photo(client)
    with pytest.raises(errors.MediaInvalidError):
        await other(send_media(peer_of(server, "alpha_news", "other"), media))
    with pytest.raises(errors.MediaEmptyError):
        await client(send_media(peer_of(server, "alpha_news"), types.InputMediaEmpty()))


async def test_missing_parts_and_wrong_checksums_are_told(server, client):
    peer = types.InputPeerSelf()
    file = await upload(client, bytes(PART), parts=2)
    with pytest.raises(errors.FilePartMissingError):
        await client(functions.messages.UploadMediaRequest(peer, types.InputMediaUploadedPhoto(file)))
    file = await upload(client, b"abc", file_id=2)
    file.md5_checksum = "0" * 32
    with pytest.raises(errors.Md5ChecksumInvalidError):
        await client(functions.messages.UploadMediaRequest(peer, types.InputMediaUploadedPhoto(file)))


@pytest.mark.parametrize(
    ("number", "data", "error"),
    [
        (0, b"", errors.FilePartEmptyError),
        (4000, b"x", errors.FilePartInvalidError),
        (0, bytes(512 * 1024 + 1), errors.BadRequestError),
    ],
    ids=["empty", "number", "size"],
)
async def test_impossible_parts_are_refused(client, number, data, error):
    with pytest.raises(error):
        await client(functions.upload.SaveFilePartRequest(1, number, data))


async def test_the_caption_of_a_photo_is_edited(server, client):
    media = await upload_photo(client)
    peer = peer_of(server, "alpha_news")
    await client(send_media(peer, media, "before"))
    edited = await client.edit_message(peer, 2, "after")
    assert edited.message == "after"
    assert edited.photo.id == media.id.id


async def test_the_bytes_of_uploads_are_counted_and_a_post_tells_its_media(server, client, control):
    data = os.urandom(3 * PART)
    media = await upload_photo(client, data)
    await client(send_media(peer_of(server, "alpha_news"), media, "Look"))
    (post,) = await control.list_posts()
    assert post.media == {
        "kind": "photo",
        "id": media.id.id,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "mime_type": "image/jpeg",
        "attributes": [],
    }
    assert (await control.summarize()).uploaded_bytes == len(data)
    await control.reset()
    assert (await control.summarize()).uploaded_bytes == 0


async def test_media_of_a_server_before_this_one_have_run_out(server, client, control):
    media = await upload_photo(client)
    await control.reset()
    with pytest.raises(errors.FileReferenceExpiredError):
        await client(send_media(peer_of(server, "alpha_news"), media))


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ([types.DocumentAttributeVideo(1.0, 2, 2)], Forbidden.VIDEOS),
        ([types.DocumentAttributeAnimated(), types.DocumentAttributeVideo(1.0, 2, 2)], Forbidden.GIFS),
        ([types.DocumentAttributeAudio(1)], Forbidden.AUDIOS),
        ([types.DocumentAttributeAudio(1, voice=True)], Forbidden.VOICES),
        ([types.DocumentAttributeFilename("a.pdf")], Forbidden.DOCS),
    ],
    ids=["video", "animation", "audio", "voice", "document"],
)
async def test_a_channel_may_take_some_kinds_of_posts_and_not_others(
    server, client, control, attributes, kind
):
    file = await upload(client, b"x" * 100)
    media = types.InputMediaUploadedDocument(file, "application/octet-stream", attributes)
    peer = peer_of(server, "alpha_news")
    for number, forbidden in enumerate((kind, Forbidden.MEDIA), 1):
        await control.ensure_channels([ChannelSpec(username="alpha_news", forbidden=[forbidden])], ACCOUNT)
        with pytest.raises(errors.RPCError):
            await client(send_media(peer, media, random_id=number))
    others: list[Forbidden] = [other for other in Forbidden if other not in {kind, Forbidden.MEDIA}]
    await control.ensure_channels([ChannelSpec(username="alpha_news", forbidden=others)], ACCOUNT)
    await client(send_media(peer, media, random_id=9))
    with pytest.raises(errors.RPCError):
        await client(send_request(peer))
    summary = await control.summarize()
    assert summary.rejected == {
        f"CHAT_SEND_{name}_FORBIDDEN": 1 for name in (kind, Forbidden.MEDIA, Forbidden.PLAIN)
    }
