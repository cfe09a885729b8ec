"""A file at an address for somebody who waits for it: fetched and checked, or refused in words."""

import asyncio

from vestnik.db.media_intake import ReceivedMedia, receive_media
from vestnik.delivery.fetching import FetchError, open_address
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media_store import MediaStore


async def receive_address(store: MediaStore, url: str, kind: str, *, within: float) -> ReceivedMedia:
    """The file, whose bytes are kept and which nothing names yet; `within` is in seconds.

    Raises InvalidInputError (field media_url), MediaStoreError.
    """
    try:
        async with asyncio.timeout(within), open_address(url) as found:
            return await receive_media(store, found.chunks, kind=kind, name=found.name or kind)
    except TimeoutError as exc:
        raise InvalidInputError(
            f"the file at the address did not come within {within:g} s", field="media_url"
        ) from exc
    except (FetchError, InvalidInputError) as exc:
        raise InvalidInputError(
            f"the file at the address cannot be posted: {exc.message}", field="media_url"
        ) from exc
