"""A person who logs accounts in, at a simulator and with workers of his own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.delivery.real_accounts import ACTOR, RealAccounts
from tests.integration.delivery.rig import Rig
from tests.support.logins import BOT_TOKEN, CODE, PASSWORD, PHONE, serve_logins
from vestnik.db.engine import open_session
from vestnik.domain.account_logins import LoginMethod, LoginStep
from vestnik.domain.ids import AccountId
from vestnik.services import account_logins
from vestnik.services.account_edits import release_account
from vestnik.services.account_logins import LoginView, NewLogin
from vestnik.services.accounts import AccountView

BY_PHONE = NewLogin(method=LoginMethod.PHONE, phone=f"+{PHONE[:4]} {PHONE[4:]}")
BY_QR = NewLogin(method=LoginMethod.QR)
BY_TOKEN = NewLogin(method=LoginMethod.BOT, token=BOT_TOKEN)


class Desk:
    """A person who logs accounts in."""

    def __init__(self, rig: Rig, data_dir: Path) -> None:
        self.rig = rig
        self.real = RealAccounts(rig, data_dir)

    async def add(self, name: str = "newsroom") -> AccountId:
        return await self.real.add(name, None)

    async def start(self, account_id: AccountId, new: NewLogin = BY_PHONE) -> LoginView:
        async with open_session(self.rig.stage.engine) as session:
            return await account_logins.start_login(
                session, ACTOR, str(account_id), new, open_keys=self.real.open_keys
            )

    async def type_code(self, account_id: AccountId, code: str = CODE) -> LoginView:
        async with open_session(self.rig.stage.engine) as session:
            return await account_logins.submit_code(
                session, str(account_id), code, open_keys=self.real.open_keys
            )

    async def type_password(self, account_id: AccountId, password: str = PASSWORD) -> LoginView:
        async with open_session(self.rig.stage.engine) as session:
            return await account_logins.submit_password(
                session, str(account_id), password, open_keys=self.real.open_keys
            )

    async def cancel(self, account_id: AccountId) -> LoginView:
        async with open_session(self.rig.stage.engine) as session:
            return await account_logins.cancel_login(session, ACTOR, str(account_id))

    async def log_out(self, account_id: AccountId) -> LoginView:
        async with open_session(self.rig.stage.engine) as session:
            return await account_logins.log_out(session, ACTOR, str(account_id))

    async def release(self, account_id: AccountId) -> AccountView:
        async with open_session(self.rig.stage.engine) as session:
            return await release_account(session, ACTOR, str(account_id))

    async def look(self, account_id: AccountId) -> LoginView:
        async with open_session(self.rig.stage.engine) as session:
            return await account_logins.require_login(session, str(account_id), open_keys=self.real.open_keys)

    async def until(self, account_id: AccountId, *steps: LoginStep, error: str | None = None) -> LoginView:
        """Wait for one of the steps; no other may be the end."""

        async def is_so() -> bool:
            view = await self.look(account_id)
            assert view.step in steps or not view.is_over, view
            return view.step in steps and (error is None or view.error_code == error)

        await self.rig.until(is_so)
        return await self.look(account_id)

    async def reach_code(self, account_id: AccountId) -> LoginView:
        await self.start(account_id)
        return await self.until(account_id, LoginStep.CODE)

    async def execute(self, statement: str, **parameters: object) -> list[Any]:
        return await self.rig.stage.execute(statement, **parameters)


@asynccontextmanager
async def open_desk(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> AsyncIterator[Desk]:
    """A desk at a simulator that takes logins; what is left running is ended."""
    async with serve_logins(monkeypatch) as server:
        rig = Rig(engine, server)
        try:
            yield Desk(rig, data_dir)
        finally:
            await rig.close()
