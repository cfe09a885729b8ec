"""The sample that a demo delivers: account, channels, template, campaign, made by the services."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from vestnik.domain.actors import Actor
from vestnik.domain.errors import NotFoundError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import Mode

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

ACTOR: Final = Actor.system("demo")
USUAL_RATE: Final = Decimal(20)
TEMPLATE: Final = "Demo post"
TEXT: Final = (
    "Vestnik · Вестник\n\n"
    "One queue, one pace, every channel exactly once.\n"
    "Одна очередь, ровный темп, каждый канал ровно один раз."
)
_TOPICS: Final = ("news", "city", "sport", "culture", "weather", "science", "market", "travel")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What is to be delivered, and as whom."""

    account_id: AccountId
    campaign_id: CampaignId
    usernames: tuple[str, ...]


def name_channels(count: int) -> tuple[str, ...]:
    """Made-up usernames, the same in every run: demo_news_001, demo_city_002, …"""
    return tuple(f"demo_{_TOPICS[number % len(_TOPICS)]}_{number + 1:03d}" for number in range(count))


async def prepare_sample(session: "AsyncSession", *, channels: int, rate: Decimal) -> Sample:
    """Make a fresh campaign; end what an earlier run left half-done, and forget its simulator.

    Runs before the worker: nothing speaks for the account yet.
    """
    from vestnik.db.rehearsals import forget_simulator, list_unfinished_campaigns
    from vestnik.services.accounts import REHEARSAL_ACCOUNT, apply_account_rate, find_account
    from vestnik.services.campaigns import NewCampaign, cancel_campaign, create_campaign
    from vestnik.services.templates import create_template, find_template

    account_id = AccountId((await find_account(session, REHEARSAL_ACCOUNT)).id)
    for leftover in await list_unfinished_campaigns(session, account_id):
        await cancel_campaign(session, ACTOR, leftover)
    await forget_simulator(session, account_id)
    await apply_account_rate(session, ACTOR, max(rate, USUAL_RATE))
    try:
        template = (await find_template(session, TEMPLATE)).name
    except NotFoundError:
        template = (await create_template(session, ACTOR, TEMPLATE, TEXT)).name
    usernames = name_channels(channels)
    created = await create_campaign(
        session,
        ACTOR,
        NewCampaign(
            name=f"Demo: {channels} channels at {rate.normalize():f} a second",
            channels_file="\n".join(usernames).encode(),
            template=template,
            rate=rate,
            mode=Mode.TEST.value,
            account=REHEARSAL_ACCOUNT,
        ),
    )
    return Sample(account_id=account_id, campaign_id=CampaignId(created.campaign.id), usernames=usernames)
