"""Network addresses, as the limits against guessing count them."""

import ipaddress

UNKNOWN = "unknown"
_IPV6_PREFIX = 64
"""What one customer of a provider has at least: its single addresses tell nobody apart."""


def find_network(address: str | None) -> str:
    """What stands for everybody behind an address: itself, or the /64 around one of IPv6."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
