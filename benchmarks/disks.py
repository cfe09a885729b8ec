"""A slower disk than the machine has, for all servers that are started within a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import psycopg
from sqlalchemy import URL

_EXTRA: ContextVar[float] = ContextVar("extra milliseconds for each flush", default=0.0)


@contextmanager
def slow_disk(milliseconds: float) -> Iterator[None]:
    """Each flush of PostgreSQL's log takes so much longer, commits that wait for the same one together."""
    token = _EXTRA.set(milliseconds)
    try:
        yield
    finally:
        _EXTRA.reset(token)


def slow_down(url: URL) -> None:
    """Make a new server of ours as slow as the block wants it: `commit_delay` sleeps before the flush.

    It does so with however few others at work, as `commit_siblings` is 0.
    """
    extra = _EXTRA.get()
    if not extra:
        return
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET commit_siblings = 0")
        connection.execute(f"ALTER SYSTEM SET commit_delay = {round(extra * 1000)}")
        connection.execute("SELECT pg_reload_conf()")
