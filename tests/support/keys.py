"""Keys for services that store secrets."""

from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.secret_rows import hold_keys
from vestnik.db.secrets import KeyRing, OpenKeys, StoredKeys


def lend(ring: KeyRing) -> OpenKeys:
    """Always the same ones, which nobody changes."""

    async def open_keys(_session: AsyncSession) -> KeyRing:
        return ring

    return open_keys


def keep_keys(data_dir: Path) -> OpenKeys:
    """Those of the key file in a folder, which is made when it is needed, as an installation has them."""
    return partial(hold_keys, keys=StoredKeys(None, data_dir))
