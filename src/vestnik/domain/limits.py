"""Limits that Telegram sets, counted as Telegram counts them."""

MAX_TEXT_UTF16 = 4096
MAX_CAPTION_UTF16 = 1024
DEFAULT_LOOKUPS_PER_DAY = 200
"""Usernames that one account looks up: the figure that the community names, as Telegram names none."""


def count_utf16(text: str) -> int:
    """The length of a text in UTF-16 units: characters beyond the basic plane count twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
