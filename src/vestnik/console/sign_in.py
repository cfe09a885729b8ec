"""Signing in and out, and the own password."""

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.forms import Form, Submitted
from vestnik.console.preferences import choose_way_back
from vestnik.console.visitors import (
    PASSWORD,
    SIGN_IN,
    Reader,
    Reading,
    Visiting,
    lead_to,
    open_to,
    open_to_anyone,
)
from vestnik.domain.errors import (
    InvalidInputError,
    PasswordChangeRequiredError,
    TooManyRequestsError,
    UnauthorizedError,
)
from vestnik.domain.users import Role
from vestnik.services import logins
from vestnik.web import sign_in
from vestnik.web.authentication import read_address, require_own_origin
from vestnik.web.cookies import clear_session_cookie, put_session_cookie
from vestnik.web.identity import SESSION_COOKIE
from vestnik.web.problems import find_status
from vestnik.web.state import read_state

router = APIRouter()


@router.get(SIGN_IN, **open_to_anyone())
async def show_sign_in(reader: Reading) -> Response:
    """The form; whoever is signed in already goes on."""
    way = choose_way_back(reader.request.query_params.get("next", "/"))
    cookie = reader.request.cookies.get(SESSION_COOKIE)
    if cookie is not None:
        try:
            await read_state(reader.request.app).authenticator.identify_session(reader.request, cookie)
        except UnauthorizedError:
            pass
        except PasswordChangeRequiredError:
            return lead_to(PASSWORD)
        else:
            return lead_to(way)
    return _show(reader, Form.start(next=way))


@router.post(SIGN_IN, **open_to_anyone())
async def submit_sign_in(reader: Reading, form: Submitted) -> Response:
    """Open a session and lead to the page that was wanted."""
    require_own_origin(reader.request)
    if form.is_only_shown:
        return _show(reader, form)
    database = read_state(reader.request.app).database
    try:
        signed_in = await sign_in.sign_in(
            database, form.text("email"), form.text("password"), read_address(reader.request)
        )
    except (UnauthorizedError, InvalidInputError, TooManyRequestsError) as error:
        return _show(reader, form.with_problems(**{"": reader.say(error.message)}), status=find_status(error))
    way = PASSWORD if signed_in.user.must_change_password else choose_way_back(form.text("next"))
    response = lead_to(way)
    put_session_cookie(reader.request, response, signed_in.cookie)
    return response


@router.post("/sign-out", **open_to(Role.VIEWER))
async def submit_sign_out(visitor: Visiting) -> Response:
    """End the session."""
    await visitor.read(lambda session: logins.sign_out(session, visitor.actor, visitor.identity.session_id))
    response = lead_to(SIGN_IN, notice="signed-out")
    clear_session_cookie(visitor.request, response)
    return response


def _show(reader: Reader, form: Form, *, status: int = 200) -> Response:
    return reader.render("sign_in.html", form=form, status=status)
