"""The request that posts a content: a text, a text with a shaped preview, a file with a caption, or an album.

Sources: https://core.telegram.org/method/messages.sendMessage, sendMedia, sendMultiMedia, and
https://core.telegram.org/constructor/inputMediaWebPage (`optional`: no error where no page is found).
"""

from typing import Any

from telethon.tl.functions.messages import (
    SendMediaRequest,
    SendMessageRequest,
    SendMultiMediaRequest,
)
from telethon.tl.tlobject import TLObject, TLRequest
from telethon.tl.types import (
    InlineButtonTypeUrl,
    InputMediaWebPage,
    InputSingleMedia,
    KeyboardInlineButton,
    KeyboardInlineButtonRow,
    ReplyInlineMarkup,
)

from vestnik.content import find_first_link
from vestnik.domain.albums import derive_random_ids
from vestnik.domain.posting import PreviewPosition, PreviewSize
from vestnik.domain.transport import Content
from vestnik.telegram.entities import make_entities
from vestnik.telegram.media import make_input_media


def make_post(peer: TLObject, content: Content, random_id: int) -> TLRequest:
    """What posts the content, whose files are uploaded."""
    options = content.options
    common: dict[str, Any] = {
        "peer": peer,
        "message": content.text,
        "entities": make_entities(content.entities),
        "random_id": random_id,
        "silent": options.silent or None,
        "noforwards": options.protect_content or None,
        "reply_markup": _make_buttons(content),
    }
    if len(content.files) > 1:
        return _make_album(content, common)
    if content.files:
        (uploaded,) = content.uploaded
        return SendMediaRequest(media=make_input_media(uploaded), **common)
    is_above = options.link_preview_position is PreviewPosition.ABOVE
    common["invert_media"] = (options.link_preview and is_above) or None
    page = _make_page(content)
    if page is not None:
        return SendMediaRequest(media=page, **common)
    return SendMessageRequest(no_webpage=not options.link_preview, **common)


def _make_album(content: Content, common: dict[str, Any]) -> TLRequest:
    """The text is the caption of the first file, which stands for the album where readers see one caption."""
    random_ids = derive_random_ids(common.pop("random_id"), len(content.files))
    text, entities = common.pop("message"), common.pop("entities")
    del common["reply_markup"]  # an album has none
    items = [
        InputSingleMedia(
            media=make_input_media(uploaded),
            random_id=random_id,
            message=text if place == 0 else "",
            entities=entities if place == 0 else None,
        )
        for place, (uploaded, random_id) in enumerate(zip(content.uploaded, random_ids, strict=True))
    ]
    return SendMultiMediaRequest(multi_media=items, **common)


def _make_buttons(content: Content) -> TLObject | None:
    if not content.buttons:
        return None
    return ReplyInlineMarkup(
        [
            KeyboardInlineButtonRow(
                [KeyboardInlineButton(button.text, InlineButtonTypeUrl(button.url)) for button in row]
            )
            for row in content.buttons
        ]
    )


def _make_page(content: Content) -> TLObject | None:
    """The preview of a link where its size is chosen: only a named address can have one."""
    options = content.options
    if not options.link_preview or options.link_preview_size is None:
        return None
    url = find_first_link(content.text, content.entities)
    if url is None:
        return None
    return InputMediaWebPage(
        url,
        force_large_media=options.link_preview_size is PreviewSize.LARGE or None,
        force_small_media=options.link_preview_size is PreviewSize.SMALL or None,
        optional=True,
    )
