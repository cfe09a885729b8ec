"""Posting: rights, limits, slow mode, flood limits, and each random_id once."""

from dataclasses import dataclass
from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.accounts import Account, pack_random_key
from vestnik.simulator.calls import Call, Method
from vestnik.simulator.channels import USUAL, Channel, Extras, Forbidden, How, Right
from vestnik.simulator.failures import RpcFailure, refuse_with_slow_mode
from vestnik.simulator.floods import FloodScope
from vestnik.simulator.methods.media import find_posted_media, take_media
from vestnik.simulator.methods.texts import check_caption, check_entities, check_text
from vestnik.simulator.methods.views import find_peer_channel, show_channel, show_message
from vestnik.simulator.options import RandomIdAnswer
from vestnik.simulator.uploads import Media

MAX_ALBUM: Final = 10
MAX_BUTTONS: Final = 100
_VISUAL: Final = frozenset({"PHOTOS", "VIDEOS"})
_IN_ALBUMS: Final = frozenset({"VISUAL", "DOCS", "AUDIOS"})


@dataclass(frozen=True, slots=True)
class _Draft:
    random_id: int
    text: str
    entities: list[TLObject] | None = None
    media: Media | None = None
    grouped_id: int | None = None
    how: How = USUAL


def send_message(call: Call) -> TLObject:
    """messages.sendMessage to a channel."""
    request = call.request
    channel = _open_for_posting(call)
    text = check_text(request.message)
    entities = check_entities(request.entities, text)
    draft = _Draft(request.random_id, text, entities, how=_read_how(request))
    return _post_all(call, channel, [draft])


def send_media(call: Call) -> TLObject:
    """messages.sendMedia: a photo or document, or a text with the preview of a link."""
    request = call.request
    channel = _open_for_posting(call)
    how = _read_how(request)
    if how.webpage is not None:
        text = _check_text_of(how.webpage, request.message)
        draft = _Draft(request.random_id, text, check_entities(request.entities, text), how=how)
        return _post_all(call, channel, [draft])
    text = check_caption(request.message)
    media = take_media(call, request.media)
    draft = _Draft(request.random_id, text, check_entities(request.entities, text), media, how=how)
    return _post_all(call, channel, [draft])


def send_multi_media(call: Call) -> TLObject:
    """messages.sendMultiMedia: an album of up to 10, each item with its own random_id."""
    items = call.request.multi_media
    channel = _open_for_posting(call)
    if not items:
        raise RpcFailure(400, "MEDIA_EMPTY")
    if len(items) > MAX_ALBUM:
        raise RpcFailure(400, "MULTI_MEDIA_TOO_LONG")
    grouped_id = items[0].random_id
    drafts, how = [], _read_how(call.request)
    for place, item in enumerate(items):
        text = check_caption(item.message)
        media = _find_item(call, item.media, place)
        entities = check_entities(item.entities, text)
        drafts.append(_Draft(item.random_id, text, entities, media, grouped_id, how))
    _check_mixture([draft.media for draft in drafts if draft.media is not None])
    return _post_all(call, channel, drafts)


def _find_item(call: Call, given: TLObject, place: int) -> Media:
    """As for a single post; errors about a reference say which item has it (FILE_REFERENCE_0_EXPIRED)."""
    try:
        return find_posted_media(call, given)
    except RpcFailure as failure:
        name = failure.name.replace("FILE_REFERENCE_", f"FILE_REFERENCE_{place}_")
        raise RpcFailure(failure.code, name) from failure


def _check_mixture(album: list[Media]) -> None:
    """MEDIA_INVALID for what does not go together; photos and videos do."""
    kinds = {"VISUAL" if media.takes_right in _VISUAL else media.takes_right for media in album}
    if len(kinds) > 1 or (len(album) > 1 and not kinds <= _IN_ALBUMS):
        raise RpcFailure(400, "MEDIA_INVALID")


def _read_how(request: TLObject) -> How:
    given = getattr(request, "media", None)
    return How(
        silent=bool(request.silent),
        noforwards=bool(request.noforwards),
        no_webpage=bool(getattr(request, "no_webpage", None)),
        invert_media=bool(request.invert_media),
        webpage=given if isinstance(given, types.InputMediaWebPage) else None,
        markup=_check_buttons(getattr(request, "reply_markup", None)),
    )


def _check_buttons(markup: TLObject | None) -> TLObject | None:
    """Buttons with links. Telegram shows them for bots only; here any account has them, for rehearsals."""
    if markup is None:
        return None
    if not isinstance(markup, types.ReplyInlineMarkup):
        raise RpcFailure(400, "REPLY_MARKUP_INVALID")
    if sum(len(row.buttons) for row in markup.rows) > MAX_BUTTONS:
        raise RpcFailure(400, "REPLY_MARKUP_TOO_LONG")
    for button in (button for row in markup.rows for button in row.buttons):
        if not isinstance(button.type, types.InlineButtonTypeUrl):
            raise RpcFailure(400, "BUTTON_TYPE_INVALID")
        if not button.type.url.lower().startswith(("http://", "https://", "tg://")):
            raise RpcFailure(400, "BUTTON_URL_INVALID")
    return markup


