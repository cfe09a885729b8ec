"""Who is behind a session, as Telegram describes its own users."""

from telethon.tl.types import User

from vestnik.domain.transport import Identity


def read_identity(user: User) -> Identity:
    """The user's id and a name to show, which is never a phone number."""
    name = " ".join(part for part in (user.first_name, user.last_name) if part)
    return Identity(tg_id=user.id, name=name or user.username or str(user.id), is_bot=bool(user.bot))
