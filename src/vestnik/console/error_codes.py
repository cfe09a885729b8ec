"""What the error codes of posts mean, in one sentence for an editor; see docs/reference/telegram-errors.md."""

import re
from collections.abc import Mapping
from typing import Final

from vestnik.console.marking import mark

_TRY_LATER: Final = mark("Telegram had trouble of its own.")
_NO_ANSWER: Final = mark("Telegram did not answer.")
_NO_POSTING: Final = mark("The account may not post in the channel.")
_NOT_A_CHANNEL: Final = mark(
    "Posts cannot go there: it is not a channel, or it belongs to another kind of chat."
)
_PERSON: Final = mark("It is a person or a bot who does not take posts from the account, not a channel.")
_LOGIN: Final = mark("Telegram no longer accepts the account's login; somebody has to log in again.")
_DELETED: Final = mark("Telegram has deleted the account.")
_API_ID: Final = mark(
    "Telegram does not accept the application's API id; whoever looks after Vestnik must check it."
)
_RESTRICTED: Final = mark("Telegram has restricted the account.")
_BAD_FILE: Final = mark("Telegram cannot use the file of the post; choose another one.")
_FILE_AGAIN: Final = mark("Telegram did not keep the file of the post; it is uploaded again by itself.")
_FORMATTING: Final = mark("Telegram does not take the formatting of the text.")
_CONTENT: Final = mark("Telegram does not take the post as it is; correct it.")
_ADDRESS: Final = mark(
    "Telegram does not know the channel by its stored address; it is looked up again by itself."
)
_WAIT: Final = mark("Telegram asked the account to wait.")
_PAYMENT: Final = mark("Posting there has to be paid for, which Vestnik does not do.")

