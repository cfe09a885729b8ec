"""Addresses of databases, as people write them."""

import pytest

from vestnik.db.engine import parse_database_url
from vestnik.domain.errors import ConfigurationError


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://news:can@ary@db.example:5432/news",
        "postgresql://news:c@a@nary@db.example/news",
        "postgresql://news:c@an/ary@db.example/news",
    ],
)
def test_a_password_that_was_not_escaped_is_not_taken_for_a_host(address: str) -> None:
    """What comes after its first @ would be looked up by name, and shown."""
    with pytest.raises(ConfigurationError, match="%40") as refused:
        parse_database_url(address)
    assert "ary" not in refused.value.message
    assert refused.value.field == "DATABASE_URL"


def test_an_escaped_password_is_read() -> None:
    url = parse_database_url("postgres://news:c%40n%2Fary@db.example/news?sslmode=require")
    assert (url.password, url.host, url.database) == ("c@n/ary", "db.example", "news")
