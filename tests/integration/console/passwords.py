"""Real hashes, each made once in a process: one takes 46 MiB and a twentieth of a second.

Whether a password fits a hash is the same whenever it is asked, and everybody whom a test adds has the same
password. Any other password gets a new hash each time.
"""

from functools import cache

import pytest

from tests.integration.api.signing_in import PASSWORD
from vestnik.services import credentials

_hash = credentials._hash
_hash_usual = cache(_hash)
_verify = cache(credentials._verify)


def hash_usual_once(password: str) -> str:
    return _hash_usual(password) if password == PASSWORD else _hash(password)


def remember_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the rest of the test."""
    monkeypatch.setattr(credentials, "_hash", hash_usual_once)
    monkeypatch.setattr(credentials, "_verify", _verify)
