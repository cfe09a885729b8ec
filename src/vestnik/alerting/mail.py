"""Messages as e-mail."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate
from typing import Final

from vestnik.alerting.aside import Line, run_aside
from vestnik.domain.alerts import DeliveryError, MailRoute, MailSecurity, Message

PATIENCE: Final = 10.0
"""Seconds for each step of the conversation."""
WITHIN: Final = 40.0
_LONGEST_REASON: Final = 200


async def mail_message(route: MailRoute, message: Message) -> str:
    """Hand it to the mail server; the answer in short. Raises DeliveryError, which never names the password."""
    mail = compose(route, message)
    return await run_aside(lambda line: _send(route, mail, line), within=WITHIN)


def compose(route: MailRoute, message: Message) -> EmailMessage:
    """The mail. Its id is that of the message: mail programs show one that comes twice once."""
    mail = EmailMessage()
    mail["Subject"] = message.text.subject
    mail["From"] = route.sender
    mail["To"] = ", ".join(route.recipients)
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<vestnik-{message.id}@{route.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{message.text.title}\n\n{message.text.rest}\n")
    return mail


def _send(route: MailRoute, mail: EmailMessage, line: Line) -> str:
    try:
        with _connect(route, line) as client:
            if route.username is not None and route.password is not None:
                client.login(route.username, route.password)
            refused = client.send_message(mail, route.sender, list(route.recipients))
    except smtplib.SMTPAuthenticationError as exc:
        raise DeliveryError(f"{route.host} refuses the user name or the password ({exc.smtp_code})") from exc
    except smtplib.SMTPRecipientsRefused as exc:
        raise DeliveryError(
            f"{route.host} refuses all recipients: {_explain(next(iter(exc.recipients.values())))}"
        ) from exc
    except smtplib.SMTPResponseException as exc:
        raise DeliveryError(
            f"{route.host} refuses the mail: {_explain((exc.smtp_code, exc.smtp_error))}"
        ) from exc
    except ssl.SSLCertVerificationError as exc:
        raise DeliveryError(f"the certificate of {route.host} is not valid: {exc.verify_message}") from exc
    except (OSError, smtplib.SMTPException) as exc:
        raise DeliveryError(f"{route.host} cannot be asked: {str(exc) or type(exc).__name__}") from exc
    if refused:
        raise DeliveryError(
            f"{route.host} refuses {len(refused)} of {len(route.recipients)} recipients: "
            f"{_explain(next(iter(refused.values())))}",
            is_partial=True,
        )
    return f"{route.host} took it"


@contextlib.contextmanager
def _connect(route: MailRoute, line: Line) -> Iterator[smtplib.SMTP]:
    context, own_name = ssl.create_default_context(), _name_this_machine()
    if route.security is MailSecurity.TLS:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            route.host, route.port, own_name, timeout=PATIENCE, context=context
        )
    else:
        client = smtplib.SMTP(route.host, route.port, own_name, timeout=PATIENCE)
    line.hold(client.sock)
    with client:
        if route.security is MailSecurity.STARTTLS:
            client.starttls(context=context)
            line.hold(client.sock)
        yield client


def _name_this_machine() -> str:
    """For the greeting, in which smtplib can say nothing but ASCII; machines have names in Cyrillic, too."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _explain(answer: tuple[int, bytes | str]) -> str:
    code, text = answer
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"[:_LONGEST_REASON]
