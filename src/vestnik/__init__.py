"""Vestnik broadcasts posts to Telegram channels from a PostgreSQL queue, at an exact pace."""

__version__ = "0.1.0"
