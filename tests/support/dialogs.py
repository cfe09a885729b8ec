"""All pages of an account's dialogs at once."""

from vestnik.domain.transport import KnownChannel, Transport


async def read_dialogs(transport: Transport) -> list[KnownChannel]:
    """The channels of every page, in their order."""
    return [channel async for page in transport.list_channels() for channel in page]
