"""A PostgreSQL server of our own, for those who do not bring one.

`EmbeddedPostgres` joins the server of a data directory and starts it if need be, `attach` only joins a running
one. A guard process owns the server and stops it when the last command is gone; docs of the parts: layout,
guard, client.
"""

from vestnik.db.embedded.address import ServerAddress
from vestnik.db.embedded.client import EmbeddedPostgres, attach, is_running

__all__ = ["EmbeddedPostgres", "ServerAddress", "attach", "is_running"]
