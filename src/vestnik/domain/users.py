"""People who use Vestnik: what each role may do, and what their e-mail addresses and passwords may be."""

import re
from enum import StrEnum
from typing import Final

from vestnik.domain.errors import InvalidInputError

MAX_EMAIL_LENGTH: Final = 254
MIN_PASSWORD_LENGTH: Final = 12
MAX_PASSWORD_BYTES: Final = 1024

_EMAIL: Final = re.compile(r"[!-?A-~]+@[!-?A-~]+")
"""Printable ASCII with one @ inside; whether mail arrives there, only mail could tell."""


class Role(StrEnum):
    """VIEWER reads; OPERATOR also works with channels, batches, templates and campaigns; ADMIN does everything."""

    VIEWER = "VIEWER"
    OPERATOR = "OPERATOR"
    ADMIN = "ADMIN"

    def includes(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class TokenScope(StrEnum):
    """What an API token may do: READ as a VIEWER, FULL as its owner."""

    READ = "READ"
    FULL = "FULL"

    def limit_role(self, role: Role) -> Role:
        """What is left of a role through a token of this scope."""
        return Role.VIEWER if self is TokenScope.READ else role


def check_email(value: str) -> str:
    """The address in lower case, as it is stored and compared. Raises InvalidInputError."""
    email = value.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH:
        raise InvalidInputError(
            f"the e-mail address has {len(email)} characters; {MAX_EMAIL_LENGTH} is the most", field="email"
        )
    if _EMAIL.fullmatch(email) is None:
        raise InvalidInputError(
            "this is no e-mail address; write NAME@DOMAIN without blanks, an international domain in its ASCII form",
            field="email",
        )
    return email


def check_password(value: str, *, email: str, field: str = "password") -> str:
    """The password, if it may be one; messages never repeat it. Raises InvalidInputError."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInputError("the password holds bytes that are no text", field=field) from None
    if len(value) < MIN_PASSWORD_LENGTH:
        raise InvalidInputError(
            f"the password is too short; take at least {MIN_PASSWORD_LENGTH} characters", field=field
        )
    if size > MAX_PASSWORD_BYTES:
        raise InvalidInputError(
            f"the password is longer than {MAX_PASSWORD_BYTES} bytes; take a shorter one", field=field
        )
    if email.lower() in value.lower():
        raise InvalidInputError("the password contains the e-mail address; take another one", field=field)
    return value


def parse_role(value: str) -> Role:
    """The role of that name, in any case. Raises InvalidInputError."""
    try:
        return Role(value.strip().upper())
    except ValueError:
        raise InvalidInputError(
            f"there is no role '{value}'; the roles are {', '.join(Role)}", field="role"
        ) from None


def parse_scope(value: str) -> TokenScope:
    """The scope of that name, in any case. Raises InvalidInputError."""
    try:
        return TokenScope(value.strip().upper())
    except ValueError:
        raise InvalidInputError(
            f"there is no scope '{value}'; the scopes are {', '.join(TokenScope)}", field="scope"
        ) from None
