"""Language and theme, kept in the browser."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.forms import Submitted
from vestnik.console.languages import LANGUAGE_COOKIE, NAMES
from vestnik.console.visitors import THEME_COOKIE, THEMES, Reading, lead_to, open_to_anyone
from vestnik.web.authentication import require_own_origin

router = APIRouter()

_YEAR: Final = 365 * 24 * 3600


@router.post("/preferences", **open_to_anyone())
async def change_preferences(reader: Reading, form: Submitted) -> Response:
    """Keep what was chosen and show the page again."""
    require_own_origin(reader.request)
    response = lead_to(choose_way_back(form.text("back")))
    if form.text("language") in NAMES:
        response.set_cookie(LANGUAGE_COOKIE, form.text("language"), max_age=_YEAR, path="/", samesite="lax")
    if form.text("theme") in THEMES:
        response.set_cookie(THEME_COOKIE, form.text("theme"), max_age=_YEAR, path="/", samesite="lax")
    return response


def choose_way_back(path: str) -> str:
    """A path of our own, or the overview for anything else: a link of others must not lead to another site."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else "/"
