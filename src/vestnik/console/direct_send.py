"""Test send: a post in a few channels now, and what Telegram answers."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import KEY_FIELD, Form, Submitted, explain, make_request_key, submit
from vestnik.console.marking import mark
from vestnik.console.pages import LONGEST_SEARCH, read_search
from vestnik.console.post_previews import (
    VARIABLE_TEXTS,
    ShownPost,
    name_channel,
    render_post,
    show_post,
    suggest_channels,
    write_channel,
)
from vestnik.console.template_forms import (
    FILE_LIMITS,
    find_files,
    keep_upload,
    read_media_ids,
    read_post_options,
)
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.content import count_units
from vestnik.domain.errors import AccountHeldError, ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import ChannelId, CommandId, TemplateId
from vestnik.domain.states import AccountKind, Mode
from vestnik.domain.users import Role
from vestnik.services.accounts import REHEARSAL_ACCOUNT, AccountView, list_accounts, parse_id
from vestnik.services.channel_views import ChannelQuery, ChannelView, get_channel, list_channels
from vestnik.services.direct_send import LONGEST_KEY, MOST_CHANNELS, NewSend, request_send
from vestnik.services.send_requests import get_request
from vestnik.services.templates import ListedTemplate, TemplateDraft, get_template, list_templates
from vestnik.web.state import read_state

router = APIRouter(prefix="/send")

MOST_FOUND: Final = 20
_MOST_PAGES: Final = 20
MOST_TEMPLATES: Final = 100
"""In the field to pick one from; any other is reached from its own page."""
TEXT, TEMPLATE = "text", "template"
_HELD: Final = mark(
    "Telegram makes this account wait until %(time)s. Nothing is sent before; try again then."
)


class _NotConfirmed(Exception):  # noqa: N818 - no error: it leads to a question
    """All is well, and a real account would post; nothing was kept, because nobody has said yes yet."""

    def __init__(self, account: str, channels: int) -> None:
        super().__init__(account)
        self.account = account
        self.channels = channels


# ---- the form -----------------------------------------------------------------------------------------------


@router.get("", **open_to(Role.OPERATOR))
async def show_form(visitor: Visiting) -> Response:
    """The form; the address may name a template or a channel to begin with."""
    query = visitor.request.query_params
    template_id, channel_id = parse_id(query.get("template", "")), parse_id(query.get("channel", ""))
    chosen: list[str] = []
    if channel_id is not None:
        found = await visitor.read(lambda session: get_channel(session, ChannelId(channel_id)))
        chosen = [write_channel(found.channel)]
    form = Form.start(
        what=TEXT if template_id is None else TEMPLATE,
        template=template_id,
        channel=chosen,
        parse_mode="HTML",
        link_preview=True,
    )
    return await _show_form(visitor, form)


async def _show_form(visitor: Visitor, form: Form, status: int = HTTPStatus.OK) -> Response:
    search = read_search(visitor.request) or ""
    return visitor.render(
        "send/form.html",
        status=status,
        form=form,
        search=search,
        chosen=_list_chosen(form),
        found=await _search(visitor, search),
        templates=await _list_templates(visitor, parse_id(form.text("template"))),
        **await _list_accounts(visitor, form.text("account")),
        shown=await _preview(visitor, form),
        typed=count_units(form.text("text")),
        variables=VARIABLE_TEXTS,
        most_channels=MOST_CHANNELS,
        files=await find_files(visitor, form),
        **FILE_LIMITS,
    )


async def _list_templates(visitor: Visitor, picked: UUID | None) -> Sequence[ListedTemplate]:
    """The newest, and the picked one if it is older."""

    async def read(session: AsyncSession) -> list[ListedTemplate]:
        found = await list_templates(session, limit=MOST_TEMPLATES)
        if picked is not None and picked not in {template.id for template in found}:
            found.append(await get_template(session, TemplateId(picked)))
        return found

    try:
        return await visitor.read(read)
    except NotFoundError:
        return await visitor.read(lambda session: list_templates(session, limit=MOST_TEMPLATES))


def _list_chosen(form: Form) -> list[str]:
    """The channels whose boxes are checked, each once."""
    return list(dict.fromkeys(name.strip() for name in form.texts("channel") if name.strip()))


async def _search(visitor: Visitor, search: str) -> list[tuple[str, str]]:
    """Channels that could be chosen: as the form names them, and as people do."""
    wanted = ChannelQuery(search=search.strip()[:LONGEST_SEARCH], active=True)

    async def look(session: AsyncSession) -> list[ChannelView]:
        # A page may be short where most channels are inactive; after some of them the search has to be closer.
        found, before = list[ChannelView](), None
        for _ in range(_MOST_PAGES):
            page = await list_channels(session, wanted, limit=MOST_FOUND, before=before)
            found += page.items
            before = page.next_before
            if before is None or len(found) >= MOST_FOUND:
                break
        return found[:MOST_FOUND]

    found = await visitor.read(look)
    return [(write_channel(channel), name_channel(channel)) for channel in found]


@router.get("/channels", **open_to(Role.OPERATOR))
async def search_channels(visitor: Visiting) -> Response:
    """The boxes of channels: those that are checked stay, the others are those that were searched for."""
    query = visitor.request.query_params
    chosen = list(dict.fromkeys(name[:LONGEST_SEARCH] for name in query.getlist("channel") if name.strip()))
    search = query.get("search", "")
    return visitor.render(
        "send/channels.html",
        search=search,
        chosen=chosen[: 2 * MOST_CHANNELS],
        found=await _search(visitor, search),
    )


@router.get("/suggestions", **open_to(Role.OPERATOR))
async def suggest_preview_channels(visitor: Visiting) -> Response:
    """Channels in which the post may be shown."""
    return await suggest_channels(visitor, visitor.request.query_params.get("preview_channel", ""))


@router.get("/accounts", **open_to(Role.OPERATOR))
async def show_accounts(visitor: Visiting) -> Response:
    """The accounts as they stand now, with the chosen one still chosen."""
    chosen = visitor.request.query_params.get("account", "")
    return visitor.render("send/accounts.html", **await _list_accounts(visitor, chosen))


async def _list_accounts(visitor: Visitor, chosen: str) -> dict[str, Any]:
    """What the part about accounts needs; at first the one that rehearses is chosen."""
    accounts = await visitor.read(list_accounts)
    simulated = [account for account in accounts if account.kind is AccountKind.SIMULATED]
    simulated.sort(key=lambda account: account.name != REHEARSAL_ACCOUNT)
    if not any(str(account.id) == chosen for account in accounts):
        chosen = str(simulated[0].id) if simulated else ""
    return {"accounts": accounts, "account": chosen}


@router.post("/preview", **open_to(Role.OPERATOR))
async def preview_send(visitor: Visiting, form: Submitted) -> Response:
    """What is about to be sent, as readers of the first channel would see it."""
    return render_post(visitor, await _preview(visitor, form))


async def _preview(visitor: Visitor, form: Form) -> ShownPost:
    draft = TemplateDraft(
        name="",
        content=form.text("text"),
        parse_mode=form.optional("parse_mode"),
        **read_post_options(form),
        media_ids=tuple(file.id for file in await find_files(visitor, form)),
    )
    if form.text("what") == TEMPLATE:
        template_id = parse_id(form.text("template"))
        draft = TemplateDraft(name="", content="")
        if template_id is not None:
            draft = await _draft_template(visitor, TemplateId(template_id))
    channels = [form.text("preview_channel").strip(), *_read_channels(form)]
    return await show_post(visitor, draft, channel=next(filter(None, channels), ""))


async def _draft_template(visitor: Visitor, template_id: TemplateId) -> TemplateDraft:
    try:
        view = await visitor.read(lambda session: get_template(session, template_id))
    except NotFoundError:
        return TemplateDraft(name="", content="")
    return TemplateDraft(**{name: getattr(view, name) for name in TemplateDraft.__dataclass_fields__})


# ---- sending ------------------------------------------------------------------------------------------------


@router.post("", **open_to(Role.OPERATOR))
async def send_now(visitor: Visiting, form: Submitted) -> Response:
    """Ask for the posts; where a real account would post, only once somebody said yes to that."""
    if form.flag("back"):
        return await _show_form(visitor, form)
    try:
        form = await keep_upload(visitor, form)
    except InvalidInputError as error:
        return await _show_form(visitor, explain(visitor, form, error), HTTPStatus.UNPROCESSABLE_ENTITY)
    state = read_state(visitor.request.app)

    async def send(session: AsyncSession) -> str:
        account = await _find_account(session, form)
        new = _read_send(visitor, form, account)
        try:
            made = await request_send(session, visitor.actor, new, open_keys=state.open_keys)
        except AccountHeldError as error:
            text = visitor.language.gettext(_HELD) % {"time": visitor.formats.clock(error.until)}
            raise ConflictError(text, field="account") from error
        if new.mode == Mode.LIVE and form.text("confirmed") != str(made.account_id):
            raise _NotConfirmed(made.account_name, len(made.ids))
        return f"/send/{made.ids[0]}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_form(visitor, corrected, status)

    try:
        return await submit(visitor, form, send, again=again)
    except _NotConfirmed as question:
        return visitor.render(
            "send/confirm.html",
            form=form,
            account=question.account,
            count=question.channels,
            channels=_read_channels(form),
            shown=await _preview(visitor, form),
        )


async def _find_account(session: AsyncSession, form: Form) -> AccountView | None:
    """The chosen one; None leaves the choice to the service, which rehearses."""
    account_id = parse_id(form.text("account"))
    if account_id is None:
        return None
    found = next((view for view in await list_accounts(session) if view.id == account_id), None)
    if found is None:
        raise InvalidInputError("there is no such account; choose one of these", field="account")
    return found


def _read_send(visitor: Visitor, form: Form, account: AccountView | None) -> NewSend:
    """What the service is asked for: the kind of the account says whether it is a rehearsal."""
    is_live = account is not None and account.kind is not AccountKind.SIMULATED
    is_template = form.text("what") == TEMPLATE
    template_id = parse_id(form.text("template"))
    if is_template and template_id is None:
        raise InvalidInputError("choose a template", field="template")
    return NewSend(
        channels=_read_channels(form),
        text=None if is_template else form.text("text"),
        template_id=template_id if is_template else None,
        parse_mode=None if is_template else form.optional("parse_mode"),
        **({} if is_template else read_post_options(form)),
        media_ids=() if is_template else read_media_ids(form),
        mode=Mode.LIVE if is_live else Mode.TEST,
        account=None if account is None else str(account.id),
        # Without a key the posts would not be known as asked for together.
        idempotency_key=form.text(KEY_FIELD)[:LONGEST_KEY] or make_request_key(),
        key_owner=f"console:{visitor.identity.user_id}",
        zone=read_state(visitor.request.app).zone,
    )


def _read_channels(form: Form) -> list[str]:
    """Those whose boxes are checked, and those that were typed, on lines or between commas."""
    typed = form.text("names").replace(",", "\n").replace(";", "\n").split("\n")
    return _list_chosen(form) + [name.strip() for name in typed if name.strip()]


# ---- what came of it ----------------------------------------------------------------------------------------


@router.get("/{send_id}", **open_to(Role.VIEWER))
async def show_results(visitor: Visiting, send_id: UUID) -> Response:
    """Telegram's answer in each channel of the request that a post belongs to."""
    sent = await visitor.read(lambda session: get_request(session, CommandId(send_id)))
    return visitor.render("send/results.html", sent=sent, send_id=send_id)
