"""The state machines of campaigns and jobs."""

import pytest

from vestnik.domain.errors import ConflictError
from vestnik.domain.lifecycle import (
    CampaignAction,
    JobAction,
    campaign_sources,
    list_campaign_transitions,
    list_job_transitions,
    next_campaign_status,
)
from vestnik.domain.states import CampaignStatus, JobStatus


@pytest.mark.parametrize("action", CampaignAction)
@pytest.mark.parametrize("status", CampaignStatus)
def test_an_action_leads_on_or_is_refused_naming_the_present_status(status, action) -> None:
    if status in campaign_sources(action):
        assert next_campaign_status("Morning", status, action) in CampaignStatus
    else:
        with pytest.raises(ConflictError, match=f"'Morning' is {status}") as refused:
            next_campaign_status("Morning", status, action)
        for source in campaign_sources(action):
            assert source in refused.value.message


def test_cancelled_and_failed_campaigns_never_move_again() -> None:
    left = {source for source, _, _ in list_campaign_transitions()}
    assert left.isdisjoint({CampaignStatus.CANCELLED, CampaignStatus.FAILED})


def test_every_status_can_be_reached() -> None:
    reached = {target for _, target, _ in list_campaign_transitions()} | {CampaignStatus.DRAFT}
    assert reached == set(CampaignStatus)
    assert {target for _, target, _ in list_job_transitions()} == set(JobStatus)


def test_a_sent_job_never_changes() -> None:
    assert all(source is not JobStatus.SENT for source, _, _ in list_job_transitions())


def test_only_a_retry_takes_a_failed_job_back_into_the_queue() -> None:
    ways = {
        action
        for source, target, action in list_job_transitions()
        if (source, target) == (JobStatus.FAILED, JobStatus.QUEUED)
    }
    assert ways == {JobAction.REOPEN}
