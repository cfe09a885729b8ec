"""Campaigns as JSON."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from vestnik.api.schemas import ApiModel, Instant, Limit, Name, Number, Patch, Text
from vestnik.domain.campaigns import DEFAULT_RETRY_LIMIT, MAX_RATE, MAX_RETRY_LIMIT, MIN_ERROR_RATE, MIN_RATE
from vestnik.domain.lifecycle import CampaignAction
from vestnik.domain.states import CampaignStatus, DerivedPause, JobStatus, Mode, PauseReason
from vestnik.services.campaign_views import StandingView
from vestnik.web.problems import MEDIA_TYPE

_DECIMAL: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


def _require_number(value: object) -> object:
    """True is a number for Python, and so is what other alphabets use as digits."""
    if isinstance(value, bool) or (isinstance(value, str) and not _DECIMAL.fullmatch(value)):
        raise ValueError("must be a number, such as 20 or 0.5")
    return value


Rate = Annotated[
    Decimal,
    BeforeValidator(_require_number, json_schema_input_type=float | str),
    Field(
        ge=MIN_RATE,
        le=MAX_RATE,
        description="Messages per second: a number, or a decimal as text.",
        examples=[20],
    ),
]
ErrorRate = Annotated[
    Decimal,
    BeforeValidator(_require_number, json_schema_input_type=float | str),
    Field(
        ge=MIN_ERROR_RATE,
        le=1,
        description="The part of messages that may fail before the campaign is paused.",
        examples=[0.1],
    ),
]
RetryLimit = Annotated[
    int, Field(strict=True, ge=0, le=MAX_RETRY_LIMIT, description="Retries after the first attempt.")
]
GivenMode = Annotated[
    Literal["TEST", "LIVE", "PRODUCTION"],
    Field(description="TEST rehearses on the simulator; LIVE posts, and PRODUCTION is another word for it."),
]
When = Annotated[Instant, Field(examples=["2030-05-01T09:00:00Z"])]


def read_mode(word: str) -> Mode:
    """PRODUCTION is another word for LIVE."""
    return Mode.LIVE if word == "PRODUCTION" else Mode(word)


class CampaignInput(ApiModel):
    """A new campaign: a batch of channels, a template, a pace."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Test Campaign",
                    "batchId": "8d1f6c1e-6d6a-4a5e-9d57-0f4a0c1b2d3e",
                    "templateId": "3c9b5f60-2f0e-4d5a-8a61-7b1e2c3d4f5a",
                    "mode": "TEST",
                    "deliveryRate": 20,
                }
            ]
        }
    )

    name: Name
    batch_id: UUID
    template_id: UUID
    mode: GivenMode = "TEST"
    delivery_rate: Rate
    retry_limit: RetryLimit = DEFAULT_RETRY_LIMIT
    max_error_rate: ErrorRate | None = None
    account_id: Annotated[
        UUID | None, Field(description="Needed only for LIVE with more than one real account.")
    ] = None
    scheduled_at: Annotated[When | None, Field(description="Start it by itself at this time.")] = None


class CampaignPatch(Patch):
    """What to change; what is left out stays. After the start only the name and the pace can be."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"deliveryRate": 5, "retryLimit": 2}]})

    name: Name | None = None
    batch_id: UUID | None = None
    template_id: UUID | None = None
    mode: GivenMode | None = None
    account_id: UUID | None = None
    delivery_rate: Rate | None = None
    retry_limit: RetryLimit | None = None
    max_error_rate: ErrorRate | None = None


class CopyInput(ApiModel):
    """What the copy is to be called."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Evening news"}]})

    name: Name | None = None


class ActionName(StrEnum):
    """What a person may tell a campaign."""

    START = CampaignAction.START.value
    PAUSE = CampaignAction.PAUSE.value
    RESUME = CampaignAction.RESUME.value
    CANCEL = CampaignAction.CANCEL.value
    RETRY_FAILED = CampaignAction.RETRY_FAILED.value
    SCHEDULE = CampaignAction.SCHEDULE.value
    UNSCHEDULE = CampaignAction.UNSCHEDULE.value


class ActionInput(ApiModel):
    """One action; `scheduledAt` goes with schedule, `errorCodes` with retry-failed, `skip` with start."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"action": "start"},
                {"action": "start", "skip": "preflight"},
                {"action": "schedule", "scheduledAt": "2030-05-01T09:00:00Z"},
                {"action": "retry-failed", "errorCodes": ["TIMEOUT"]},
            ]
        }
    )

    action: ActionName
    scheduled_at: When | None = None
    error_codes: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=100)]] | None,
        Field(
            min_length=1,
            max_length=50,
            description="Which failures to retry; without it all but UNKNOWN_OUTCOME.",
        ),
    ] = None
    skip: Annotated[
        Literal["preflight"] | None,
        Field(
            description="start: leave out the channels that the campaign's preflight says would fail; their messages "
            "end as CANCELLED with the code SKIPPED_BY_PREFLIGHT."
        ),
    ] = None


class ProgressView(ApiModel):
    """Counters of the campaign's messages; all 0 before the start."""

    total: Annotated[int, Field(examples=[100])]
    queued: Annotated[int, Field(examples=[60])]
    sending: Annotated[int, Field(examples=[2])]
    sent: Annotated[int, Field(examples=[35])]
    failed: Annotated[int, Field(examples=[3])]
    cancelled: Annotated[int, Field(examples=[0])]
    rate_per_minute: Annotated[float, Field(description="Posts recorded in the last 60 s.", examples=[35])]
    seconds_left: Annotated[
        float | None,
        Field(description="An estimate; null unless it runs, and while it is expanding.", examples=[106.0]),
    ]
    is_expanding: Annotated[
        bool,
        Field(
            description="A large batch is still being turned into messages: total rises.", examples=[False]
        ),
    ]
    version: Annotated[int, Field(description="Rises with every change of the counters.")]


