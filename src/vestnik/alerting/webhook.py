"""Messages as signed requests to somebody's program."""

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

from vestnik.alerting.aside import Line, run_aside
from vestnik.delivery import fetching
from vestnik.delivery.fetching import PinnedConnection
from vestnik.domain.alerts import DeliveryError, Message, WebhookRoute

PATIENCE: Final = 10.0
"""Seconds for each step of a request."""
WITHIN: Final = 20.0
SIGNATURE_VERSION: Final = "v1"
_PATH_CHARACTERS: Final = "/%:=&?~#+!$,;'@()*[]"


async def post_message(route: WebhookRoute, message: Message, *, allows_private: bool) -> str:
    """Post it; the answer in short. Raises DeliveryError, which names neither the path of the address nor the key.

    Redirects are not followed: they would lead past the check of the address.
    """
    body = json.dumps(describe_message(message), ensure_ascii=False).encode()
    return await run_aside(
        lambda line: _post(route, message, body, line, allows_private=allows_private), within=WITHIN
    )


def describe_message(message: Message) -> dict[str, Any]:
    """The body of the request."""
    alert, text = message.alert, message.text
    return {
        "id": message.id,
        "event": message.event,
        "alert": {
            "key": alert.key,
            "kind": alert.kind.value,
            "isUrgent": alert.is_urgent,
            "subject": {
                "type": alert.subject.value,
                "id": None if alert.id is None else str(alert.id),
                "name": alert.name,
            },
            "since": _write_time(message.since),
            "resolvedAt": None if message.resolved_at is None else _write_time(message.resolved_at),
        },
        "title": text.title,
        "detail": text.detail,
        "cure": text.cure or None,
    }


def sign(key: str, timestamp: str, body: bytes) -> str:
    """What the header X-Vestnik-Signature holds: a receiver computes the same, and compares in constant time."""
    digest = hmac.digest(key.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"{SIGNATURE_VERSION}={digest.hex()}"


def _write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _post(route: WebhookRoute, message: Message, body: bytes, line: Line, *, allows_private: bool) -> str:
    parts = urlsplit(route.url)
    is_secure = parts.scheme == "https"
    port = parts.port or (443 if is_secure else 80)
    host = _encode_host(parts.hostname or "")
    address = _resolve(host, port, allows_private=allows_private)
    target = quote(parts.path or "/", safe=_PATH_CHARACTERS)
    if parts.query:
        target += "?" + quote(parts.query, safe=_PATH_CHARACTERS)
    connection = PinnedConnection(host, port, address, is_secure=is_secure, patience=PATIENCE)
    try:
        connection.connect()
        line.hold(connection.sock)
        connection.request("POST", target, body=body, headers=_make_headers(route, message, body))
        answer = connection.getresponse()
    except ssl.SSLCertVerificationError as exc:
        raise DeliveryError(f"the certificate of {host} is not valid: {exc.verify_message}") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise DeliveryError(f"{host} cannot be asked: {str(exc) or type(exc).__name__}") from exc
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise DeliveryError(f"{host} answers {answer.status} instead of taking the message")
    return f"HTTP {answer.status}"


def _make_headers(route: WebhookRoute, message: Message, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Vestnik",
        "Connection": "close",
        "X-Vestnik-Event": message.event,
        "X-Vestnik-Delivery": message.id,
        "X-Vestnik-Timestamp": timestamp,
        "X-Vestnik-Signature": sign(route.signing_key, timestamp, body),
    }


def _encode_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as exc:
        raise DeliveryError("the name of the webhook's host cannot be read") from exc


def _resolve(host: str, port: int, *, allows_private: bool) -> str:
    """The address to connect to. A host of which one address is not public is refused as a whole."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise DeliveryError(f"there is no host {host}") from exc
    addresses = [str(item[4][0]) for item in found]
    if not (allows_private or all(fetching.is_public_address(address) for address in addresses)):
        raise DeliveryError(
            f"{host} is not on the public network; webhooks within need VESTNIK_ALERT_PRIVATE_WEBHOOKS=true"
        )
    return addresses[0]
