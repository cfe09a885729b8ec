"""Who is told of alerts, for administrators. Secrets go in and never come out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from vestnik.alerting.trial import TrialResult
from vestnik.api.schemas import ApiModel, Name, Patch, Text
from vestnik.domain.alert_routes import LONGEST_SECRET, MOST_RECIPIENTS, SHORTEST_KEY
from vestnik.domain.alerts import LANGUAGES, DestinationKind, MailSecurity
from vestnik.domain.errors import VestnikError
from vestnik.domain.media import LONGEST_URL
from vestnik.domain.users import MAX_EMAIL_LENGTH, Role
from vestnik.services import alert_destinations as services
from vestnik.services.alert_destinations import DestinationChange, DestinationView, NewDestination
from vestnik.services.alert_routes import RouteInput
from vestnik.web.alert_trials import try_destination
from vestnik.web.etags import ExpectedRevision, put_etag
from vestnik.web.idempotency import refuse_key
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/alert-destinations", tags=["alerts"])

Language = Annotated[Text, Field(max_length=10, description="ru or en.", examples=["en"])]
Url = Annotated[
    Text,
    Field(
        max_length=LONGEST_URL,
        description="WEBHOOK: where messages are posted. Only scheme and host are ever shown.",
        examples=["https://hooks.news.example/vestnik"],
    ),
]
SigningKey = Annotated[
    Text,
    Field(
        min_length=SHORTEST_KEY,
        max_length=LONGEST_SECRET,
        description="WEBHOOK: the key of the signature. Never shown again.",
        examples=["sixteen characters or more"],
    ),
]
Host = Annotated[
    Text, Field(max_length=253, description="EMAIL: the mail server.", examples=["smtp.news.example"])
]
Port = Annotated[
    int, Field(ge=1, le=65535, description="EMAIL: 465 for TLS, 587 for STARTTLS, 25 for NONE if left out.")
]
Security = Annotated[MailSecurity, Field(description="EMAIL: how the way to the mail server is encrypted.")]
Username = Annotated[Text, Field(max_length=LONGEST_SECRET, description="EMAIL: of the mail server.")]
Password = Annotated[
    Text,
    Field(
        max_length=LONGEST_SECRET,
        description='EMAIL: of the mail server. Never shown again; "" takes it away.',
        examples=["three unusual words"],
    ),
]
Sender = Annotated[
    Text,
    Field(max_length=MAX_EMAIL_LENGTH, description="EMAIL: who writes.", examples=["vestnik@news.example"]),
]
Recipients = Annotated[
    list[Annotated[Text, Field(max_length=MAX_EMAIL_LENGTH)]],
    Field(
        max_length=MOST_RECIPIENTS, description="EMAIL: who is written to.", examples=[["desk@news.example"]]
    ),
]
Account = Annotated[UUID, Field(description="TELEGRAM: the account that posts.")]
Channel = Annotated[UUID, Field(description="TELEGRAM: a channel that the account posts in.")]


class DestinationModel(ApiModel):
    """A destination, without its secrets."""

    id: UUID
    name: Annotated[str, Field(examples=["news desk"])]
    kind: DestinationKind
    is_active: bool
    language: Annotated[str, Field(examples=["en"])]
    target: Annotated[str, Field(description="In short.", examples=["https://hooks.news.example"])]
    host: Annotated[str | None, Field(examples=["smtp.news.example"])]
    port: int | None
    security: MailSecurity | None
    username: Annotated[str | None, Field(examples=["vestnik"])]
    has_password: bool
    sender: Annotated[str | None, Field(examples=["vestnik@news.example"])]
    recipients: Annotated[Sequence[str], Field(examples=[["desk@news.example"]])]
    account_id: UUID | None
    account: Annotated[str | None, Field(description="Its name.", examples=["newsroom"])]
    channel_id: UUID | None
    channel: Annotated[str | None, Field(description="Its name.", examples=["@our_alerts"])]
    waiting: Annotated[int, Field(description="Messages that are still to be delivered.")]
    failures: Annotated[int, Field(description="In a row.")]
    failing_since: datetime | None
    last_error: Annotated[str | None, Field(examples=["there is no host hooks.news.example"])]
    last_error_at: datetime | None
    last_success_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime


class RouteFields(ApiModel):
    """How messages get to a destination."""

    url: Annotated[Url | None, Field(repr=False)] = None
    signing_key: Annotated[SigningKey | None, Field(repr=False)] = None
    host: Host | None = None
    port: Port | None = None
    security: Security | None = None
    username: Username | None = None
    password: Annotated[Password | None, Field(repr=False)] = None
    sender: Sender | None = None
    recipients: Recipients | None = None
    account_id: Account | None = None
    channel_id: Channel | None = None

    def read_route(self) -> RouteInput:
        """As services take it."""
        said = self.model_dump(include=set(RouteFields.model_fields), exclude_none=True, by_alias=False)
        for reference in ("account", "channel"):
            if (given := said.pop(f"{reference}_id", None)) is not None:
                said[reference] = str(given)
        return RouteInput(**said)


class DestinationCreation(RouteFields):
    """A destination to be made: what its kind needs, and nothing of other kinds."""

    name: Annotated[Name, Field(examples=["news desk"])]
    kind: DestinationKind
    language: Language = LANGUAGES[0]
    is_active: bool = True


class DestinationEdit(RouteFields, Patch):
    """What is to be changed; what is left out stays, secrets too."""

    name: Name | None = None
    language: Language | None = None
    is_active: Annotated[bool | None, Field(description="false drops the messages that wait for it.")] = None


class DestinationList(ApiModel):
    """All destinations; there are few."""

    items: Sequence[DestinationModel]


class TrialModel(ApiModel):
    """What came of a test message."""

    is_delivered: bool
    answer: Annotated[
        str,
        Field(description="What the other side said in short, or what went wrong.", examples=["HTTP 204"]),
    ]
    seconds: float


@router.get("", **allow(Role.ADMIN))
async def list_destinations(request: Request) -> DestinationList:
    """By name."""
    found = await read_state(request.app).database.run(services.list_destinations)
    return DestinationList(items=[DestinationModel.show(view) for view in found])


@router.post("", status_code=HTTPStatus.CREATED, **allow(Role.ADMIN))
async def create_destination(
    request: Request,
    response: Response,
    identity: Identified,
    given: DestinationCreation,
    _: Annotated[None, Depends(refuse_key)],
) -> DestinationModel:
    """Make one. It is told of what goes on at this moment, too."""
    state = read_state(request.app)
    new = NewDestination(
        name=given.name,
        kind=given.kind,
        route=given.read_route(),
        language=given.language,
        is_active=given.is_active,
    )
    with _name_fields():
        view = await state.database.run(
            lambda session: services.create_destination(
                session, identity.actor, new, open_keys=state.open_keys
            )
        )
    response.headers["Location"] = f"{request.url.path}/{view.id}"
    return _show(response, view)


@router.get("/{destination_id}", **allow(Role.ADMIN))
async def show_destination(request: Request, response: Response, destination_id: UUID) -> DestinationModel:
    """One destination, and how it does."""
    view = await read_state(request.app).database.run(
        lambda session: services.get_destination(session, destination_id)
    )
    return _show(response, view)


@router.patch("/{destination_id}", **allow(Role.ADMIN))
async def change_destination(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    destination_id: UUID,
    given: DestinationEdit,
    expected_revision: ExpectedRevision,
) -> DestinationModel:
    """Change it; its kind stays."""
    state = read_state(request.app)
    change = DestinationChange(
        name=given.name, language=given.language, is_active=given.is_active, route=given.read_route()
    )
    with _name_fields():
        view = await state.database.run(
            lambda session: services.change_destination(
                session,
                identity.actor,
                destination_id,
                change,
                open_keys=state.open_keys,
                expected_revision=expected_revision,
            )
        )
    return _show(response, view)


@router.delete("/{destination_id}", status_code=HTTPStatus.NO_CONTENT, **allow(Role.ADMIN))
async def delete_destination(
    request: Request, identity: Identified, destination_id: UUID, expected_revision: ExpectedRevision
) -> None:
    """Delete it with its messages."""
    await read_state(request.app).database.run(
        lambda session: services.delete_destination(
            session, identity.actor, destination_id, expected_revision=expected_revision
        )
    )


@router.post("/{destination_id}/test", **allow(Role.ADMIN))
async def try_out(
    request: Request,
    identity: Identified,
    destination_id: UUID,
    _: Annotated[None, Depends(refuse_key)],
) -> TrialModel:
    """Send a test message and wait for the answer: up to a minute. One that cannot be delivered is a 200, too."""
    result = await try_destination(read_state(request.app), identity.actor, destination_id)
    return _show_trial(result)


def _show_trial(result: TrialResult) -> TrialModel:
    return TrialModel(
        is_delivered=result.is_delivered, answer=result.answer, seconds=round(result.seconds, 3)
    )


@contextmanager
def _name_fields() -> Iterator[None]:
    """Call a channel as it is called here: by its id."""
    try:
        yield
    except VestnikError as exc:
        exc.field = "channel_id" if exc.field == "channel" else exc.field
        raise


def _show(response: Response, view: DestinationView) -> DestinationModel:
    put_etag(response, view.revision)
    return DestinationModel.show(view)
