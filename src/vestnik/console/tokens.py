"""API tokens: one's own, and for administrators everybody's."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.users import Role, TokenScope
from vestnik.services import tokens
from vestnik.services.tokens import CreatedToken, NewToken

router = APIRouter(prefix="/tokens")

LIVES: Final = ("30", "90", "365", "")
"""Days that may be chosen; "" has no end."""


@router.get("", **open_to(Role.VIEWER))
async def list_tokens(visitor: Visiting) -> Response:
    """One's own tokens, and the form for a new one."""
    return await _show(visitor, Form.start(scope=TokenScope.FULL, days="90"))


@router.post("", **open_to(Role.VIEWER))
async def create_token(visitor: Visiting, form: Submitted) -> Response:
    """Make a token for oneself; its text is shown this one time."""
    made: list[CreatedToken] = []

    async def create(session: AsyncSession) -> str:
        new = NewToken(
            user_id=visitor.identity.user_id,
            name=form.text("name"),
            scope=_read_scope(form),
            expires_at=_read_expiry(form),
        )
        made.append(await tokens.create_token(session, visitor.actor, new))
        return "/tokens"

    async def again(corrected: Form, status: int) -> Response:
        return await _show(visitor, corrected, status)

    response = await submit(visitor, form, create, again=again, notice="created")
    if not made or response.status_code != HTTPStatus.SEE_OTHER:
        return response
    return visitor.render("tokens/made.html", made=made[0])


@router.post("/{token_id}/revoke", **open_to(Role.VIEWER))
async def revoke_token(visitor: Visiting, token_id: UUID, form: Submitted) -> Response:
    """Make one's own token useless, or as an administrator anybody's."""
    owner = None if visitor.may(Role.ADMIN) else visitor.identity.user_id

    async def revoke(session: AsyncSession) -> str:
        await tokens.revoke_token(session, visitor.actor, token_id, owner=owner)
        return "/tokens"

    async def again(corrected: Form, status: int) -> Response:
        return await _show(
            visitor, corrected.with_problems(**{"": " ".join(corrected.problems.values())}), status
        )

    return await submit(visitor, form, revoke, again=again, notice="token-revoked")


async def _show(visitor: Visitor, form: Form, status: int = 200) -> Response:
    before = read_cursor(visitor.request, (datetime, UUID))
    own = visitor.identity.user_id
    found = await visitor.read(
        lambda session: tokens.list_tokens(session, own, limit=PAGE_SIZE + 1, before=before)
    )
    others = []
    if visitor.may(Role.ADMIN):
        everybody = await visitor.read(tokens.list_all_tokens)
        others = [token for token in everybody if token.view.user_id != own and token.view.revoked_at is None]
    return visitor.render(
        "tokens/list.html",
        page=make_page(visitor.request, found, lambda token: (token.created_at, token.id)),
        others=others,
        form=form,
        scopes=list(TokenScope),
        lives=LIVES,
        status=status,
    )


def _read_scope(form: Form) -> TokenScope:
    try:
        return TokenScope(form.text("scope"))
    except ValueError:
        raise InvalidInputError("choose what the token may do", field="scope") from None


def _read_expiry(form: Form) -> datetime | None:
    if form.text("days") not in LIVES:
        raise InvalidInputError("choose how long the token is to live", field="days")
    days = form.text("days")
    return datetime.now(UTC) + timedelta(days=int(days)) if days else None
