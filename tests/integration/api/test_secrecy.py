"""Passwords, tokens and cookies stay where they belong, also when something breaks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from tests.integration.api.conftest import ClientAs
from tests.integration.api.signing_in import add_person, sign_in, try_sign_in
from tests.support.stage import Stage
from vestnik.cli.logs import configure_logging
from vestnik.domain.users import Role
from vestnik.web import sign_in as signing

Connect = Callable[..., Awaitable[httpx.AsyncClient]]
ANNA = "anna@news.example"
GUESS = "canary guessed wrong"
NEW = "canary new password"
GIVEN_OUT = "canary given out by boss"


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """Everything that is logged, as a process would."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    file = tmp_path / "api.log"
    configure_logging(level="debug", file=file)
    yield file
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


async def dump_database(stage: Stage) -> str:
    """Every row of every table, bytes as text too."""
    tables = await stage.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    dump = []
    for table in tables:
        rows = await stage.execute(f'SELECT * FROM "{table.tablename}"')
        dump += [repr(tuple(row)) for row in rows]
    return "\n".join(dump)


async def test_no_secret_is_stored_logged_or_audited(
    stage: Stage,
    connect: Connect,
    client_as: ClientAs,
    log_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    anna = await add_person(stage, ANNA)
    browser = await connect()
    csrf = await sign_in(browser, ANNA)
    cookie = browser.cookies["vestnik_session"]
    await try_sign_in(await connect(), ANNA, GUESS)
    made = (await browser.post("/api/tokens", json={"name": "script"})).json()["token"]
    await browser.post("/api/tokens", json={"name": "x"}, headers={"Idempotency-Key": "k"})
    await browser.post("/api/auth/password", json={"currentPassword": GUESS, "newPassword": NEW})
    await browser.post("/api/auth/password", json={"currentPassword": anna.password, "newPassword": NEW})
    admin = await client_as(Role.ADMIN)
    assert (
        await admin.put(f"/api/users/{anna.id}/password", json={"password": GIVEN_OUT})
    ).status_code == 204
    await admin.post(
        "/api/users", json={"email": "b@c.de", "role": "VIEWER", "password": GIVEN_OUT, "odd": 1}
    )

    async def fail(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(signing, "verify_password", fail)
    assert (await try_sign_in(await connect(), ANNA, GUESS)).status_code == 500
    logged = await asyncio.to_thread(log_file.read_text, encoding="utf-8") + "".join(capfd.readouterr())
    assert "broken on purpose" in logged
    stored = await dump_database(stage)
    for secret in (anna.password, GUESS, NEW, GIVEN_OUT, cookie, csrf, made, made.removeprefix("vst_")):
        assert secret not in stored
        assert secret not in logged


async def test_an_error_of_the_database_does_not_quote_hashes(stage: Stage, connect: Connect) -> None:
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError) as caught:
        await stage.execute(
            "INSERT INTO users (email, role, password_hash) VALUES (:e, 'NONE', :h)", e=ANNA, h=GUESS
        )
    assert GUESS not in str(caught.value).replace(str(caught.value.orig), "")
