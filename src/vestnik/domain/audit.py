"""What audit entries say of very many things at once."""

from collections.abc import Sequence
from typing import Any, Final

MOST_NAMED: Final = 100
"""An entry about a hundred thousand channels must stay one that can be read."""


def name_channels(first: Sequence[str], total: int) -> dict[str, Any]:
    """The first names of so many channels, and how many there are beside them."""
    named = list(first[:MOST_NAMED])
    return {"channel_names": named, "more_channels": total - len(named)}
