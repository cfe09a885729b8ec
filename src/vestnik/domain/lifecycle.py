"""The state machines of campaigns and jobs: which action leads from where to where. Pure.

docs/reference/states.md draws both; a test holds the drawing against these tables.
"""

from enum import StrEnum

from vestnik.domain.errors import ConflictError
from vestnik.domain.states import CampaignStatus, JobStatus


class CampaignAction(StrEnum):
    """What changes a campaign's stored status: people (the first seven), the engine, a restore."""

    START = "start"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY_FAILED = "retry-failed"
    STOP = "stop"
    """The engine pauses: wrong content (CONTENT_ERROR) or too many failures (ERROR_RATE)."""
    MISS_SCHEDULE = "miss schedule"
    """Nothing ran when the time came, and it is too late now."""
    COMPLETE = "complete"
    FAIL = "fail"
    """The expansion cannot finish, or left no job."""
    RESTORE = "restore"
    """A backup was restored: nothing goes out by itself."""


_CAMPAIGN: dict[CampaignAction, dict[CampaignStatus, CampaignStatus]] = {
    CampaignAction.START: {
        CampaignStatus.DRAFT: CampaignStatus.RUNNING,
        CampaignStatus.SCHEDULED: CampaignStatus.RUNNING,
    },
    CampaignAction.SCHEDULE: {
        CampaignStatus.DRAFT: CampaignStatus.SCHEDULED,
        CampaignStatus.SCHEDULED: CampaignStatus.SCHEDULED,
    },
    CampaignAction.UNSCHEDULE: {CampaignStatus.SCHEDULED: CampaignStatus.DRAFT},
    CampaignAction.MISS_SCHEDULE: {CampaignStatus.SCHEDULED: CampaignStatus.DRAFT},
    CampaignAction.PAUSE: {CampaignStatus.RUNNING: CampaignStatus.PAUSED},
    CampaignAction.STOP: {CampaignStatus.RUNNING: CampaignStatus.PAUSED},
    CampaignAction.RESUME: {CampaignStatus.PAUSED: CampaignStatus.RUNNING},
    CampaignAction.CANCEL: {
        CampaignStatus.DRAFT: CampaignStatus.CANCELLED,
        CampaignStatus.SCHEDULED: CampaignStatus.CANCELLED,
        CampaignStatus.RUNNING: CampaignStatus.CANCELLED,
        CampaignStatus.PAUSED: CampaignStatus.CANCELLED,
    },
    CampaignAction.RETRY_FAILED: {
        CampaignStatus.COMPLETED: CampaignStatus.RUNNING,
        CampaignStatus.RUNNING: CampaignStatus.RUNNING,
        CampaignStatus.PAUSED: CampaignStatus.PAUSED,
    },
    CampaignAction.COMPLETE: {
        CampaignStatus.RUNNING: CampaignStatus.COMPLETED,
        CampaignStatus.PAUSED: CampaignStatus.COMPLETED,
    },
    CampaignAction.FAIL: {CampaignStatus.RUNNING: CampaignStatus.FAILED},
    CampaignAction.RESTORE: {
        CampaignStatus.RUNNING: CampaignStatus.PAUSED,
        CampaignStatus.SCHEDULED: CampaignStatus.PAUSED,
    },
}

_DONE = {
    CampaignAction.START: "started",
    CampaignAction.SCHEDULE: "scheduled",
    CampaignAction.UNSCHEDULE: "unscheduled",
    CampaignAction.PAUSE: "paused",
    CampaignAction.RESUME: "resumed",
    CampaignAction.CANCEL: "cancelled",
    CampaignAction.RETRY_FAILED: "retried",
}


class JobAction(StrEnum):
    """What changes a job's status."""

    CLAIM = "claim"
    CONFIRM = "confirm"
    """Telegram has the post; a fact that is recorded whatever the row says by then."""
    GIVE_BACK = "give back"
    """Unsent, to be retried, or of a sender that died."""
    GIVE_UP = "give up"
    """A final error, the retry limit, an inactive channel, an outcome that cannot be settled."""
    CANCEL = "cancel"
    REOPEN = "reopen"
    """retry-failed."""


_JOB: dict[JobAction, dict[JobStatus, JobStatus]] = {
    JobAction.CLAIM: {JobStatus.QUEUED: JobStatus.SENDING},
    JobAction.CONFIRM: {
        JobStatus.SENDING: JobStatus.SENT,
        JobStatus.QUEUED: JobStatus.SENT,
        JobStatus.FAILED: JobStatus.SENT,
        JobStatus.CANCELLED: JobStatus.SENT,
    },
    JobAction.GIVE_BACK: {JobStatus.SENDING: JobStatus.QUEUED},
    JobAction.GIVE_UP: {JobStatus.SENDING: JobStatus.FAILED, JobStatus.QUEUED: JobStatus.FAILED},
    JobAction.CANCEL: {JobStatus.QUEUED: JobStatus.CANCELLED, JobStatus.SENDING: JobStatus.CANCELLED},
    JobAction.REOPEN: {JobStatus.FAILED: JobStatus.QUEUED},
}


def campaign_sources(action: CampaignAction) -> tuple[CampaignStatus, ...]:
    """The statuses from which the action is possible, in the order of the enumeration."""
    return tuple(status for status in CampaignStatus if status in _CAMPAIGN[action])


def next_campaign_status(name: str, status: CampaignStatus, action: CampaignAction) -> CampaignStatus:
    """Where the action leads; `name` is the campaign's, for the message.

    Raises ConflictError naming the present status and those that would do.
    """
    following = _CAMPAIGN[action].get(status)
    if following is None:
        allowed = " or ".join(campaign_sources(action))
        raise ConflictError(
            f"campaign '{name}' is {status}; only {allowed} can be {_DONE.get(action, action)}",
            field="status",
        )
    return following


def list_campaign_transitions() -> list[tuple[CampaignStatus, CampaignStatus, CampaignAction]]:
    """Every transition as (from, to, action)."""
    return [
        (source, target, action) for action, moves in _CAMPAIGN.items() for source, target in moves.items()
    ]


def list_job_transitions() -> list[tuple[JobStatus, JobStatus, JobAction]]:
    """Every transition as (from, to, action)."""
    return [(source, target, action) for action, moves in _JOB.items() for source, target in moves.items()]
