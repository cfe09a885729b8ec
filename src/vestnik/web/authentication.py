"""Tokens and sessions as the database has them, and the guard against requests that another site caused."""

import hashlib
import hmac
import re
from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from vestnik.db.sessions import find_session_owner, list_good_sessions
from vestnik.db.tokens import find_token_owner, list_good_tokens
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.errors import ForgedRequestError, PasswordChangeRequiredError, UnauthorizedError
from vestnik.services.credentials import hash_secret
from vestnik.web.database import Database
from vestnik.web.identity import CSRF_HEADER, SAFE_METHODS, Identity
from vestnik.web.state import Authenticator, read_state

LONGEST_COOKIE: Final = 200
ALWAYS_OPEN: Final = ("/api/auth/", "/password", "/sign-out")
"""Where a password that somebody else gave out can be changed, in the API and in the console."""
_TOKEN: Final = re.compile(r"vst_[A-Za-z0-9_-]{43}")


class StoredIdentities(Authenticator):
    """Looks tokens and sessions up, a query each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identify_token(self, request: Request, token: str) -> Identity:
        """Whose API token it is. Raises UnauthorizedError, the same for every reason."""
        owner = None
        if _TOKEN.fullmatch(token):
            digest = hash_secret(token)
            owner = await self._database.look(lambda session: find_token_owner(session, digest))
        if owner is None:
            raise UnauthorizedError("the token is wrong, expired or revoked; make a new one")
        return Identity(
            user_id=owner.user_id,
            email=owner.email,
            role=owner.scope.limit_role(owner.role),
            actor=Actor(
                kind=ActorKind.TOKEN,
                name=f"{owner.email} / {owner.token_name}",
                address=read_address(request),
            ),
            token_id=owner.token_id,
            scope=owner.scope,
        )

    async def admit(self, ids: Collection[UUID]) -> set[UUID]:
        """Those of some tokens and sessions that are still good."""

        async def look(session: AsyncSession) -> set[UUID]:
            tokens = await list_good_tokens(session, ids)
            rest = set(ids) - tokens
            return tokens | await list_good_sessions(session, rest) if rest else tokens

        return await self._database.look(look)

    async def identify_session(
        self, request: Request, cookie: str, csrf_token: str | None = None
    ) -> Identity:
        """Whose browser it is; `csrf_token` is that of a form, which cannot send the header.

        Raises UnauthorizedError; ForgedRequestError for a change without the session's CSRF token or from another
        origin; PasswordChangeRequiredError where a password that somebody else gave out must be changed first.
        """
        owner = None
        if len(cookie) <= LONGEST_COOKIE:
            digest = hash_secret(cookie)
            owner = await self._database.look(lambda session: find_session_owner(session, digest))
        if owner is None:
            raise UnauthorizedError("the session has ended; sign in again")
        if request.method not in SAFE_METHODS:
            _require_csrf_token(csrf_token or request.headers.get(CSRF_HEADER, ""), cookie)
            require_own_origin(request)
        if owner.must_change_password and not request.url.path.startswith(ALWAYS_OPEN):
            raise PasswordChangeRequiredError(
                "change the password first (POST /api/auth/password): it was given out by somebody else"
            )
        return Identity(
            user_id=owner.user_id,
            email=owner.email,
            role=owner.role,
            actor=Actor(kind=ActorKind.USER, name=owner.email, address=read_address(request)),
            session_id=owner.session_id,
        )


def make_csrf_token(cookie: str) -> str:
    """What a page of ours sends along with changes; another site cannot know it."""
    return hmac.new(cookie.encode(errors="surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def read_address(request: Request) -> str | None:
    """Where a request came from; a proxy's word counts only if the settings trust it."""
    return None if request.client is None else request.client.host


def require_own_origin(request: Request) -> None:
    """Raise ForgedRequestError if the browser says that a page of another site sent this.

    Programs send no Origin; the origins that CORS allows are as good as our own.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return
    own = f"{request.url.scheme}://{request.headers.get('host', '')}".lower()
    if origin.lower() != own and origin not in read_state(request.app).origins:
        raise ForgedRequestError(
            "the request comes from a page of another site; allow it with VESTNIK_CORS_ORIGINS if it is yours",
            field="Origin",
        )


def _require_csrf_token(given: str, cookie: str) -> None:
    if not hmac.compare_digest(given.encode(errors="surrogatepass"), make_csrf_token(cookie).encode()):
        raise ForgedRequestError(
            f"send csrfToken of the sign-in (or of GET /api/auth/me) as {CSRF_HEADER}", field=CSRF_HEADER
        )
