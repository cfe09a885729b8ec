"""help, users, updates, auth: what a client asks before it does anything."""

import time
from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.domain.limits import MAX_CAPTION_UTF16, MAX_TEXT_UTF16
from vestnik.simulator.calls import Call, Method
from vestnik.simulator.endpoint import SIMULATED_DC
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.methods.views import find_peer_channel, show_user


def get_config(call: Call) -> TLObject:
    """Figures as Telegram gives them, and the data centres of this simulator: no client wanders off."""
    now = int(call.arrival.wall)
    return types.Config(
        date=now,
        expires=now + 3600,
        test_mode=False,
        this_dc=call.key.dc_id,
        dc_options=[
            types.DcOption(dc_id, host, port) for dc_id, (host, port) in call.simulator.data_centres.items()
        ],
        dc_txt_domain_name="",
        chat_size_max=200,
        megagroup_size_max=200_000,
        forwarded_count_max=100,
        online_update_period_ms=210_000,
        offline_blur_timeout_ms=5_000,
        offline_idle_timeout_ms=30_000,
        online_cloud_timeout_ms=300_000,
        notify_cloud_delay_ms=30_000,
        notify_default_delay_ms=1_500,
        push_chat_period_ms=60_000,
        push_chat_limit=2,
        edit_time_limit=172_800,
        revoke_time_limit=2**31 - 1,
        revoke_pm_time_limit=2**31 - 1,
        rating_e_decay=2_419_200,
        stickers_recent_limit=200,
        channels_read_media_period=604_800,
        call_receive_timeout_ms=20_000,
        call_ring_timeout_ms=90_000,
        call_connect_timeout_ms=30_000,
        call_packet_timeout_ms=10_000,
        me_url_prefix="https://t.me/",
        caption_length_max=MAX_CAPTION_UTF16,
        message_length_max=MAX_TEXT_UTF16,
        webfile_dc_id=SIMULATED_DC,
    )


def get_users(call: Call) -> TLObject:
    """Ourselves, or other accounts of this server."""
    account = call.account
    found = []
    for given in call.request.id:
        if isinstance(given, types.InputUserSelf):
            found.append(account)
            continue
        if not isinstance(given, types.InputUser):
            raise RpcFailure(400, "USER_ID_INVALID")
        other = next((entry for entry in call.simulator.accounts if entry.user_id == given.user_id), None)
        if other is None or given.access_hash != account.access_hash("user", given.user_id):
            raise RpcFailure(400, "USER_ID_INVALID")
        found.append(other)
    return [show_user(account, entry) for entry in found]


def get_state(call: Call) -> TLObject:
    """A state in which nothing ever happens: updates are not pushed."""
    call.require_login()
    return types.updates.State(pts=1, qts=0, date=int(time.time()), seq=1, unread_count=0)


def get_difference(call: Call) -> TLObject:
    """Always empty."""
    call.require_login()
    return types.updates.DifferenceEmpty(date=int(time.time()), seq=1)


def get_channel_difference(call: Call) -> TLObject:
    """Always empty, up to the channel's present count."""
    channel = find_peer_channel(call.simulator, call.account, call.request.channel)
    return types.updates.ChannelDifferenceEmpty(pts=channel.pts, final=True)


def log_out(call: Call) -> TLObject:
    """End this key's session; later requests under it are AUTH_KEY_UNREGISTERED."""
    call.require_login()
    call.key.log_out()
    return types.auth.LoggedOut()


METHODS: Final[dict[type, Method]] = {
    functions.help.GetConfigRequest: get_config,
    functions.users.GetUsersRequest: get_users,
    functions.updates.GetStateRequest: get_state,
    functions.updates.GetDifferenceRequest: get_difference,
    functions.updates.GetChannelDifferenceRequest: get_channel_difference,
    functions.auth.LogOutRequest: log_out,
}
