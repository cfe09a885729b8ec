"""Addresses that Telegram takes for links."""

import re
from typing import Final

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HTTP: Final = re.compile(r"https?://(?:[^\s/?#\\@{}]+)(?:[/?#]|$)", re.IGNORECASE)
_LOCAL: Final = re.compile(r"tg://[A-Za-z0-9_-]+(?:[/?]|$)", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s")
_USER: Final = re.compile(r"tg://user\?id=([0-9]{1,19})", re.IGNORECASE)
_EMOJI: Final = re.compile(r"tg://emoji\?id=([0-9]{1,19})", re.IGNORECASE)
MAX_ID: Final = 2**63 - 1


def find_url_problem(url: str) -> str | None:
    """Why the address of a link cannot be used, with the cure; None if it can.

    Variables may stand after the host only: a channel's title must not choose where readers are led.
    """
    if not url:
        return "the link has no address; write one that begins with https://"
    if _SPACE.search(url):
        return "the link's address holds a blank; write %20 for it"
    scheme = _SCHEME.match(url)
    if scheme is None:
        return "the link's address must begin with https:// (or http://, tg://, mailto:, tel:)"
    return _find_scheme_problem(url, scheme[1].lower(), url[scheme.end() :])


def _find_scheme_problem(url: str, scheme: str, rest: str) -> str | None:
    match scheme:
        case "http" | "https" if not _HTTP.match(url):
            return "the link's address needs a host such as https://example.org, without variables or @ in it"
        case "tg" if not _LOCAL.match(url):
            return "the link's address is none of Telegram's: those look like tg://resolve?domain=name"
        case "mailto" | "tel" if not rest:
            return f"nothing comes after {scheme}: in the link's address"
        case "http" | "https" | "tg" | "mailto" | "tel":
            return None
        case _:
            return f"links with {scheme}: are not allowed; use https://, http://, tg://, mailto: or tel:"


def find_user_id(url: str) -> int | None:
    """Whom `tg://user?id=…` mentions (core.telegram.org/bots/api#formatting-options)."""
    return _read_id(_USER, url)


def find_emoji_id(url: str) -> int | None:
    """Which custom emoji `tg://emoji?id=…` names, as MarkdownV2 writes it."""
    return _read_id(_EMOJI, url)


def read_id(text: str) -> int | None:
    """A positive 64-bit number; None if it is not one."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    number = int(text)
    return number if 0 < number <= MAX_ID else None


def _read_id(pattern: re.Pattern[str], url: str) -> int | None:
    match = pattern.fullmatch(url)
    return None if match is None else read_id(match[1])
