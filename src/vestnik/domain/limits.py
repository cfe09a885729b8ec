"""Limits that Telegram sets, counted as Telegram counts them."""

MAX_TEXT_UTF16 = 4096
MAX_CAPTION_UTF16 = 1024


def count_utf16(text: str) -> int:
    """The length of a text in UTF-16 units: characters beyond the basic plane count twice."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
