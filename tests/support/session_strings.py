"""Session strings of no account: each with a key of its own, in the layout of either library."""

import secrets

from vestnik.telegram.sessions import ParsedSession, SessionLayout, format_session


def make_session(
    key: bytes | None = None, *, layout: SessionLayout = SessionLayout.TELETHON, host: str = "149.154.167.51"
) -> str:
    """A well-formed string for data centre 2; a key of its own unless one is given."""
    return format_session(
        ParsedSession(
            layout=layout,
            dc_id=2,
            host=host,
            port=443,
            auth_key=key or secrets.token_bytes(256),
        )
    )


def make_key() -> bytes:
    """A key as Telegram agrees on one with a client."""
    return secrets.token_bytes(256)
