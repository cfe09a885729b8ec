"""Files at an address somebody wrote down: fetched without letting him reach into our own network.

Every host is resolved once and connected to by the address that was checked, redirects included; nothing is
fetched from addresses that are not public. Sizes and times are limited while the file comes in.
"""

import asyncio
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urljoin, urlsplit

from vestnik.domain.errors import InvalidInputError, VestnikError
from vestnik.domain.media import check_file_name, check_media

MOST_REDIRECTS: Final = 3
ANSWER_SECONDS: Final = 15.0
"""For a connection, and for each silence."""
TOTAL_SECONDS: Final = 180.0
_CHUNK: Final = 64 * 1024
_PATH_CHARACTERS: Final = "/%:=&?~#+!$,;'@()*[]"
_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "::ffff:0:0/96", "::/96", "fec0::/10")
)
"""Addresses that lead somewhere else than they say: NAT64, 6to4, IPv4 within IPv6 and what was given up. Python
3.11 takes some of them for public."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WORTH_TRYING_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class FetchError(VestnikError):
    """A file could not be fetched; `is_final` says that it would not help to try again."""

    code = "MEDIA_NOT_FETCHED"

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message, field="media_url")
        self.is_final = is_final


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedFile:
    """A file that is coming in."""

    chunks: AsyncIterator[bytes]
    name: str | None
    """The last part of its address, if that is a name."""


def is_public_address(address: str) -> bool:
    """Whether an IP address belongs to a machine on the public network, and to that alone."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if found.is_multicast or not found.is_global:
        return False
    return not any(found in network for network in _NEVER if network.version == found.version)


@asynccontextmanager
async def open_address(url: str) -> AsyncIterator[FetchedFile]:
    """Begin to fetch a file. Raises FetchError, while its bytes are read too."""
    deadline = time.monotonic() + TOTAL_SECONDS
    for _ in range(MOST_REDIRECTS + 1):
        connection, answer = await asyncio.to_thread(_ask, url, deadline)
        try:
            if answer.status not in _REDIRECTS:
                _check_answer(answer)
                yield FetchedFile(chunks=_read(answer, deadline), name=_find_name(url))
                return
            url = _follow(url, answer.headers.get("Location", ""))
        finally:
            await asyncio.to_thread(connection.close)
    raise FetchError(
        f"the address leads from one to the next more than {MOST_REDIRECTS} times", is_final=True
    )


def _ask(url: str, deadline: float) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Send the request; the connection is the caller's to close."""
    try:
        check_media("document", url)
    except InvalidInputError as exc:
        raise FetchError(f"{exc.message} (a redirect led there)", is_final=True) from exc
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    host = _encode_host(parts.hostname or "")
    connection = PinnedConnection(host, port, _resolve(host, port), is_secure=is_secure)
    target = quote(parts.path or "/", safe=_PATH_CHARACTERS)
    if parts.query:
        target += "?" + quote(parts.query, safe=_PATH_CHARACTERS)
    headers = {"User-Agent": "Vestnik", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
    try:
        _check_time(deadline)
        connection.request("GET", target, headers=headers)
        return connection, connection.getresponse()
    except ssl.SSLCertVerificationError as exc:
        connection.close()
        raise FetchError(
            f"the certificate of {host} is not valid: {exc.verify_message}", is_final=True
        ) from exc
    except (OSError, http.client.HTTPException) as exc:
        connection.close()
        raise FetchError(f"{host} cannot be asked: {exc}", is_final=False) from exc
    except FetchError:
        connection.close()
        raise


def _follow(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as exc:  # brackets that hold no IPv6 address, for one
        raise FetchError("a redirect leads to what is no address", is_final=True) from exc


def _encode_host(host: str) -> str:
    try:
        return host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as exc:
        raise FetchError("the host's name cannot be read", is_final=True) from exc


def _resolve(host: str, port: int) -> str:
    """The address to connect to. A host of which one address is not public is refused as a whole."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise FetchError(f"there is no host {host}", is_final=False) from exc
    addresses = [str(item[4][0]) for item in found]
    if not all(is_public_address(address) for address in addresses):
        raise FetchError(
            f"{host} is not on the public network, and nothing is fetched from within", is_final=True
        )
    return addresses[0]


class PinnedConnection(http.client.HTTPConnection):
    """Connects to the address that was checked, whatever the name leads to by then."""

    def __init__(
        self, host: str, port: int, address: str, *, is_secure: bool, patience: float = ANSWER_SECONDS
    ) -> None:
        super().__init__(host, port, timeout=patience)
        self._patience = patience
        self.default_port = 443 if is_secure else 80  # left out of the Host header
        self._address = address
        self._context = ssl.create_default_context() if is_secure else None

    def connect(self) -> None:
        """As the base class, without resolving the name again and without any proxy."""
        plain = socket.create_connection((self._address, self.port), self._patience)
        if self._context is None:
            self.sock = plain
            return
        try:
            self.sock = self._context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _check_answer(answer: http.client.HTTPResponse) -> None:
    if answer.status != 200:
        is_final = answer.status not in _WORTH_TRYING_AGAIN
        raise FetchError(f"the address answers {answer.status} instead of a file", is_final=is_final)
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise FetchError(f"the file comes packed ({encoding}), which was not asked for", is_final=True)


async def _read(answer: http.client.HTTPResponse, deadline: float) -> AsyncIterator[bytes]:
    while True:
        _check_time(deadline)
        try:
            chunk = await asyncio.to_thread(answer.read1, _CHUNK)
        except (OSError, http.client.HTTPException) as exc:
            raise FetchError(f"the file broke off: {exc}", is_final=False) from exc
        if not chunk:
            break
        yield chunk
    if answer.length:  # a closed connection looks like the end
        raise FetchError("the file broke off", is_final=False)


def _check_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise FetchError(f"the file did not come within {TOTAL_SECONDS:.0f} s", is_final=False)


def _find_name(url: str) -> str | None:
    try:
        return check_file_name(unquote(urlsplit(url).path))
    except InvalidInputError:
        return None
