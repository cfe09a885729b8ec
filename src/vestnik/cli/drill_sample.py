"""What a drill delivers: simulated accounts with a campaign each, made by the services."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from vestnik.domain.actors import Actor
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import Mode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

ACTOR: Final = Actor.system("drill")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One account, its campaign, and the channels that it posts to. `text` is the campaign's alone."""

    account_id: AccountId
    campaign_id: CampaignId
    usernames: tuple[str, ...]
    text: str


def name_channels(account: int, count: int) -> tuple[str, ...]:
    """Made-up usernames, the same in every run: drill_1_00001, …; accounts count from 0."""
    return tuple(f"drill_{account + 1}_{number + 1:05d}" for number in range(count))


async def prepare_parts(
    session: "AsyncSession", *, jobs: Sequence[int], rate: Decimal, title: str
) -> list[Part]:
    """Make the accounts, if they are missing, and fresh campaigns; end what an earlier drill left half-done.

    Runs before the workers: nothing speaks for the accounts yet.
    """
    from vestnik.db.rehearsals import ensure_simulated_account, forget_simulator, list_unfinished_campaigns
    from vestnik.services.campaigns import NewCampaign, cancel_campaign, create_campaign

    parts = []
    for number, count in enumerate(jobs):
        name = f"Drill account {number + 1}"
        account_id = await ensure_simulated_account(session, name, rate)
        for leftover in await list_unfinished_campaigns(session, account_id):
            await cancel_campaign(session, ACTOR, leftover)
        await forget_simulator(session, account_id)
        usernames = name_channels(number, count)
        text = f"{title}, account {number + 1}"
        created = await create_campaign(
            session,
            ACTOR,
            NewCampaign(
                name=text,
                channels_file="\n".join(usernames).encode(),
                text=text,
                rate=rate,
                mode=Mode.TEST.value,
                account=name,
            ),
        )
        parts.append(
            Part(
                account_id=account_id,
                campaign_id=CampaignId(created.campaign.id),
                usernames=usernames,
                text=text,
            )
        )
    return parts
