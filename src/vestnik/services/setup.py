"""The way from an empty installation to the first rehearsal."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import setup as rows
from vestnik.db.setup import SetupFacts
from vestnik.domain.states import AccountKind
from vestnik.services.accounts import AccountView, is_worker_alive, list_accounts

__all__ = ["Setup", "SetupFacts", "SetupStep", "read_setup"]


class SetupStep(StrEnum):
    """In this order."""

    PASSWORD = "PASSWORD"  # noqa: S105 - a step
    ACCOUNT = "ACCOUNT"
    CHANNELS = "CHANNELS"
    TEMPLATE = "TEMPLATE"
    CAMPAIGN = "CAMPAIGN"
    START = "START"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What is done of it, seen by somebody who has signed in."""

    facts: SetupFacts
    accounts: Sequence[AccountView]
    is_worker_alive: bool

    @property
    def simulated(self) -> AccountView | None:
        """The account that rehearses."""
        return next((account for account in self.accounts if account.kind is AccountKind.SIMULATED), None)

    @property
    def real(self) -> Sequence[AccountView]:
        """Accounts that post for everybody to see."""
        return [account for account in self.accounts if account.kind is not AccountKind.SIMULATED]

    @property
    def done(self) -> frozenset[SetupStep]:
        """A started campaign needed all the others."""
        if self.facts.has_started:
            return frozenset(SetupStep)
        # Nobody gets further than to the form for his own password before he has one.
        reached = {
            SetupStep.PASSWORD: True,
            SetupStep.ACCOUNT: bool(self.accounts),
            SetupStep.CHANNELS: self.facts.batch_id is not None,
            SetupStep.TEMPLATE: self.facts.template_id is not None,
            SetupStep.CAMPAIGN: self.facts.draft_id is not None,
        }
        return frozenset(step for step, is_done in reached.items() if is_done)

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(SetupStep)

    @property
    def next(self) -> SetupStep | None:
        """The first step that is not done."""
        return next((step for step in SetupStep if step not in self.done), None)


async def read_setup(session: AsyncSession) -> Setup:
    """How far it has come."""
    return Setup(
        facts=await rows.read_setup_facts(session),
        accounts=await list_accounts(session),
        is_worker_alive=await is_worker_alive(session),
    )
