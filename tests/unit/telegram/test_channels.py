from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from telethon.tl import types
from telethon.tl.types.messages import DialogsSlice

from vestnik.content.images import read_image
from vestnik.domain.rights import PostKind
from vestnik.domain.transport import Peer
from vestnik.simulator.pictures import SIDE, make_thumbnail
from vestnik.telegram.channels import (
    SHORTEST_SLOW_MODE,
    list_new_dialogs,
    read_channel,
    read_dialog_channels,
    read_next_offset,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def channel(channel_id: int = 1, *, broadcast: bool = True, **flags: Any) -> Any:
    fields: dict[str, Any] = {
        "access_hash": 100 + channel_id,
        "megagroup": not broadcast,
        "username": f"name{channel_id}",
        "photo": types.ChatPhotoEmpty(),
    }
    return types.Channel(
        id=channel_id,
        title=f"Channel {channel_id}",
        date=NOW,
        broadcast=broadcast,
        **(fields | flags),
    )


def banned(**rights: bool) -> Any:
    return types.ChatBannedRights(until_date=None, **rights)


POSTER = types.ChatAdminRights(post_messages=True)
OTHER_ADMIN = types.ChatAdminRights(ban_users=True)


def test_a_channel_is_described_with_what_addresses_it():
    known = read_channel(channel(7, admin_rights=POSTER))
    assert known is not None
    assert known.peer == Peer(tg_id=7, access_hash=107)
    assert (known.username, known.title, known.can_post, known.slow_mode) == (
        "name7",
        "Channel 7",
        True,
        None,
    )


@pytest.mark.parametrize(
    ("chat", "can_post"),
    [
        (channel(creator=True), True),
        (channel(admin_rights=POSTER), True),
        (channel(admin_rights=OTHER_ADMIN), False),
        (channel(), False),
        (channel(creator=True, left=True), False),
        (channel(admin_rights=POSTER, left=True), False),
        (channel(broadcast=False), True),
        (channel(broadcast=False, left=True), False),
        (channel(broadcast=False, default_banned_rights=banned(send_messages=True)), False),
        (channel(broadcast=False, default_banned_rights=banned(send_media=True)), True),
        (channel(broadcast=False, banned_rights=banned(send_messages=True)), False),
        (channel(broadcast=False, banned_rights=banned(view_messages=True)), False),
        (
            channel(
                broadcast=False, admin_rights=OTHER_ADMIN, default_banned_rights=banned(send_messages=True)
            ),
            True,
        ),
        (channel(broadcast=False, creator=True, default_banned_rights=banned(send_messages=True)), True),
        (channel(broadcast=False, megagroup=True, gigagroup=True), False),
        (channel(broadcast=False, megagroup=True, gigagroup=True, admin_rights=OTHER_ADMIN), True),
    ],
)
def test_who_can_post_follows_from_the_rights(chat, can_post):
    known = read_channel(chat)
    assert known is not None
    assert known.can_post is can_post


def test_a_forbidden_channel_is_known_as_one_that_takes_no_post():
    known = read_channel(types.ChannelForbidden(id=3, access_hash=4, title="Gone", broadcast=True))
    assert known is not None
    assert (known.peer, known.username, known.can_post) == (Peer(tg_id=3, access_hash=4), None, False)


@pytest.mark.parametrize(
    "chat",
    [
        channel(min=True),
        channel(access_hash=None),
        channel(broadcast=False, megagroup=False),
        types.Chat(
            id=1, title="Group", photo=types.ChatPhotoEmpty(), participants_count=2, date=NOW, version=1
        ),
        types.ChatForbidden(id=1, title="Group"),
        types.ChatEmpty(id=1),
    ],
)
def test_what_cannot_be_addressed_as_a_channel_is_left_out(chat):
    assert read_channel(chat) is None


@pytest.mark.parametrize(
    ("chat", "slow_mode"),
    [
        (channel(broadcast=False, slowmode_enabled=True), SHORTEST_SLOW_MODE),
        (channel(broadcast=False, slowmode_enabled=True, admin_rights=OTHER_ADMIN), None),
        (channel(broadcast=False, slowmode_enabled=True, creator=True), None),
        (channel(broadcast=False), None),
    ],
)
def test_slow_mode_binds_members_and_not_administrators(chat, slow_mode):
    known = read_channel(chat)
    assert known is not None
    assert known.slow_mode == slow_mode


def test_a_channel_with_collectible_names_shows_the_first_active_one():
    names = [
        types.Username(username="old", active=False),
        types.Username(username="first", active=True),
        types.Username(username="second", active=True),
    ]
    known = read_channel(channel(username=None, usernames=names))
    assert known is not None
    assert known.username == "first"


def dialog(peer: Any, top_message: int) -> Any:
    return types.Dialog(
        peer=peer,
        top_message=top_message,
        read_inbox_max_id=0,
        read_outbox_max_id=0,
        unread_count=0,
        unread_mentions_count=0,
        unread_reactions_count=0,
        unread_poll_votes_count=0,
        notify_settings=types.PeerNotifySettings(),
    )


def message(peer: Any, message_id: int, minutes: int) -> Any:
    return types.Message(id=message_id, peer_id=peer, message="", date=NOW - timedelta(minutes=minutes))


def make_page(
    *,
    dialogs: Iterable[Any],
    messages: Iterable[Any] = (),
    chats: Iterable[Any] = (),
    users: Iterable[Any] = (),
) -> Any:
    return DialogsSlice(
        count=99, dialogs=list(dialogs), messages=list(messages), chats=list(chats), users=list(users)
    )


def test_channels_that_are_only_mentioned_have_no_dialog():
    dialogs = [dialog(types.PeerChannel(1), 5), dialog(types.PeerUser(2), 6)]
    found = list(read_dialog_channels(dialogs, [channel(1), channel(2), channel(3)]))
    assert [known.peer.tg_id for known in found] == [1]


def test_the_next_page_begins_after_the_last_dialog_with_a_message():
    peers = [types.PeerChannel(1), types.PeerUser(2), types.PeerChat(3)]
    page = make_page(
        dialogs=[dialog(peer, 10 + position) for position, peer in enumerate(peers)],
        messages=[message(peers[0], 10, 1), message(peers[1], 11, 2)],
        chats=[channel(1)],
        users=[types.User(id=2, access_hash=22)],
    )
    offset = read_next_offset(page)
    assert offset is not None
    date, message_id, peer = offset
    assert (date, message_id) == (NOW - timedelta(minutes=2), 11)
    assert isinstance(peer, types.InputPeerUser)
    assert (peer.user_id, peer.access_hash) == (2, 22)


def test_the_same_message_id_in_another_chat_is_not_mixed_up():
    here, there = types.PeerChannel(1), types.PeerChannel(2)
    page = make_page(
        dialogs=[dialog(here, 10)],
        messages=[message(there, 10, 50), message(here, 10, 1)],
        chats=[channel(1), channel(2)],
    )
    offset = read_next_offset(page)
    assert offset is not None
    assert offset[0] == NOW - timedelta(minutes=1)
    assert isinstance(offset[2], types.InputPeerChannel)
    assert (offset[2].channel_id, offset[2].access_hash) == (1, 101)


def test_a_page_without_messages_has_no_next_one():
    assert read_next_offset(make_page(dialogs=[dialog(types.PeerChannel(1), 10)])) is None


def test_a_message_that_is_not_there_any_more_stands_for_no_dialog():
    gone, there = types.PeerChannel(1), types.PeerChannel(2)
    page = make_page(
        dialogs=[dialog(there, 10), dialog(gone, 10)],
        messages=[message(there, 10, 1), types.MessageEmpty(id=10, peer_id=None)],
        chats=[channel(1), channel(2)],
    )
    offset = read_next_offset(page)
    assert offset is not None
    assert isinstance(offset[2], types.InputPeerChannel)
    assert offset[2].channel_id == 2


def test_a_page_that_repeats_earlier_dialogs_brings_nothing_new():
    seen: set[tuple[str, int]] = set()
    page = make_page(dialogs=[dialog(types.PeerChannel(1), 10), dialog(types.PeerUser(1), 11)])
    assert len(list_new_dialogs(page, seen)) == 2
    assert list_new_dialogs(page, seen) == []


class TestRightsAndPicture:
    """What a sync keeps beside the address."""

    def test_what_a_member_may_not_post_is_told_and_administrators_may_post_all(self):
        rules = banned(send_photos=True, send_polls=True)
        member = read_channel(channel(broadcast=False, default_banned_rights=rules))
        assert member is not None
        assert member.forbidden == {PostKind.PHOTOS}
        alone = read_channel(
            channel(broadcast=False, banned_rights=banned(send_media=True), default_banned_rights=rules)
        )
        assert alone is not None
        assert alone.forbidden == {PostKind.PHOTOS, PostKind.MEDIA}
        boss = read_channel(channel(broadcast=False, admin_rights=OTHER_ADMIN, default_banned_rights=rules))
        assert boss is not None
        assert boss.forbidden == frozenset()

    def test_all_names_of_a_channel_are_known_and_inactive_ones_are_none(self):
        names = [
            types.Username("first", active=True),
            types.Username("old"),
            types.Username("second", active=True),
        ]
        known = read_channel(channel(username=None, usernames=names))
        assert known is not None
        assert (known.username, known.names) == ("first", ("first", "second"))

    def test_a_thumbnail_becomes_a_whole_jpeg(self):
        photo = types.ChatPhoto(photo_id=1, dc_id=2, stripped_thumb=make_thumbnail(7))
        known = read_channel(channel(photo=photo))
        assert known is not None
        assert known.picture is not None
        image = read_image(BytesIO(known.picture))
        assert image is not None
        assert (image.mime_type, image.width, image.height) == ("image/jpeg", SIDE, SIDE)

    @pytest.mark.parametrize("stripped", [None, b"", b"\x01", b"\x02" * 99, b"\x01" + b"x" * 2048])
    def test_what_is_no_thumbnail_or_too_large_is_left_out(self, stripped):
        known = read_channel(channel(photo=types.ChatPhoto(1, 2, stripped_thumb=stripped)))
        assert known is not None
        assert known.picture is None

    @pytest.mark.parametrize("name", ["abc", "", "with-dash", "x" * 33])
    def test_a_name_that_none_of_ours_could_have_is_none(self, name):
        known = read_channel(channel(username=name))
        assert known is not None
        assert (known.username, known.names) == (None, ())