class CampaignProgress(ProgressView):
    """Where a campaign stands."""

    campaign_id: UUID
    status: Annotated[CampaignStatus, Field(examples=["RUNNING"])]
    pause_reason: PauseReason | DerivedPause | None
    resumes_at: Annotated[datetime | None, Field(description="When a hold of Telegram ends.")]
    status_detail: str | None

    @classmethod
    def show_standing(cls, standing: StandingView) -> Self:
        """The counters beside the status."""
        progress = standing.progress
        return cls(
            campaign_id=standing.campaign_id,
            status=standing.status,
            pause_reason=standing.pause_reason,
            resumes_at=standing.resumes_at,
            status_detail=standing.status_detail,
            **{name: getattr(progress, name) for name in ProgressView.model_fields},
        )


class CampaignView(ApiModel):
    """A campaign; `status` is what is shown, `storedStatus` decides which actions are possible."""

    id: UUID
    name: Annotated[str, Field(examples=["Morning news"])]
    status: Annotated[
        CampaignStatus,
        Field(
            description="PAUSED also while Telegram or the account's state holds it up.", examples=["RUNNING"]
        ),
    ]
    stored_status: Annotated[CampaignStatus, Field(examples=["RUNNING"])]
    pause_reason: PauseReason | DerivedPause | None
    resumes_at: datetime | None
    status_detail: str | None
    mode: Mode
    account_id: UUID
    account_name: Annotated[str, Field(examples=["default"])]
    batch_id: UUID
    batch_name: Annotated[str, Field(examples=["Morning"])]
    template_id: UUID
    template_name: Annotated[str, Field(examples=["Morning news"])]
    delivery_rate: Annotated[Number, Field(description="Messages per second.", examples=[20])]
    retry_limit: int
    max_error_rate: Annotated[Number, Field(examples=[0.1])]
    scheduled_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    purged_at: Annotated[
        datetime | None, Field(description="When the messages' own records were deleted; the counters stay.")
    ]
    revision: int
    progress: ProgressView


class ActionAnswer(ApiModel):
    """The action was carried out."""

    success: Literal[True] = True
    campaign: CampaignView
    reopened: Annotated[int | None, Field(description="retry-failed: messages queued again.")] = None
    skipped: Annotated[int | None, Field(description="retry-failed: those whose channel is inactive.")] = None


class CampaignQuery(ApiModel):
    """Which campaigns are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    status: Annotated[
        Sequence[CampaignStatus], Field(max_length=7, description="As it is shown; any of these.")
    ] = ()
    mode: Mode | None = None
    account_id: UUID | None = None
    search: Annotated[Text | None, Field(max_length=200, description="A part of the name.")] = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class JobQuery(ApiModel):
    """Which messages are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    status: JobStatus | None = None
    error_code: Annotated[Text | None, Field(max_length=100, description="Failed ones with this code.")] = (
        None
    )
    search: Annotated[
        Text | None,
        Field(max_length=200, description="A channel's name, number or link, or a part of the name."),
    ] = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class JobView(ApiModel):
    """What became of the message to one channel."""

    id: int
    channel_id: UUID
    channel: Annotated[
        str, Field(description="@name, or the number where it has no name.", examples=["@news"])
    ]
    title: str | None
    status: JobStatus
    attempts: int
    error_code: Annotated[str | None, Field(examples=["CHAT_WRITE_FORBIDDEN"])]
    error_message: str | None
    message_ids: list[int]
    link: Annotated[
        str | None,
        Field(description="Leads to the post; null in a rehearsal.", examples=["https://t.me/news/7"]),
    ]
    maybe_sent: Annotated[bool, Field(description="It may have gone out: Telegram's answer is not known.")]
    not_before: datetime
    started_at: datetime | None
    sent_at: datetime | None
    failed_at: datetime | None


class JobPage(ApiModel):
    """A part of the messages. It may be short or empty before the end, which only a null `nextCursor` tells."""

    items: list[JobView]
    next_cursor: str | None
    purged_at: Annotated[
        datetime | None, Field(description="Since then there are none any more; the counters stay.")
    ]


class FailuresView(ApiModel):
    """Failed messages by error code, the most frequent first."""

    total: int
    codes: Annotated[Mapping[str, int], Field(examples=[{"CHAT_WRITE_FORBIDDEN": 3}])]


NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {
        "description": "Not Found: something that the body names",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
EXAMPLE_EVENT: dict[str, Any] = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": 'retry: 2000\n\nevent: progress\ndata: {"sent": 7, "total": 100}\nid: 12.5f3a\n\n',
    }
}
