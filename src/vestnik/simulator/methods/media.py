"""Uploading files, and making photos and documents of them."""

from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.calls import Call, Method
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.uploads import Media


def save_file_part(call: Call) -> TLObject:
    """upload.saveFilePart and upload.saveBigFilePart."""
    request = call.request
    total = getattr(request, "file_total_parts", None)
    call.simulator.media.save_part(call.account, request.file_id, request.file_part, request.bytes, total)
    return True


def upload_media(call: Call) -> TLObject:
    """messages.uploadMedia to ourselves; the answer holds what the media is posted by."""
    if not isinstance(call.request.peer, types.InputPeerSelf | types.InputPeerChannel):
        raise RpcFailure(400, "PEER_ID_INVALID")
    media = take_media(call, call.request.media)
    return call.simulator.media.describe(call.account, media, int(call.arrival.wall))


def take_media(call: Call, given: TLObject) -> Media:
    """The media that an InputMedia stands for; a file uploaded with it becomes one."""
    store = call.simulator.media
    if isinstance(given, types.InputMediaEmpty):
        raise RpcFailure(400, "MEDIA_EMPTY")
    if isinstance(given, types.InputMediaUploadedPhoto):
        return store.add("photo", store.assemble(call.account, given.file), "image/jpeg", [])
    if isinstance(given, types.InputMediaUploadedDocument):
        file = store.assemble(call.account, given.file)
        return store.add("document", file, given.mime_type, given.attributes)
    return find_posted_media(call, given)


def find_posted_media(call: Call, given: TLObject) -> Media:
    """Media that was uploaded before; MEDIA_INVALID for anything else, also inside an album."""
    store = call.simulator.media
    if isinstance(given, types.InputMediaPhoto):
        return store.find(call.account, "photo", given.id)
    if isinstance(given, types.InputMediaDocument):
        return store.find(call.account, "document", given.id)
    raise RpcFailure(400, "MEDIA_INVALID")


METHODS: Final[dict[type, Method]] = {
    functions.upload.SaveFilePartRequest: save_file_part,
    functions.upload.SaveBigFilePartRequest: save_file_part,
    functions.messages.UploadMediaRequest: upload_media,
}
