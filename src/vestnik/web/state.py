"""What the application was given at its start, found again from a request."""

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Protocol

from starlette.applications import Starlette
from starlette.requests import Request

from vestnik.alerting.trial import AlertTrial
from vestnik.db.secrets import OpenKeys
from vestnik.domain.alerts import AlertRules
from vestnik.domain.installation import Installation
from vestnik.domain.media_store import MediaStore
from vestnik.services.account_sessions import AccountSetup
from vestnik.web.database import Database
from vestnik.web.hub import ProgressHub
from vestnik.web.throttle import Throttle

if TYPE_CHECKING:
    from vestnik.web.identity import Identity


class Authenticator(Protocol):
    """Finds out who asks."""

    async def identify_token(self, request: Request, token: str) -> "Identity":
        """Whose API token it is. Raises UnauthorizedError."""
        ...

    async def identify_session(
        self, request: Request, cookie: str, csrf_token: str | None = None
    ) -> "Identity":
        """Whose browser it is. Raises UnauthorizedError, ForbiddenError for a forged request."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class WebState:
    """The parts that routes need beside their own input."""

    database: Database
    authenticator: Authenticator
    throttle: Throttle
    hub: ProgressHub
    """Live progress."""
    open_keys: OpenKeys
    """The keys that stored secrets are encrypted with."""
    account_setup: AccountSetup
    """What Telegram accounts are made with."""
    media: MediaStore
    """Where the files of media are."""
    zone: tzinfo = UTC
    """In which {date} and {time} in texts are written."""
    origins: frozenset[str] = frozenset()
    """Those of other sites whose pages may use a browser's session, as CORS allows them."""
    alert_rules: AlertRules = field(default_factory=AlertRules)
    """From when on something is wrong."""
    alert_trial: AlertTrial | None = None
    """Tries destinations of alerts; without it they cannot be tried here."""
    installation: Installation = field(default_factory=Installation)
    """What this process was started with, to be shown."""


def read_state(app: Starlette) -> WebState:
    """The parts, as `create_app` put them there."""
    state: WebState = app.state.web
    return state
