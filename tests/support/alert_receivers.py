"""Real receivers of alerts on loopback: a web server that takes webhooks, and a mail server."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

PATIENCE = 60.0
"""Seconds that any wait may take; it only shows when a test fails."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class WebhookReceiver:
    """Keeps every request; answers with `status`, and not before `may_answer` is set."""

    port: int = 0
    status: int = 204
    requests: list[Request] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/secret-path?token=secret-token"

    @property
    def events(self) -> list[tuple[str, str]]:
        """What was told, as event and kind."""
        return [(request.json["event"], request.json["alert"]["kind"]) for request in self.requests]

    async def wait_for(self, number: int) -> None:
        """Until so many requests have come."""
        await wait_until(lambda: len(self.requests) >= number)


async def wait_until(condition: Callable[[], bool]) -> None:
    """Until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - several sources
            await asyncio.sleep(0.02)


@asynccontextmanager
async def receive_webhooks() -> AsyncIterator[WebhookReceiver]:
    """A web server for the length of a block."""
    receiver = WebhookReceiver()
    receiver.may_answer.set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            receiver.requests.append(Request(line=head[0], headers=headers, body=body))
            await receiver.may_answer.wait()
            writer.write(
                f"HTTP/1.1 {receiver.status} X\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.may_answer.set()
        server.close()


@dataclass
class MailReceiver:
    """Keeps every mail; refuses recipients that begin with "nobody"."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    password: str = "mail password"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 there is no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"

    def check(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        """Whether somebody knows the password."""
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=data.password.decode() == self.password, handled=False)


@asynccontextmanager
async def receive_mail(
    context: ssl.SSLContext | None = None, *, is_wrapped: bool = False
) -> AsyncIterator[MailReceiver]:
    """A mail server for the length of a block; with a context it offers STARTTLS, or is `is_wrapped` in TLS."""
    receiver = MailReceiver()

    def serve() -> SMTP:
        return SMTP(
            receiver,
            hostname="localhost",
            tls_context=None if is_wrapped else context,
            authenticator=receiver.check,
            auth_require_tls=not is_wrapped,
        )

    server = await asyncio.get_running_loop().create_server(
        serve, "127.0.0.1", 0, ssl=context if is_wrapped else None
    )
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