def _check_text_of(page: TLObject, message: str) -> str:
    """A text beside the preview of a link, as long as one without; WEBPAGE_URL_INVALID."""
    if not page.url.lower().startswith(("http://", "https://")):
        raise RpcFailure(400, "WEBPAGE_URL_INVALID")
    return check_text(message)


def check_post_gate(call: Call) -> None:
    """Refuse while the account has to wait; edits and deletions share the wait with posts."""
    gate = call.account.gates.get(FloodScope.POST)
    if gate is not None:
        gate.check(call.arrival.monotonic)


def check_post_right(account: Account, channel: Channel) -> None:
    """CHAT_WRITE_FORBIDDEN for those who only read."""
    if channel.right_of(account.index) is not Right.POST:
        raise RpcFailure(403, "CHAT_WRITE_FORBIDDEN")


def _open_for_posting(call: Call) -> Channel:
    check_post_gate(call)
    if getattr(call.request, "schedule_date", None) is not None:
        raise RpcFailure(400, "METHOD_NOT_SIMULATED: scheduled messages")
    channel = find_peer_channel(call.simulator, call.account, call.request.peer)
    check_post_right(call.account, channel)
    return channel


def _post_all(call: Call, channel: Channel, drafts: list[_Draft]) -> TLObject:
    account = call.account
    if any(draft.random_id == 0 for draft in drafts):
        raise RpcFailure(400, "RANDOM_ID_EMPTY")
    known = [_find_repeat(call, channel, draft) for draft in drafts]
    if None in known:
        for draft in drafts:
            _check_kind(channel, draft.media)
        _check_pace(call, channel, known.count(None))
    updates: list[TLObject] = []
    news = []
    for draft, repeated in zip(drafts, known, strict=True):
        message_id = repeated if repeated is not None else _store(call, channel, draft)
        updates.append(types.UpdateMessageID(message_id, draft.random_id))
        message = show_message(call.simulator, account, channel, message_id)
        news.append(types.UpdateNewChannelMessage(message, channel.pts, 1))
    return types.Updates(
        updates=updates + news,
        users=[],
        chats=[show_channel(account, channel)],
        date=int(call.arrival.wall),
        seq=0,
    )


def _find_repeat(call: Call, channel: Channel, draft: _Draft) -> int | None:
    """The message that this random_id posted before; RANDOM_ID_DUPLICATE if that is how repeats are answered."""
    mode = call.simulator.options.random_id
    account = call.account
    key = pack_random_key(channel.channel_id, draft.random_id)
    message_id = account.random_ids.get(key)
    if message_id is None or mode is RandomIdAnswer.IGNORED:
        return None
    call.simulator.posts.absorbed_repeats += 1
    running = account.running_until.get(key, 0.0) > call.arrival.monotonic
    if mode is RandomIdAnswer.DUPLICATE or (mode is RandomIdAnswer.DUPLICATE_WHILE_RUNNING and running):
        raise RpcFailure(500, "RANDOM_ID_DUPLICATE")
    return message_id


def _check_kind(channel: Channel, media: Media | None) -> None:
    """CHAT_SEND_…_FORBIDDEN for what the channel does not take."""
    wanted = "PLAIN" if media is None else media.takes_right
    if media is not None and Forbidden.MEDIA in channel.forbidden:
        wanted = Forbidden.MEDIA
    if wanted in channel.forbidden:
        raise RpcFailure(403, f"CHAT_SEND_{wanted}_FORBIDDEN")


def _check_pace(call: Call, channel: Channel, count: int) -> None:
    account, now = call.account, call.arrival.monotonic
    if channel.slow_mode:
        due = account.last_post.get(channel.channel_id, float("-inf")) + channel.slow_mode
        if now < due:
            raise refuse_with_slow_mode(due - now)
    gate = account.gates.get(FloodScope.POST)
    if gate is not None:
        for _ in range(count):
            gate.take(now)


def _store(call: Call, channel: Channel, draft: _Draft) -> int:
    account = call.account
    message_id = channel.next_id
    position = call.simulator.posts.add(
        account=account.index,
        channel_id=channel.channel_id,
        message_id=message_id,
        random_id=draft.random_id,
        text=draft.text,
        arrival=call.arrival,
    )
    channel.positions.append(position)
    if draft.entities or draft.media or draft.grouped_id or draft.how != USUAL:
        channel.extras[message_id] = Extras(draft.entities, draft.media, draft.grouped_id, how=draft.how)
    channel.pts += 1
    channel.top_date = int(call.arrival.wall)
    call.simulator.channels.version += 1
    if channel.slow_mode:
        account.last_post[channel.channel_id] = call.arrival.monotonic
    key = pack_random_key(channel.channel_id, draft.random_id)
    account.random_ids[key] = message_id
    if call.simulator.options.random_id is RandomIdAnswer.DUPLICATE_WHILE_RUNNING:
        account.running_until[key] = call.answered_at
    return message_id


METHODS: Final[dict[type, Method]] = {
    functions.messages.SendMessageRequest: send_message,
    functions.messages.SendMediaRequest: send_media,
    functions.messages.SendMultiMediaRequest: send_multi_media,
}
