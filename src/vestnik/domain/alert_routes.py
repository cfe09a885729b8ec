"""What people write down to name a destination of alerts, checked."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from vestnik.domain.alerts import LANGUAGES, DestinationKind, MailSecurity
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import find_address_problem
from vestnik.domain.users import MAX_EMAIL_LENGTH

SHORTEST_KEY: Final = 16
LONGEST_SECRET: Final = 500
MOST_RECIPIENTS: Final = 20
PORTS: Final = {MailSecurity.TLS: 465, MailSecurity.STARTTLS: 587, MailSecurity.NONE: 25}
"""Where a mail server listens if nobody says otherwise."""

_ADDRESS: Final = re.compile(r"[!#-'*+\-./-9=?A-Z^-~]+@[A-Za-z0-9.-]+")
"""Without what has a meaning of its own in a header of a mail."""
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?")


def read_destination_kind(value: str) -> DestinationKind:
    """The kind of that name, in any case. Raises InvalidInputError."""
    try:
        return DestinationKind(value.strip().upper())
    except ValueError:
        raise InvalidInputError(
            f"the kind of a destination is one of {', '.join(DestinationKind)}", field="kind"
        ) from None


def read_language(value: str) -> str:
    """The language of that code. Raises InvalidInputError."""
    code = value.strip().lower()
    if code not in LANGUAGES:
        raise InvalidInputError(f"the language is one of {', '.join(LANGUAGES)}", field="language")
    return code


def check_webhook_url(value: str) -> str:
    """Raises InvalidInputError, which does not repeat the address: it may hold a secret."""
    url = value.strip()
    problem = find_address_problem(url)
    if problem is not None:
        raise InvalidInputError(f"the webhook's address {problem}", field="url")
    return url


def describe_url(url: str) -> str:
    """The part of an address that is no secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def check_signing_key(value: str) -> str:
    """Raises InvalidInputError, which does not repeat the key."""
    return _check_secret(value, "the signing key", field="signing_key", shortest=SHORTEST_KEY)


def check_mail_password(value: str) -> str:
    """Raises InvalidInputError, which does not repeat the password."""
    return _check_secret(value, "the password", field="password", shortest=1)


def _check_secret(value: str, name: str, *, field: str, shortest: int) -> str:
    if not shortest <= len(value) <= LONGEST_SECRET:
        raise InvalidInputError(f"{name} has {shortest} to {LONGEST_SECRET} characters", field=field)
    if not (value.isascii() and value.isprintable()):
        raise InvalidInputError(f"{name} holds characters other than printable ASCII", field=field)
    return value


def check_mail_host(value: str) -> str:
    """A name, or an address of IPv4 or IPv6. Raises InvalidInputError."""
    host = value.strip()
    if len(host) > 253 or _HOST.fullmatch(host) is None:
        raise InvalidInputError(
            "this is no name of a mail server; write it like smtp.example.org", field="host"
        )
    return host


def check_port(value: int) -> int:
    """Raises InvalidInputError."""
    if not 1 <= value <= 65535:
        raise InvalidInputError("a port is a number from 1 to 65535", field="port")
    return value


def read_security(value: str) -> MailSecurity:
    """The way of that name, in any case. Raises InvalidInputError."""
    try:
        return MailSecurity(value.strip().upper())
    except ValueError:
        raise InvalidInputError(
            f"the way to the mail server is one of {', '.join(MailSecurity)}", field="security"
        ) from None


def check_username(value: str) -> str | None:
    """None for an empty one. Raises InvalidInputError."""
    name = value.strip()
    if len(name) > LONGEST_SECRET or not (name.isascii() and (name.isprintable() or not name)):
        raise InvalidInputError(
            f"the user name has at most {LONGEST_SECRET} characters of printable ASCII", field="username"
        )
    return name or None


def check_mail_address(value: str, *, field: str) -> str:
    """An address that can stand in a header of a mail. Raises InvalidInputError."""
    address = value.strip()
    if len(address) > MAX_EMAIL_LENGTH or _ADDRESS.fullmatch(address) is None:
        raise InvalidInputError("this is no e-mail address; write NAME@DOMAIN without blanks", field=field)
    return address


def check_recipients(values: Sequence[str]) -> tuple[str, ...]:
    """Each of them once. Raises InvalidInputError."""
    found = tuple(
        dict.fromkeys(check_mail_address(value, field="recipients") for value in values if value.strip())
    )
    if not 1 <= len(found) <= MOST_RECIPIENTS:
        raise InvalidInputError(
            f"mail goes to 1 to {MOST_RECIPIENTS} addresses, separated by commas", field="recipients"
        )
    return found


def require_private_way(security: MailSecurity, password: str | None) -> None:
    """Raise InvalidInputError for a password that everybody on the way could read."""
    if password is not None and security is MailSecurity.NONE:
        raise InvalidInputError(
            "without encryption the password would be readable on its way; choose TLS or STARTTLS, or leave the "
            "password out",
            field="security",
        )
