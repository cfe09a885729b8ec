"""A Telegram server on loopback that an unmodified Telethon connects to."""
