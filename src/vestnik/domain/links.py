"""Links to posts, as Telegram's applications open them."""


def link_post(username: str | None, tg_id: int | None, message_id: int) -> str | None:
    """The address of a post; None where the channel has no name and its number is not known.

    `https://t.me/c/` links work for those who are in the channel. Source: core.telegram.org/api/links.
    """
    if username is not None:
        return f"https://t.me/{username}/{message_id}"
    return None if tg_id is None else f"https://t.me/c/{tg_id}/{message_id}"
