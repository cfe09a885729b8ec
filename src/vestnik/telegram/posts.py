"""The request that posts a content: a text, a text with a shaped preview, or a file with a caption.

Sources: https://core.telegram.org/method/messages.sendMessage and sendMedia, and
https://core.telegram.org/constructor/inputMediaWebPage (`optional`: no error where no page is found).
"""

from typing import Any

from telethon.tl.functions.messages import SendMediaRequest, SendMessageRequest
from telethon.tl.tlobject import TLObject, TLRequest
from telethon.tl.types import InputMediaWebPage

from vestnik.content import find_first_link
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
    }
    if content.files:
        (uploaded,) = content.uploaded
        return SendMediaRequest(media=make_input_media(uploaded), **common)
    is_above = options.link_preview_position is PreviewPosition.ABOVE
    common["invert_media"] = (options.link_preview and is_above) or None
    page = _make_page(content)
    if page is not None:
        return SendMediaRequest(media=page, **common)
    return SendMessageRequest(no_webpage=not options.link_preview, **common)


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
