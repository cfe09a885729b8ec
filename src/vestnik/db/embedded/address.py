"""How to reach the database."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """`host` is the folder of the Unix socket (absolute), or an IP address on Windows."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dbname: str

    @property
    def url(self) -> str:
        """For SQLAlchemy with psycopg, everything quoted; holds the password."""
        return self._build_url("postgresql+psycopg")

    @property
    def dsn(self) -> str:
        """For libpq: psycopg.connect, psql; holds the password."""
        return self._build_url("postgresql")

    def _build_url(self, scheme: str) -> str:
        account = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        place = urlencode({"host": self.host, "port": self.port}, quote_via=quote)
        return f"{scheme}://{account}@/{quote(self.dbname, safe='')}?{place}"
