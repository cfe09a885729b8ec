"""Accounts with sessions of their own in the rig: to Vestnik they are real, and lead to the simulator."""

import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.integration.delivery.rig import Rig, RunningWorker
from tests.support.keys import keep_keys
from vestnik.bootstrap import read_given_session_key, read_session_key
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services.account_sessions import (
    AccountSetup,
    NewAccount,
    NewSession,
    add_account,
    replace_session,
)
from vestnik.simulator.channels import ChannelSpec
from vestnik.simulator.endpoint import AUTH_KEY_BYTES, make_session_string

ACTOR = Actor.system("test")


class RealAccounts:
    """Adds accounts to the rig; `users` are what the simulator calls them."""

    def __init__(self, rig: Rig, data_dir: Path) -> None:
        self.rig = rig
        self.data_dir = data_dir
        self.open_keys = keep_keys(data_dir)
        self.setup = AccountSetup(
            open_keys=self.open_keys,
            read_key=read_session_key,
            read_given_key=read_given_session_key,
            api_id=7,
            api_hash="abc",
            rate=Decimal(50),
        )

    def log_in(self, user: str) -> str:
        """A new session of a user, as another device would have one; its string."""
        key = secrets.token_bytes(AUTH_KEY_BYTES)
        self.rig.server.simulator.add_account(user, key)
        return make_session_string(self.rig.server.endpoint, key)

    async def add(self, name: str, session_text: str | None) -> AccountId:
        async with open_session(self.rig.stage.engine) as session:
            new = NewAccount(name=name, session=session_text)
            return AccountId((await add_account(session, ACTOR, new, setup=self.setup)).id)

    async def replace(self, account_id: AccountId, session_text: str) -> None:
        async with open_session(self.rig.stage.engine) as session:
            new = NewSession(session=session_text)
            await replace_session(session, ACTOR, str(account_id), new, setup=self.setup)

    async def start_worker(self, **settings: Any) -> RunningWorker:
        """A worker that can read the sessions; an exchange of keys may hold a busy machine up for seconds."""
        patient = {"call_timeout_seconds": 15.0, "lease_seconds": 6.0}
        return await self.rig.start_worker(data_dir=self.data_dir, **patient | settings)

    async def add_campaign(
        self, account_id: AccountId, user: str, number: int, *, rate: float = 40
    ) -> CampaignId:
        """A running campaign to so many channels in which the user may post."""
        channels = await self.rig.stage.add_channels(number)
        names = [f"first_{place:05}" for place in range(1, len(channels) + 1)]
        self.rig.server.simulator.ensure_channels([ChannelSpec(username=name) for name in names], user)
        return await self.rig.stage.add_campaign(account_id, rate=rate, mode="LIVE")

    async def until_state(self, account_id: AccountId, state: str) -> Any:
        """Wait until the account is in a state; its row."""

        async def is_so() -> bool:
            return bool((await self.rig.read_account(account_id)).state == state)

        await self.rig.until(is_so)
        return await self.rig.read_account(account_id)

    async def until_connected(self, account_id: AccountId) -> Any:
        """Wait until a worker speaks for the account; its row."""

        async def is_so() -> bool:
            rows = await self.rig.stage.execute(
                "SELECT 1 FROM account_leases WHERE account_id = :id AND connected_at IS NOT NULL",
                id=account_id,
            )
            return bool(rows)

        await self.rig.until(is_so)
        return await self.rig.read_account(account_id)
