"""Where a session string that somebody hands over may lead: to Telegram, or to this machine.

The string alone says which host is dialled, and what is there gets every post of the account. So whoever may add
an account could make a worker connect to any machine that it can reach.
"""

import ipaddress
from typing import Final

from vestnik.domain.errors import InvalidInputError
from vestnik.telegram.sessions import ParsedSession

NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "91.105.192.0/23",
        "91.108.4.0/22",
        "91.108.8.0/22",
        "91.108.12.0/22",
        "91.108.16.0/22",
        "91.108.20.0/22",
        "91.108.56.0/22",
        "149.154.160.0/20",
        "185.76.151.0/24",
        "2001:67c:4e8::/48",
        "2001:b28:f23c::/48",
        "2001:b28:f23d::/48",
        "2001:b28:f23f::/48",
        "2a0a:f280::/32",
    )
)
"""Telegram's own (https://core.telegram.org/resources/cidr.txt)."""


def require_telegram(session: ParsedSession) -> None:
    """Raises InvalidInputError for a session whose host is neither Telegram's nor this machine.

    Telegram's names have become addresses by now (see `parse_session`); what other names lead to, and when, is up
    to somebody else, so none is taken but that of this machine.
    """
    if not _is_known(session.host):
        raise InvalidInputError(
            f"The session string leads to {session.host}, which is none of Telegram's servers. Log in to make a new "
            "one; or, if you run that server yourself, give the string to the account 'default' as TELEGRAM_SESSION.",
            field="session",
        )


def _is_known(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or any(address in network for network in NETWORKS)
