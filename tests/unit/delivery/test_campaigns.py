"""What a lane remembers of its campaigns between two looks at the database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from vestnik.content import Values, read_content
from vestnik.db.ledger import ClaimedJob, RunningCampaign
from vestnik.delivery.campaigns import (
    CURSOR_RESET_AFTER,
    DRY_FOR,
    REST_PER_PART,
    CampaignBook,
    LaneCampaign,
)
from vestnik.delivery.contents import CampaignContent
from vestnik.domain.ids import CampaignId, ChannelId, JobId
from vestnik.domain.transport import Peer

KEY = CampaignId(UUID(int=1))
NOW = 1000.0
RUNNING = RunningCampaign(
    campaign_id=KEY,
    rate=20.0,
    retry_limit=3,
    revision=1,
    is_expanded=True,
    queued=100,
    sending=0,
    next_slot_in=timedelta(),
    next_return_in=None,
)


def make_campaign(*, queued: int = 100) -> LaneCampaign:
    return LaneCampaign(
        campaign_id=KEY,
        content=CampaignContent(read_content("Hello", None), UTC),
        retry_limit=3,
        rate=20.0,
        revision=1,
        queued=queued,
        is_expanded=True,
        cursor_reset_at=NOW,
    )


def make_jobs(*numbers: int, is_fresh: bool = True) -> list[ClaimedJob]:
    return [
        ClaimedJob(
            job_id=JobId(number),
            campaign_id=KEY,
            channel_id=ChannelId(UUID(int=number)),
            random_id=number,
            peer=Peer(tg_id=1, access_hash=1),
            attempts=0,
            claims=1,
            claim_epoch=1,
            was_maybe_sent=False,
            error_code=None,
            is_fresh=is_fresh,
            values=Values(channel_title="Channel", channel_username=None, at=datetime.now(UTC)),
        )
        for number in numbers
    ]


def test_a_claim_moves_the_cursor_behind_its_fresh_jobs_only() -> None:
    campaign = make_campaign()
    campaign.note_claim(3, [*make_jobs(5, 7), *make_jobs(9, is_fresh=False)], NOW)
    assert (campaign.cursor, campaign.queued) == (7, 97)
    assert campaign.is_claimable(NOW)


def test_a_claim_that_finds_too_little_rests_and_then_looks_from_the_beginning() -> None:
    campaign = make_campaign()
    campaign.note_claim(3, make_jobs(5), NOW)
    assert campaign.cursor == 5
    assert not campaign.is_claimable(NOW + DRY_FOR / 2)
    assert campaign.is_claimable(NOW + DRY_FOR)
    campaign.note_claim(3, [], NOW + CURSOR_RESET_AFTER + 0.1)
    assert campaign.cursor == 0
    assert not campaign.is_claimable(NOW + CURSOR_RESET_AFTER + 0.2)


def test_a_part_of_the_queue_with_too_little_is_left_behind_at_once() -> None:
    campaign = make_campaign()
    campaign.note_claim(3, make_jobs(5), NOW, 5_000)
    assert campaign.cursor == 5_000
    assert campaign.is_claimable(NOW)
    assert not campaign.needs_sweep


def test_a_queue_of_many_parts_is_looked_through_the_more_rarely() -> None:
    campaign = make_campaign(queued=100_000)
    for part in range(1, 21):
        campaign.note_claim(3, [], NOW, part * 5_000)
    campaign.note_claim(3, [], NOW + CURSOR_RESET_AFTER + 0.1)
    assert campaign.cursor == 100_000
    campaign.note_claim(3, [], NOW + CURSOR_RESET_AFTER + 20 * REST_PER_PART + 0.1)
    assert campaign.cursor == 0


def test_channels_that_become_known_do_not_keep_the_end_of_the_queue_from_its_turn() -> None:
    campaign = make_campaign(queued=100_000)
    book = CampaignBook({KEY: campaign})
    campaign.note_claim(3, [], NOW, 5_000)
    book.note_peers_changed(NOW + CURSOR_RESET_AFTER + 1)
    assert campaign.cursor == 5_000
    campaign.note_claim(3, [], NOW + CURSOR_RESET_AFTER + 1, 10_000)
    assert campaign.cursor == 10_000
    campaign.note_claim(3, [], NOW + CURSOR_RESET_AFTER + 1)
    assert campaign.cursor == 0


def test_channels_that_become_known_have_their_turn_before_a_long_rest_of_the_queue() -> None:
    campaign = make_campaign(queued=100_000)
    campaign.note_claim(3, [], NOW, 5_000)
    campaign.note_peers_changed(NOW + 1)
    campaign.note_claim(1, make_jobs(6_000), NOW + 1)
    assert campaign.cursor == 6_000
    campaign.note_claim(1, make_jobs(6_001), NOW + CURSOR_RESET_AFTER + 1)
    assert campaign.cursor == 0
    assert campaign.is_claimable(NOW + CURSOR_RESET_AFTER + 1)


def test_a_small_queue_is_looked_at_again_as_soon_as_a_channel_becomes_known() -> None:
    campaign = make_campaign()
    campaign.note_claim(3, make_jobs(5), NOW)
    campaign.note_peers_changed(NOW)
    assert (campaign.cursor, campaign.is_claimable(NOW)) == (0, True)


def test_a_job_that_comes_back_ends_the_rest() -> None:
    campaign = make_campaign(queued=0)
    campaign.note_claim(3, [], NOW)
    campaign.note_returned(1)
    assert campaign.is_claimable(NOW)


def test_a_job_that_is_due_soon_shortens_the_rest() -> None:
    campaign = make_campaign()
    campaign.note_claim(3, [], NOW)
    due = replace(RUNNING, next_return_in=timedelta(seconds=0.3))
    campaign.update(due, NOW, counted_at_rest=True)
    assert not campaign.is_claimable(NOW + 0.2)
    assert campaign.is_claimable(NOW + 0.3)


def test_a_count_taken_beside_a_claim_never_says_that_nothing_is_left() -> None:
    """The database counted after the claim of 50, whose answer comes later and is subtracted again."""
    campaign = make_campaign(queued=100)
    campaign.update(replace(RUNNING, queued=50), NOW, counted_at_rest=False)
    campaign.note_claim(50, make_jobs(*range(1, 51)), NOW)
    assert campaign.queued == 50
    campaign.update(replace(RUNNING, queued=0), NOW, counted_at_rest=True)
    assert campaign.queued == 0


@pytest.mark.parametrize(
    ("changes", "needs_sweep"),
    [
        ({}, False),
        ({"queued": 0}, True),
        ({"queued": 0, "sending": 1}, False),
        ({"is_expanded": False, "queued": 0}, False),
    ],
)
def test_a_campaign_that_seems_done_is_looked_at(changes: dict[str, int], needs_sweep: bool) -> None:
    campaign = make_campaign()
    campaign.update(replace(RUNNING, **changes), NOW, counted_at_rest=True)  # type: ignore[arg-type]
    assert campaign.needs_sweep is needs_sweep


def test_addresses_are_looked_for_at_first_and_what_is_known_goes_out_meanwhile() -> None:
    campaign = make_campaign()
    book = CampaignBook({KEY: campaign})
    assert campaign.needs_peers
    assert book.needy == [campaign]
    assert campaign.is_claimable(NOW)
    campaign.needs_peers = False
    assert book.needy == []
    campaign.note_claim(3, make_jobs(5), NOW)
    assert not campaign.needs_peers
    assert campaign.needs_sweep


def test_a_look_that_takes_long_is_not_repeated_soon() -> None:
    campaign = make_campaign()
    campaign.note_swept(NOW - 1, NOW)
    campaign.note_claim(3, [], NOW + 15)
    assert not campaign.needs_sweep
    campaign.note_claim(3, [], NOW + 21)
    assert campaign.needs_sweep


def test_an_expansion_that_ends_has_the_last_addresses_looked_for() -> None:
    campaign = make_campaign()
    campaign.needs_peers = campaign.is_expanded = False
    campaign.update(RUNNING, NOW, counted_at_rest=True)
    assert campaign.needs_peers


def test_returns_of_campaigns_that_are_gone_are_nobodys() -> None:
    book = CampaignBook()
    book.note_returned([(KEY, 3)])
    assert book == {}
