"""One's own password, which has to be changed first where somebody else gave it out."""

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import Form, Submitted, explain, find_answer, identify_sent, keep_answer
from vestnik.console.visitors import PASSWORD, Visiting, Visitor, lead_to, open_to
from vestnik.domain.errors import ConflictError, InvalidInputError, TooManyRequestsError
from vestnik.domain.users import MIN_PASSWORD_LENGTH, Role
from vestnik.services.users import get_user
from vestnik.web import sign_in
from vestnik.web.problems import find_status
from vestnik.web.state import read_state

router = APIRouter()


@router.get(PASSWORD, **open_to(Role.VIEWER))
async def show_password(visitor: Visiting) -> Response:
    """The form."""
    return await _show(visitor, Form())


@router.post(PASSWORD, **open_to(Role.VIEWER))
async def change_password(visitor: Visiting, form: Submitted) -> Response:
    """Change it; all other sessions of the person end. Sent twice it is changed once, and both lead on."""
    if form.is_only_shown:
        return await _show(visitor, Form())
    sent = await identify_sent(visitor, form)

    async def find(session: AsyncSession) -> str | None:
        return await find_answer(session, visitor, sent)

    async def keep(session: AsyncSession) -> None:
        await keep_answer(session, visitor, sent, "/")

    try:
        if await visitor.read(find) is None:
            _require_equal(form.text("new_password"), form.text("repeated"))
            await sign_in.change_password(
                read_state(visitor.request.app).database,
                visitor.identity,
                form.text("current_password"),
                form.text("new_password"),
                also=keep,
            )
    except (InvalidInputError, TooManyRequestsError, ConflictError) as error:
        # The other of two clicks may have been first meanwhile.
        if isinstance(error, ConflictError) or await visitor.read(find) is None:
            return await _show(visitor, explain(visitor, form, error), status=find_status(error))
    return lead_to("/", notice="password-changed")


def _require_equal(new: str, repeated: str) -> None:
    if new != repeated:
        raise InvalidInputError("the two new passwords differ", field="repeated")


async def _show(visitor: Visitor, form: Form, *, status: int = 200) -> Response:
    user = await visitor.read(lambda session: get_user(session, visitor.identity.user_id))
    return visitor.render(
        "password.html",
        form=form,
        status=status,
        is_required=user.must_change_password,
        shortest=MIN_PASSWORD_LENGTH,
    )
