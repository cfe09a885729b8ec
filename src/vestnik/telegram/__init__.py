"""The Telethon transport, session strings and the meaning of Telegram's errors."""
