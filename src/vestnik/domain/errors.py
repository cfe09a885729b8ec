"""Errors that a user can act on; each says what is wrong and what to do."""

from datetime import datetime
from typing import ClassVar


class VestnikError(Exception):
    """Base of all errors with a message for the user.

    `code` is stable and machine readable. `field` names the input at fault, if one is.
    """

    code: ClassVar[str] = "ERROR"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInputError(VestnikError):
    """What the user gave cannot be used; nothing was stored."""

    code = "INVALID_INPUT"


class NotFoundError(VestnikError):
    """The named thing does not exist."""

    code = "NOT_FOUND"


class ConflictError(VestnikError):
    """The thing exists but its present state does not allow the action."""

    code = "CONFLICT"


class AccountHeldError(ConflictError):
    """Telegram makes the account wait until an instant, and nothing of it is sent before."""

    code = "ACCOUNT_HELD"

    def __init__(self, message: str, *, until: datetime, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.until = until


class BusyError(ConflictError):
    """Somebody else is changing the thing and did not finish in time; nothing was changed."""

    code = "BUSY"


class NoWorkerError(VestnikError):
    """No process speaks for the account now; nothing was stored, and it can be asked again later."""

    code = "NO_WORKER"


class StaleRevisionError(VestnikError):
    """Somebody else changed the thing since it was read; nothing was changed."""

    code = "STALE_REVISION"


class UnauthorizedError(VestnikError):
    """It is not known who asks: no token or session, or one that is wrong, expired or revoked."""

    code = "UNAUTHORIZED"


class ForbiddenError(VestnikError):
    """Who asks may not do this."""

    code = "FORBIDDEN"


class PasswordChangeRequiredError(ForbiddenError):
    """The password was given out by somebody else, and is to be changed before anything else."""

    code = "PASSWORD_CHANGE_REQUIRED"


class ForgedRequestError(ForbiddenError):
    """A browser sent this, but perhaps at the wish of another site."""

    code = "CSRF"


class TooManyRequestsError(VestnikError):
    """Asked too often; `retry_after` says in how many seconds it may be asked again."""

    code = "TOO_MANY_REQUESTS"

    def __init__(self, message: str, *, retry_after: float, field: str | None = None) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


class ConfigurationError(VestnikError):
    """A setting is missing, malformed or contradicts another."""

    code = "CONFIGURATION"


class DatabaseUnavailableError(VestnikError):
    """PostgreSQL cannot be reached or refuses the connection."""

    code = "DATABASE_UNAVAILABLE"


class SchemaVersionError(VestnikError):
    """The database's schema is older or newer than this version of Vestnik."""

    code = "SCHEMA_VERSION"


class SecretError(VestnikError):
    """A stored secret cannot be read with the keys at hand."""

    code = "SECRET"


class MediaStoreError(VestnikError):
    """The place where files of media are kept cannot be used: it is full, or may not be written to."""

    code = "MEDIA_STORE"


class MediaMissingError(VestnikError):
    """The file of a medium is not where this process looks for it."""

    code = "MEDIA_MISSING"


class SimulatorError(VestnikError):
    """The Telegram simulator is not running, or refused what it was asked."""

    code = "SIMULATOR"
