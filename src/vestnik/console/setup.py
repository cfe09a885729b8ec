"""The way from an empty installation to the first rehearsal, step by step."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.visitors import Reader, Visiting, lead_to, open_to
from vestnik.domain.users import Role
from vestnik.services.setup import SetupStep, read_setup

router = APIRouter(prefix="/setup")

SETUP_COOKIE: Final = "vestnik_setup"
DISMISSED: Final = "dismissed"
_YEAR: Final = 365 * 24 * 3600


@router.get("", **open_to(Role.OPERATOR))
async def show_setup(visitor: Visiting) -> Response:
    """What is done and what is next."""
    setup = await visitor.read(read_setup)
    return visitor.render("setup/page.html", setup=setup, steps=SetupStep, is_dismissed=is_dismissed(visitor))


@router.post("/dismiss", **open_to(Role.OPERATOR))
async def dismiss_setup(_visitor: Visiting) -> Response:
    """Take it off the overview of this browser."""
    response = lead_to("/")
    response.set_cookie(SETUP_COOKIE, DISMISSED, max_age=_YEAR, path="/", httponly=True, samesite="lax")
    return response


@router.post("/recall", **open_to(Role.OPERATOR))
async def recall_setup(_visitor: Visiting) -> Response:
    """Show it on the overview again."""
    response = lead_to("/setup")
    response.delete_cookie(SETUP_COOKIE, path="/")
    return response


def is_dismissed(reader: Reader) -> bool:
    """Whether this browser's overview goes without it."""
    return reader.request.cookies.get(SETUP_COOKIE) == DISMISSED
