"""Ten campaigns of a thousand channels started at once, each by two people."""

import asyncio

from tests.support.stage import Stage
from vestnik.domain.errors import ConflictError

CAMPAIGNS, CHANNELS = 10, 1_000


async def test_of_two_starts_of_each_campaign_one_wins_and_every_channel_gets_one_job(stage: Stage) -> None:
    await stage.add_channels(CHANNELS)
    account_id = await stage.add_account()
    campaigns = [await stage.add_campaign(account_id, start=False) for _ in range(CAMPAIGNS)]
    outcomes = await asyncio.gather(
        *(stage.start(campaign_id) for campaign_id in campaigns * 2), return_exceptions=True
    )
    for first, second in zip(outcomes[:CAMPAIGNS], outcomes[CAMPAIGNS:], strict=True):
        assert [outcome for outcome in (first, second) if outcome == CHANNELS] == [CHANNELS]
        (refused,) = [outcome for outcome in (first, second) if outcome != CHANNELS]
        assert isinstance(refused, ConflictError), refused
    row = await stage.one(
        "SELECT count(*) AS n, count(DISTINCT (campaign_id, channel_id)) AS pairs FROM jobs"
    )
    assert (row.n, row.pairs) == (CAMPAIGNS * CHANNELS, CAMPAIGNS * CHANNELS)
    for campaign_id in campaigns:
        assert await stage.read_progress(campaign_id) == {"QUEUED": CHANNELS}