_MEANINGS: Final = (
    # -- Telegram's, tried again
    (
        _TRY_LATER,
        """RPC_CALL_FAIL RPC_MCGET_FAIL INTERDC_CALL_ERROR INTERDC_CALL_RICH_ERROR WORKER_BUSY_TOO_LONG_RETRY
        MSG_WAIT_FAILED MSG_WAIT_TIMEOUT POSTPONED_TIMEOUT STORAGE_CHECK_FAILED NO_WORKERS_RUNNING
        MSGID_DECREASE_RETRY PERSISTENT_TIMESTAMP_OUTDATED AUTH_KEY_UNSYNCHRONIZED FLOOD_SKIP_FAILED_WAIT
        PHOTO_SAVE_FILE_INVALID BAD_MESSAGE REQUEST_UNSUCCESSFUL UNEXPECTED UNKNOWN""",
    ),
    (_NO_ANSWER, "TIMEOUT TIMEDOUT"),
    (mark("Telegram has the post already."), "RANDOM_ID_DUPLICATE"),
    (_WAIT, "FLOOD_WAIT FLOOD_PREMIUM_WAIT"),
    (mark("The channel is in slow mode."), "SLOWMODE_WAIT"),
    (
        _FILE_AGAIN,
        """FILE_REFERENCE_EXPIRED FILE_REFERENCE_EMPTY FILE_REFERENCE_INVALID FILE_PART_MISSING FILE_PARTS_INVALID
        FILE_PART_SIZE_CHANGED MD5_CHECKSUM_INVALID INPUT_FILE_INVALID""",
    ),
    (_ADDRESS, "CHANNEL_INVALID PEER_ID_INVALID CHAT_ID_INVALID"),
    # -- the channel
    (mark("The channel is private, or the account was removed from it."), "CHANNEL_PRIVATE"),
    (mark("The account is not an administrator of the channel."), "CHAT_ADMIN_REQUIRED"),
    (_NO_POSTING, "CHAT_WRITE_FORBIDDEN CHAT_RESTRICTED CHAT_FORBIDDEN CHAT_GUEST_SEND_FORBIDDEN"),
    (mark("The account is banned from the channel."), "USER_BANNED_IN_CHANNEL"),
    (
        _NOT_A_CHANNEL,
        """CHANNEL_PUBLIC_GROUP_NA CHANNEL_MONOFORUM_UNSUPPORTED TOPIC_CLOSED TOPIC_DELETED SEND_AS_PEER_INVALID
        SUGGESTED_POST_PEER_INVALID CHAT_FORWARDS_RESTRICTED REPLY_MESSAGE_ID_INVALID MSG_ID_INVALID""",
    ),
    (_PAYMENT, "ALLOW_PAYMENT_REQUIRED PAYMENT_UNSUPPORTED"),
    (mark("The channel has as many scheduled posts as Telegram allows."), "SCHEDULE_TOO_MUCH"),
    (
        _PERSON,
        """USER_IS_BLOCKED YOU_BLOCKED_USER INPUT_USER_DEACTIVATED USER_IS_BOT PRIVACY_PREMIUM_REQUIRED
        PEER_BLOCKED NOT_A_CHANNEL""",
    ),
    (mark("Nobody has this username."), "USERNAME_NOT_OCCUPIED"),
    (mark("No channel can have this username."), "USERNAME_INVALID"),
    (mark("The channel does not take plain text."), "CHAT_SEND_PLAIN_FORBIDDEN"),
    (mark("The channel does not take pictures, films or other files."), "CHAT_SEND_MEDIA_FORBIDDEN"),
    (mark("The channel does not take photos."), "CHAT_SEND_PHOTOS_FORBIDDEN"),
    (mark("The channel does not take videos."), "CHAT_SEND_VIDEOS_FORBIDDEN CHAT_SEND_ROUNDVIDEOS_FORBIDDEN"),
    (
        mark("The channel does not take animations or stickers."),
        "CHAT_SEND_GIFS_FORBIDDEN CHAT_SEND_STICKERS_FORBIDDEN",
    ),
    (mark("The channel does not take music."), "CHAT_SEND_AUDIOS_FORBIDDEN"),
    (
        mark("The channel does not take voice messages."),
        "CHAT_SEND_VOICES_FORBIDDEN VOICE_MESSAGES_FORBIDDEN",
    ),
    (mark("The channel does not take documents."), "CHAT_SEND_DOCS_FORBIDDEN"),
    (
        mark("The channel does not take posts of this kind."),
        "CHAT_SEND_POLL_FORBIDDEN CHAT_SEND_GAME_FORBIDDEN",
    ),
    # -- the account
    (
        _LOGIN,
        """AUTH_KEY_UNREGISTERED AUTH_KEY_INVALID AUTH_KEY_PERM_EMPTY AUTH_KEY_NOT_FOUND SESSION_REVOKED
        SESSION_EXPIRED ACTIVE_USER_REQUIRED SESSION_MALFORMED USER_MIGRATE""",
    ),
    (
        mark(
            "Telegram ended the account's login because two programs used it at once; somebody has to log in again."
        ),
        "AUTH_KEY_DUPLICATED",
    ),
    (
        mark("The account's login was never finished: its two-step password is missing."),
        "SESSION_PASSWORD_NEEDED",
    ),
    (mark("Nobody has logged in with the account yet."), "NO_SESSION NOT_LOGGED_IN"),
    (_DELETED, "USER_DEACTIVATED USER_DEACTIVATED_BAN"),
    (_API_ID, "API_ID_INVALID API_ID_PUBLISHED_FLOOD"),
    (mark("Telegram has restricted the account for sending too much."), "PEER_FLOOD"),
    (_RESTRICTED, "FROZEN_METHOD_INVALID FROZEN_PARTICIPANT_MISSING USER_RESTRICTED"),
    (mark("The account does not have enough Telegram Stars."), "BALANCE_TOO_LOW"),
    # -- the post
    (mark("The text is empty."), "MESSAGE_EMPTY"),
    (mark("The text is longer than Telegram allows."), "MESSAGE_TOO_LONG"),
    (mark("The text beside the file is longer than Telegram allows."), "MEDIA_CAPTION_TOO_LONG"),
    (mark("The post has more files than Telegram allows."), "MULTI_MEDIA_TOO_LONG"),
    (_FORMATTING, "ENTITIES_TOO_LONG QUOTE_TEXT_INVALID EFFECT_ID_INVALID"),
    (
        _BAD_FILE,
        """MEDIA_EMPTY MEDIA_INVALID PHOTO_EXT_INVALID VIDEO_CONTENT_TYPE_INVALID DOCUMENT_INVALID
        EXTERNAL_URL_INVALID TTL_MEDIA_INVALID FILE_PART_EMPTY FILE_PART_INVALID FILE_PART_LENGTH_INVALID
        FILE_PART_SIZE_INVALID FILE_PART_TOO_BIG MEDIA_NOT_MADE""",
    ),
    (mark("Telegram does not take a photo of this width and height."), "PHOTO_INVALID_DIMENSIONS"),
    (mark("Telegram could not process the picture."), "IMAGE_PROCESS_FAILED"),
    (mark("Telegram could not open the address of a link or file in the post."), "WEBPAGE_CURL_FAILED"),
    (mark("The post needs an account with Telegram Premium."), "PREMIUM_ACCOUNT_REQUIRED"),
    (_CONTENT, "RANDOM_ID_EMPTY RANDOM_ID_INVALID REQUEST_NOT_SENDABLE"),
    (
        mark("The text cannot be posted in this channel: with the channel's title, say, it is too long."),
        "CONTENT_UNRENDERABLE",
    ),
    (mark("The file of the post cannot be read where posts are sent from."), "MEDIA_MISSING MEDIA_STORE"),
    (mark("The file of the post could not be fetched from its address."), "MEDIA_NOT_FETCHED"),
    # -- ours: the way to Telegram
    (
        mark("The connection to Telegram was lost."),
        "CONNECTION_LOST NOT_CONNECTED",
    ),
    (
        mark("Telegram could not be reached."),
        "CONNECT_FAILED KEY_EXCHANGE_FAILED TRANSPORT_FLOOD",
    ),
    (
        mark(
            "Telegram's answer could not be understood or trusted; the post is asked about again by itself."
        ),
        "ANSWER_NOT_UNDERSTOOD SECURITY_CHECK_FAILED",
    ),
    (mark("The simulator did not answer."), "SIMULATOR_UNAVAILABLE"),
    (mark("Vestnik's database did not answer."), "DATABASE_UNAVAILABLE"),
    (
        mark(
            "What is stored encrypted cannot be read here; whoever looks after Vestnik must give it its key."
        ),
        "SECRET_UNREADABLE",
    ),
    # -- ours: the post and its channel
    (mark("Nobody can tell whether the post arrived; it is never sent again by itself."), "UNKNOWN_OUTCOME"),
    (
        mark("Another entry of the campaign is the same channel, so it got the post once."),
        "DUPLICATE_CHANNEL",
    ),
    (mark("The channel was deactivated before its turn came."), "CHANNEL_INACTIVE"),
    (mark("The channel has no username and the account is not in it."), "PEER_NOT_FOUND"),
    (mark("The account was in the channel before and is not any more."), "CHANNEL_GONE"),
    (mark("The same post was in the channel before."), "SAME_CONTENT"),
    (
        mark("It was left out at the start, because the check before said that it would fail."),
        "SKIPPED_BY_PREFLIGHT",
    ),
    (
        mark("The account has used up its look-ups of names for today; the channel is looked up tomorrow."),
        "LOOKUPS_USED_UP",
    ),
    (mark("Telegram makes the account wait with looking up names."), "LOOKUPS_HELD"),
    (mark("It was interrupted too often; ask for it again."), "INTERRUPTED"),
    (mark("The campaign was deleted meanwhile."), "CAMPAIGN_GONE"),
    (mark("The post cannot be made as it is."), "CONTENT_ERROR"),
    (mark("Telegram gives the account no access to the channel."), "CHANNEL_NOT_ADDRESSABLE"),
    (mark("The channel could not be found on Telegram in time."), "CHANNEL_UNRESOLVED"),
    (mark("The channel stayed in slow mode for too long."), "CHANNEL_HELD"),
    (mark("The account was stopped before the post's turn came."), "ACCOUNT_BLOCKED"),
    (mark("Telegram made the account wait for too long."), "ACCOUNT_HELD"),
    (mark("No worker posts for the account."), "NO_WORKER"),
    (mark("The post's turn did not come in time."), "EXPIRED"),
)

