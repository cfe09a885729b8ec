"""Who looks at a page, in which language and time zone, and what a page of him is rendered with."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import quote, urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Match

from vestnik.console.formats import Formats, choose_zone
from vestnik.console.languages import Language, choose_language
from vestnik.console.rendering import read_renderer
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ForbiddenError, PasswordChangeRequiredError, UnauthorizedError
from vestnik.domain.users import Role
from vestnik.web.authentication import make_csrf_token
from vestnik.web.identity import SAFE_METHODS, SESSION_COOKIE, Identity
from vestnik.web.state import read_state

Result = TypeVar("Result")

CSRF_FIELD: Final = "csrf_token"
NOTICE_COOKIE: Final = "vestnik_notice"
THEME_COOKIE: Final = "vestnik_theme"
THEMES: Final = ("auto", "light", "dark")
SIGN_IN: Final = "/sign-in"
PASSWORD: Final = "/password"  # noqa: S105 - a path
MOST_FIELDS: Final = 2_000
MOST_FILES: Final = 10
MOST_PART_BYTES: Final = 12 * 1024 * 1024


class SignInNeeded(Exception):  # noqa: N818 - no error: it leads to another page
    """Nobody is signed in, or the password must be changed first; `path` is where to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Somebody who may not be signed in: what is needed to write him a page."""

    request: Request
    language: Language
    formats: Formats
    theme: str

    @property
    def way_back(self) -> str:
        """Where this page can be opened again; for what came of a form the nearest page above it."""
        url = self.request.url
        if self.request.method in SAFE_METHODS:
            return url.path + (f"?{url.query}" if url.query else "")
        path = url.path
        while path and not _is_page(self.request, path):
            path = path.rpartition("/")[0]
        return path or "/"

    def say(self, message: str) -> str:
        """The message of an error, in his language, as a sentence."""
        return self.language.say(message)

    def render(
        self,
        template: str,
        /,
        *,
        status: int = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
        **context: Any,  # noqa: ANN401 - what a template is given
    ) -> HTMLResponse:
        """A page or a part of one."""
        html = read_renderer(self.request.app).render(template, self, context)
        response = HTMLResponse(html, status_code=status, headers=dict(headers or {}))
        if NOTICE_COOKIE in self.request.cookies and "hx-request" not in self.request.headers:
            response.delete_cookie(NOTICE_COOKIE, path="/")
        return response


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor(Reader):
    """Somebody signed in."""

    identity: Identity
    csrf_token: str

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        return self.identity.actor

    def may(self, role: str) -> bool:
        """Whether his role includes another, such as OPERATOR."""
        return self.identity.role.includes(Role(role))

    async def read(
        self, work: Callable[[AsyncSession], Awaitable[Result]], *, limit: float | None = None
    ) -> Result:
        """Run a transaction."""
        return await read_state(self.request.app).database.run(work, limit=limit)


def _is_page(request: Request, path: str) -> bool:
    scope = {**request.scope, "path": path, "method": "GET"}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)


def read_request(request: Request) -> Reader:
    """Who asks, as far as his browser tells."""
    language = choose_language(request)
    theme = request.cookies.get(THEME_COOKIE, "")
    return Reader(
        request=request,
        language=language,
        formats=Formats(language, choose_zone(request, read_state(request.app).zone)),
        theme=theme if theme in THEMES else THEMES[0],
    )


async def identify_visitor(request: Request) -> Visitor:
    """Who is signed in with this browser.

    Raises SignInNeeded, and ForgedRequestError for a form without the session's CSRF token.
    """
    cookie = request.cookies.get(SESSION_COOKIE)
    if cookie is None:
        raise SignInNeeded(make_sign_in_path(request))
    csrf_token = None
    if request.method not in SAFE_METHODS:
        form = await request.form(max_fields=MOST_FIELDS, max_files=MOST_FILES, max_part_size=MOST_PART_BYTES)
        given = form.get(CSRF_FIELD)
        csrf_token = given if isinstance(given, str) else None
    state = read_state(request.app)
    try:
        identity = await state.authenticator.identify_session(request, cookie, csrf_token)
    except UnauthorizedError:
        raise SignInNeeded(make_sign_in_path(request)) from None
    except PasswordChangeRequiredError:
        raise SignInNeeded(PASSWORD) from None
    state.throttle.take(identity.session_id or identity.user_id)
    reader = read_request(request)
    return Visitor(
        request=request,
        language=reader.language,
        formats=reader.formats,
        theme=reader.theme,
        identity=identity,
        csrf_token=make_csrf_token(cookie),
    )


def make_sign_in_path(request: Request) -> str:
    """The page to sign in, which leads back to a page that was asked for."""
    if request.method not in SAFE_METHODS or request.url.path == "/" or "hx-request" in request.headers:
        return SIGN_IN
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"{SIGN_IN}?next={quote(wanted, safe='')}"


async def _visit(request: Request) -> AsyncIterator[Visitor]:
    try:
        yield await identify_visitor(request)
    finally:
        await request.close()  # the files of a form


Visiting = Annotated[Visitor, Depends(_visit)]
Reading = Annotated[Reader, Depends(read_request)]


class _RoleGuard:
    def __init__(self, needed: Role) -> None:
        self._needed = needed

    async def __call__(self, visitor: Visiting) -> None:
        """Raise ForbiddenError for those whose role does not include the needed one."""
        if not visitor.identity.role.includes(self._needed):
            raise ForbiddenError(f"this needs the role {self._needed}; you have {visitor.identity.role}")


def open_to(role: Role) -> dict[str, Any]:
    """What a page's decorator takes to be open to a role; every page has this or `open_to_anyone`."""
    return {"dependencies": [Depends(_RoleGuard(role))], "openapi_extra": {"x-role": role.value}}


def open_to_anyone() -> dict[str, Any]:
    """For the few pages before signing in."""
    return {"openapi_extra": {"x-role": "ANYONE"}}


def lead_to(path: str, *, notice: str | None = None, **query: str) -> Response:
    """Another page, after something was done; it shows the notice of this key (see notices.py) once."""
    if query:
        path += f"?{urlencode(query)}"
    response = RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)
    if notice is not None:
        response.set_cookie(NOTICE_COOKIE, notice, max_age=60, path="/", httponly=True, samesite="lax")
    return response
