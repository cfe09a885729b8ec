"""Which channels a page asks for, as its address says it; the same words as the API's."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from vestnik.console.pages import LONGEST_SEARCH
from vestnik.services.channel_views import ChannelQuery

EXPORT: Final = "/api/channels/export"
_ACTIVITY: Final[Mapping[str, bool]] = {"true": True, "false": False}
_LONGEST_CODE: Final = 100


def read_channel_query(values: Mapping[str, str]) -> ChannelQuery:
    """Of an address or a form; what makes no sense counts as not asked for."""
    return ChannelQuery(
        search=values.get("search", "").strip()[:LONGEST_SEARCH] or None,
        active=_ACTIVITY.get(values.get("active", "")),
        error=values.get("error", "").strip()[:_LONGEST_CODE] or None,
    )


def write_channel_query(wanted: ChannelQuery) -> dict[str, str]:
    """For an address or hidden fields."""
    words = {
        "search": wanted.search,
        "active": None if wanted.active is None else str(wanted.active).lower(),
        "error": wanted.error,
    }
    return {name: word for name, word in words.items() if word is not None}


def make_address(path: str, wanted: ChannelQuery) -> str:
    """A path with the query behind it."""
    query = urlencode(write_channel_query(wanted))
    return f"{path}?{query}" if query else path
