"""Who is told of alerts: add, change, try and delete destinations. Secrets are typed in and never shown."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.alerts import KINDS
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.marking import mark
from vestnik.console.visitors import Visiting, Visitor, lead_to, open_to
from vestnik.domain.alerts import LANGUAGES, DestinationKind, MailSecurity
from vestnik.domain.states import AccountKind
from vestnik.domain.users import Role
from vestnik.services import alert_destinations as services
from vestnik.services.accounts import AccountView, list_accounts
from vestnik.services.alert_destinations import DestinationChange, DestinationView, NewDestination
from vestnik.services.alert_routes import RouteInput
from vestnik.web.alert_trials import try_destination
from vestnik.web.state import read_state

router = APIRouter(prefix="/alerts/destinations")


@router.get("/new", **open_to(Role.ADMIN))
async def show_new(visitor: Visiting) -> Response:
    """The form for a destination of the kind that was chosen."""
    kind = _read_kind(visitor.request.query_params.get("kind", ""))
    form = Form.start(language=visitor.language.code, security=MailSecurity.STARTTLS)
    return await _show_new(visitor, kind, form, 200)


@router.post("/new", **open_to(Role.ADMIN))
async def create_destination(visitor: Visiting, form: Submitted) -> Response:
    """Add one."""
    kind = _read_kind(form.text("kind"))

    async def create(session: AsyncSession) -> str:
        new = NewDestination(
            name=form.text("name"),
            kind=kind,
            route=_read_route(form, kind, is_new=True),
            language=form.text("language"),
        )
        open_keys = read_state(visitor.request.app).open_keys
        made = await services.create_destination(session, visitor.actor, new, open_keys=open_keys)
        return f"/alerts/destinations/{made.id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_new(visitor, kind, corrected, status)

    return await submit(visitor, form, create, again=again, notice="created")


async def _show_new(visitor: Visitor, kind: DestinationKind, form: Form, status: int) -> Response:
    return visitor.render(
        "alerts/new_destination.html",
        form=form,
        kind=kind,
        kinds=KINDS,
        status=status,
        **await _list_choices(visitor),
    )


@router.get("/{destination_id}", **open_to(Role.ADMIN))
async def show_destination(visitor: Visiting, destination_id: UUID) -> Response:
    """One destination, and how it does."""
    return await _show_destination(visitor, destination_id)


@router.post("/{destination_id}", **open_to(Role.ADMIN))
async def change_destination(visitor: Visiting, destination_id: UUID, form: Submitted) -> Response:
    """Change it; secrets that are left empty stay."""
    kind = _read_kind(form.text("kind"))

    async def change(session: AsyncSession) -> str:
        wanted = DestinationChange(
            name=form.text("name"),
            language=form.text("language"),
            is_active=form.flag("is_active"),
            route=_read_route(form, kind, is_new=False),
        )
        await services.change_destination(
            session,
            visitor.actor,
            destination_id,
            wanted,
            open_keys=read_state(visitor.request.app).open_keys,
            expected_revision=form.revision(),
        )
        return f"/alerts/destinations/{destination_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_destination(visitor, destination_id, corrected, status)

    return await submit(visitor, form, change, again=again, notice="saved")


@router.post("/{destination_id}/test", **open_to(Role.ADMIN))
async def try_out(visitor: Visiting, destination_id: UUID) -> Response:
    """Send a test message and show the answer."""
    result = await try_destination(read_state(visitor.request.app), visitor.actor, destination_id)
    notice = "alert-delivered" if result.is_delivered else None
    return lead_to(f"/alerts/destinations/{destination_id}", notice=notice)


@router.post("/{destination_id}/delete", **open_to(Role.ADMIN))
async def delete_destination(visitor: Visiting, destination_id: UUID, form: Submitted) -> Response:
    """Delete it."""

    async def delete(session: AsyncSession) -> str:
        await services.delete_destination(session, visitor.actor, destination_id)
        return "/alerts"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_destination(visitor, destination_id, corrected, status)

    return await submit(visitor, form, delete, again=again, notice="deleted")


async def _show_destination(
    visitor: Visitor, destination_id: UUID, form: Form | None = None, status: int = 200
) -> Response:
    view = await visitor.read(lambda session: services.get_destination(session, destination_id))
    return visitor.render(
        "alerts/destination.html",
        view=view,
        kind=view.kind,
        kinds=KINDS,
        form=form or _show_values(view),
        status=status,
        **await _list_choices(visitor),
    )


async def _list_choices(visitor: Visitor) -> dict[str, Any]:
    found = await visitor.read(list_accounts)
    accounts = sorted(found, key=lambda account: account.kind is AccountKind.SIMULATED)
    return {
        "accounts": [(str(account.id), _name_account(visitor, account)) for account in accounts],
        "languages": LANGUAGES,
        "securities": list(MailSecurity),
    }


def _name_account(visitor: Visitor, account: AccountView) -> str:
    if account.kind is not AccountKind.SIMULATED:
        return account.name
    return visitor.language.gettext(mark("%(name)s (rehearsals only: nobody is told)")) % {
        "name": account.name
    }


def _show_values(view: DestinationView) -> Form:
    return Form.start(
        name=view.name,
        language=view.language,
        is_active=view.is_active,
        host=view.host,
        port=view.port,
        security=view.security,
        username=view.username,
        sender=view.sender,
        recipients=", ".join(view.recipients),
        account=view.account_id,
        channel=view.channel,
    )


def _read_kind(text: str) -> DestinationKind:
    return DestinationKind(text) if text in set(DestinationKind) else DestinationKind.WEBHOOK


def _read_route(form: Form, kind: DestinationKind, *, is_new: bool) -> RouteInput:
    """What the form says; of an existing one an empty secret says nothing."""

    def secret(name: str) -> str | None:
        return form.text(name) or ("" if is_new and name != "password" else None)

    match kind:
        case DestinationKind.WEBHOOK:
            return RouteInput(url=secret("url"), signing_key=secret("signing_key"))
        case DestinationKind.EMAIL:
            return RouteInput(
                host=form.text("host"),
                port=form.whole("port") if form.optional("port") else None,
                security=form.text("security"),
                username=form.text("username"),
                password="" if form.flag("forget_password") else secret("password"),
                sender=form.text("sender"),
                recipients=form.text("recipients").replace("\n", ",").split(","),
            )
        case DestinationKind.TELEGRAM:
            return RouteInput(account=form.text("account"), channel=form.text("channel"))
