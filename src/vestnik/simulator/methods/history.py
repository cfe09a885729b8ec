"""Reading, editing and deleting what was posted."""

from itertools import islice
from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.calls import Call, Method
from vestnik.simulator.channels import CREATION_MESSAGE, Channel, Extras
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.methods.media import take_media
from vestnik.simulator.methods.posting import check_post_gate, check_post_right
from vestnik.simulator.methods.texts import check_caption, check_entities, check_text
from vestnik.simulator.methods.views import find_peer_channel, read_date, show_channel, show_message

MAX_HISTORY: Final = 100


def get_history(call: Call) -> TLObject:
    """Newest first, at most 100; offsets as Telegram takes them (https://core.telegram.org/api/offsets)."""
    request = call.request
    channel = find_peer_channel(call.simulator, call.account, request.peer)
    limit = min(request.limit, MAX_HISTORY) if request.limit > 0 else MAX_HISTORY
    return _show_messages(call, channel, _choose_ids(call, channel, limit))


def _choose_ids(call: Call, channel: Channel, limit: int) -> list[int]:
    request = call.request
    start = request.offset_id - 1 if request.offset_id else channel.next_id - 1
    # A negative add_offset begins at messages newer than the offset.
    start -= min(request.add_offset, 0)
    ids = channel.walk_ids(start)
    # Telethon gives both when it pages; the id alone counts then, or messages of one second would be lost.
    before = 0 if request.offset_id else read_date(request.offset_date)
    if before:
        ids = (message_id for message_id in ids if _date_of(call, channel, message_id) < before)
    if request.max_id:
        ids = (message_id for message_id in ids if message_id < request.max_id)
    if request.min_id:
        ids = (message_id for message_id in ids if message_id > request.min_id)
    skipped = max(request.add_offset, 0)
    return list(islice(ids, skipped, skipped + limit))


def _date_of(call: Call, channel: Channel, message_id: int) -> int:
    if message_id == CREATION_MESSAGE:
        return channel.created_at
    return int(call.simulator.posts.walls[channel.position_of(message_id)])


def _show_messages(call: Call, channel: Channel, ids: list[int]) -> TLObject:
    account = call.account
    return types.messages.ChannelMessages(
        pts=channel.pts,
        count=channel.next_id - 1 - len(channel.deleted),
        messages=[show_message(call.simulator, account, channel, message_id) for message_id in ids],
        topics=[],
        chats=[show_channel(account, channel)],
        users=[],
    )


def get_channel_messages(call: Call) -> TLObject:
    """channels.getMessages: MessageEmpty stands for what is not there."""
    channel = find_peer_channel(call.simulator, call.account, call.request.channel)
    ids = [given.id for given in call.request.id if isinstance(given, types.InputMessageID)]
    return _show_messages(call, channel, ids)


def get_messages(call: Call) -> TLObject:
    """messages.getMessages reads private chats, which do not exist here: all empty."""
    us = types.PeerUser(call.account.user_id)
    empty = [types.MessageEmpty(id=getattr(given, "id", 0), peer_id=us) for given in call.request.id]
    return types.messages.Messages(messages=empty, topics=[], chats=[], users=[])


def edit_message(call: Call) -> TLObject:
    """messages.editMessage: text, formatting and media."""
    request = call.request
    check_post_gate(call)
    account = call.account
    channel = find_peer_channel(call.simulator, account, request.peer)
    check_post_right(account, channel)
    if request.id == CREATION_MESSAGE or not channel.has_message(request.id):
        raise RpcFailure(400, "MESSAGE_ID_INVALID")
    _change_message(call, channel)
    channel.pts += 1
    message = show_message(call.simulator, account, channel, request.id)
    return types.Updates(
        updates=[types.UpdateEditChannelMessage(message, channel.pts, 1)],
        users=[],
        chats=[show_channel(account, channel)],
        date=int(call.arrival.wall),
        seq=0,
    )


def _change_message(call: Call, channel: Channel) -> None:
    request = call.request
    extras = channel.extras.get(request.id, Extras())
    media = take_media(call, request.media) if request.media is not None else extras.media
    original = call.simulator.posts.text_of(channel.position_of(request.id))
    before = extras.edited_text if extras.edited_text is not None else original
    text, entities = before, extras.entities
    if request.message is not None:
        text = check_caption(request.message) if media is not None else check_text(request.message)
        entities = check_entities(request.entities, text)
    if text == before and media is extras.media and _write(entities) == _write(extras.entities):
        raise RpcFailure(400, "MESSAGE_NOT_MODIFIED")
    channel.extras[request.id] = Extras(
        entities,
        media,
        extras.grouped_id,
        edited_text=text,
        edited_at=int(call.arrival.wall),
        how=extras.how,
    )


def _write(entities: list[TLObject] | None) -> bytes:
    return b"".join(bytes(entity) for entity in entities or ())


def delete_channel_messages(call: Call) -> TLObject:
    """channels.deleteMessages; what is gone already is not counted."""
    check_post_gate(call)
    account = call.account
    channel = find_peer_channel(call.simulator, account, call.request.channel)
    check_post_right(account, channel)
    gone = {message_id for message_id in call.request.id if channel.has_message(message_id)}
    channel.deleted |= gone
    channel.pts += len(gone)
    top = channel.top_id
    channel.top_date = _date_of(call, channel, top) if top else channel.created_at
    call.simulator.channels.version += 1
    return types.messages.AffectedMessages(pts=channel.pts, pts_count=len(gone))


def delete_messages(call: Call) -> TLObject:
    """messages.deleteMessages concerns private chats, which do not exist here."""
    check_post_gate(call)
    return types.messages.AffectedMessages(pts=1, pts_count=0)


METHODS: Final[dict[type, Method]] = {
    functions.messages.GetHistoryRequest: get_history,
    functions.channels.GetMessagesRequest: get_channel_messages,
    functions.messages.GetMessagesRequest: get_messages,
    functions.messages.EditMessageRequest: edit_message,
    functions.channels.DeleteMessagesRequest: delete_channel_messages,
    functions.messages.DeleteMessagesRequest: delete_messages,
}