ERROR_CODES: Final[Mapping[str, str]] = {
    code: meaning for meaning, codes in _MEANINGS for code in codes.split()
}

_FAMILIES: Final = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (r"(?:[A-Z]+_)+MIGRATE", _TRY_LATER),
        (r"USERNAME_.+", ERROR_CODES["USERNAME_NOT_OCCUPIED"]),
        (r"CHAT_SEND_.+_FORBIDDEN", ERROR_CODES["CHAT_SEND_POLL_FORBIDDEN"]),
        (r"ENTITY_.+", _FORMATTING),
        (
            r"(?:BUTTON|REPLY_MARKUP|POLL|QUIZ|WEBDOCUMENT|WEBPAGE|EXTENDED_MEDIA|REPLY_TO|SCHEDULE_DATE|BOT)_.+",
            _CONTENT,
        ),
        (r"(?:PAYMENT|INVOICE|CURRENCY|STARS|PROVIDER)_.+", _PAYMENT),
    )
)
"""Codes of which Telegram makes new ones."""


def find_meaning(code: str) -> str | None:
    """What a code means, in the language of the sources; None for one that nobody has listed."""
    known = ERROR_CODES.get(code)
    if known is not None:
        return known
    return next((meaning for pattern, meaning in _FAMILIES if pattern.fullmatch(code)), None)
