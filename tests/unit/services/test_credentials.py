"""Hashing of passwords: never much at once, and the same for however a letter is composed."""

import asyncio
import threading

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from vestnik.domain.errors import TooManyRequestsError
from vestnik.services import credentials
from vestnik.services.credentials import hash_password, hash_secret, make_cookie, make_token, verify_password


async def test_a_password_is_right_or_wrong() -> None:
    stored = await hash_password("three unusual words")
    assert (await verify_password(stored, "three unusual words")).is_right
    assert not (await verify_password(stored, "three unusual word")).is_right
    assert not (await verify_password(None, "three unusual words")).is_right
    assert not (await verify_password("no hash", "three unusual words")).is_right


async def test_the_hash_is_argon2id_as_owasp_asks() -> None:
    parameters = extract_parameters(await hash_password("three unusual words"))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (47_104, 1, 1)


async def test_a_composed_letter_is_the_same_as_one_of_parts() -> None:
    stored = await hash_password(
        "caf\N{LATIN SMALL LETTER E WITH ACUTE} caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    )
    assert (
        await verify_password(stored, "cafe\N{COMBINING ACUTE ACCENT} cafe\N{COMBINING ACUTE ACCENT}")
    ).is_right


async def test_two_hashes_at_once_at_most_and_a_limited_number_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, two, go = threading.Lock(), threading.Event(), threading.Event()
    running = most = 0

    def work(_password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 2:
                two.set()
        go.wait(30)
        with lock:
            running -= 1
        return ""

    monkeypatch.setattr(credentials, "_hash", work)
    waiting = [asyncio.create_task(hash_password("x")) for _ in range(32)]
    assert await asyncio.to_thread(two.wait, 30)
    with pytest.raises(TooManyRequestsError):
        await hash_password("x")
    go.set()
    await asyncio.gather(*waiting)
    assert most == 2
    assert await hash_password("x") == ""


def test_tokens_and_cookies_have_256_bits() -> None:
    assert len({make_token() for _ in range(100)}) == 100
    assert len(make_token()) == 47
    assert len(make_cookie()) == 43
    assert len(hash_secret("\ud800")) == 32
