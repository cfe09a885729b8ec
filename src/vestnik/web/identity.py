"""Who asks: the answer of authentication, and the declaration of what a route needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Request, Security, params
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from vestnik.domain.actors import Actor
from vestnik.domain.errors import ForbiddenError, UnauthorizedError
from vestnik.domain.users import Role, TokenScope
from vestnik.web.queries import refuse_unknown_query
from vestnik.web.state import read_state

SESSION_COOKIE: Final = "vestnik_session"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A personal API token: `vestnik token create --user EMAIL`, or POST /api/tokens.",
)
_COOKIE = APIKeyCookie(
    name=SESSION_COOKIE,
    auto_error=False,
    scheme_name="session",
    description=f"A signed-in browser (POST /api/auth/login). Unsafe methods also need {CSRF_HEADER}.",
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
Cookie = Annotated[str | None, Security(_COOKIE)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """A person, through a token or a browser. `role` is what he may do this way."""

    user_id: UUID
    email: str
    role: Role
    actor: Actor
    token_id: UUID | None = None
    session_id: UUID | None = None
    scope: TokenScope = TokenScope.FULL

    @property
    def credential_id(self) -> UUID:
        """Of the token or the session."""
        return self.token_id or self.session_id or self.user_id


async def identify(request: Request, bearer: Bearer, cookie: Cookie) -> Identity:
    """Who asks. Raises UnauthorizedError, ForbiddenError (a request that another site may have caused)."""
    identity = await _look_up(request, bearer, cookie)
    read_state(request.app).throttle.take(identity.credential_id)
    return identity


async def _look_up(
    request: Request, bearer: HTTPAuthorizationCredentials | None, cookie: str | None
) -> Identity:
    authenticator = read_state(request.app).authenticator
    if bearer is not None:
        return await authenticator.identify_token(request, bearer.credentials)
    if "authorization" in request.headers:
        raise UnauthorizedError("the Authorization header is malformed; send: Authorization: Bearer TOKEN")
    if cookie is not None:
        return await authenticator.identify_session(request, cookie)
    raise UnauthorizedError("sign in, or send a token: Authorization: Bearer TOKEN")


Identified = Annotated[Identity, Depends(identify)]


def require_full_scope(identity: Identity) -> None:
    """Raise ForbiddenError for a token that may only read, where the role does not tell."""
    if identity.scope is not TokenScope.FULL:
        raise ForbiddenError(f"a token of scope {identity.scope} changes nothing; use one of scope FULL")


def require_role(identity: Identity, needed: Role) -> None:
    """Raise ForbiddenError unless the role includes the needed one."""
    if not identity.role.includes(needed):
        raise ForbiddenError(f"this needs the role {needed}; you have {identity.role}")


class RoleGuard:
    """A dependency that lets those pass whose role includes the needed one."""

    def __init__(self, needed: Role) -> None:
        self._needed = needed

    async def __call__(self, identity: Identified) -> None:
        """Raise ForbiddenError for everyone else."""
        require_role(identity, self._needed)


def allow(role: Role, *, guard: Callable[..., Any] | None = None) -> dict[str, Any]:
    """What a route's decorator takes to be open to a role; every route has this or `allow_anyone`.

    `guard` looks to it in place of `RoleGuard`.
    """
    return {
        "dependencies": [Depends(guard or RoleGuard(role)), Depends(refuse_unknown_query)],
        "openapi_extra": {"x-role": role.value},
    }


def allow_anyone(*dependencies: params.Depends) -> dict[str, Any]:
    """For the few routes that need no login; with what else they depend on."""
    return {
        "dependencies": [*dependencies, Depends(refuse_unknown_query)],
        "openapi_extra": {"x-role": "ANYONE"},
    }
