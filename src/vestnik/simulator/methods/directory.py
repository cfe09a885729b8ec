"""Finding channels: dialogs, usernames, access hashes."""

from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.accounts import Account, DialogKey
from vestnik.simulator.calls import Call, Method
from vestnik.simulator.channels import Channel, Right, check_username
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.floods import FloodScope
from vestnik.simulator.methods.views import find_peer_channel, read_date, show_channel, show_message
from vestnik.simulator.state import Simulator

MAX_DIALOGS: Final = 100


def get_dialogs(call: Call) -> TLObject:
    """At most 100 a page, newest message first; `messages.dialogs` only if one page holds all."""
    account, request = call.account, call.request
    if request.folder_id:
        return types.messages.Dialogs([], [], [], [])
    limit = min(request.limit, MAX_DIALOGS) if request.limit > 0 else MAX_DIALOGS
    after = _read_offset(request)
    channels = account.list_dialogs(call.simulator.channels, after, limit)
    total = account.count_dialogs()
    content = _show_page(call.simulator, account, channels)
    if after is None and len(channels) == total:
        return types.messages.Dialogs(**content)
    return types.messages.DialogsSlice(count=total, **content)


def _read_offset(request: TLObject) -> DialogKey | None:
    date = read_date(request.offset_date)
    if not date and not request.offset_id:
        return None
    # An id without a date goes with a date later than any.
    return date or 2**40, request.offset_id, getattr(request.offset_peer, "channel_id", 0)


def _show_page(simulator: Simulator, account: Account, channels: list[Channel]) -> dict[str, list[TLObject]]:
    dialogs, messages = [], []
    for channel in channels:
        top = channel.top_id
        dialogs.append(
            types.Dialog(
                peer=types.PeerChannel(channel.channel_id),
                top_message=top,
                read_inbox_max_id=top,
                read_outbox_max_id=top,
                unread_count=0,
                unread_mentions_count=0,
                unread_reactions_count=0,
                unread_poll_votes_count=0,
                notify_settings=types.PeerNotifySettings(),
                pts=channel.pts,
            )
        )
        if top:
            messages.append(show_message(simulator, account, channel, top))
    return {
        "dialogs": dialogs,
        "messages": messages,
        "chats": [show_channel(account, channel) for channel in channels],
        "users": [],
    }


def resolve_username(call: Call) -> TLObject:
    """A public channel's id and access hash; counts against the limit of look-ups."""
    account = call.account
    gate = account.gates.get(FloodScope.RESOLVE)
    if gate is not None:
        gate.check(call.arrival.monotonic)
        gate.take(call.arrival.monotonic)
    username = call.request.username.removeprefix("@")
    if not check_username(username):
        raise RpcFailure(400, "USERNAME_INVALID")
    channel = call.simulator.channels.find_username(username)
    if channel is None:
        raise RpcFailure(400, "USERNAME_NOT_OCCUPIED")
    peer = types.PeerChannel(channel.channel_id)
    return types.contacts.ResolvedPeer(peer=peer, chats=[show_channel(account, channel)], users=[])


def get_channels(call: Call) -> TLObject:
    """Channels by id and access hash."""
    account = call.account
    found = [find_peer_channel(call.simulator, account, given) for given in call.request.id]
    return types.messages.Chats([show_channel(account, channel) for channel in found])


def get_full_channel(call: Call) -> TLObject:
    """The one place where Telegram says how many seconds the slow mode has, and for certain how many members."""
    account = call.account
    channel = find_peer_channel(call.simulator, account, call.request.channel)
    full = types.ChannelFull(
        id=channel.channel_id,
        about="",
        read_inbox_max_id=channel.top_id,
        read_outbox_max_id=channel.top_id,
        unread_count=0,
        chat_photo=types.PhotoEmpty(0),
        notify_settings=types.PeerNotifySettings(),
        bot_info=[],
        pts=channel.pts,
        can_view_participants=channel.right_of(account.index) is Right.POST,
        participants_count=channel.members,
        slowmode_seconds=channel.slow_mode or None,
    )
    return types.messages.ChatFull(full_chat=full, chats=[show_channel(account, channel)], users=[])


METHODS: Final[dict[type, Method]] = {
    functions.messages.GetDialogsRequest: get_dialogs,
    functions.contacts.ResolveUsernameRequest: resolve_username,
    functions.channels.GetChannelsRequest: get_channels,
    functions.channels.GetFullChannelRequest: get_full_channel,
}
