"""A benchmark's servers are as slow as it wants them, and no others."""

import psycopg
import pytest

from benchmarks.disks import slow_disk
from benchmarks.peers.places import open_postgres
from benchmarks.system import open_database


def read_delay(address: str) -> list[str]:
    with psycopg.connect(address) as connection:
        names = ("commit_delay", "commit_siblings", "fsync")
        return [row[0] for name in names for row in connection.execute(f"SHOW {name}")]


@pytest.mark.parametrize(("extra", "expected"), [(1.0, ["1000", "0", "on"]), (0.0, ["0", "5", "on"])])
def test_servers_within_the_block_flush_more_slowly(extra: float, expected: list[str]) -> None:
    with slow_disk(extra), open_postgres() as address:
        assert read_delay(address) == expected
    with slow_disk(extra), open_database() as (_, url):
        assert read_delay(url.set(drivername="postgresql").render_as_string(hide_password=False)) == expected
