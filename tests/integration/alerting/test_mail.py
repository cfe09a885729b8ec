"""Mail over real connections: plain, STARTTLS and TLS, with and without a password."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.alert_receivers import MailReceiver, receive_mail, receive_webhooks
from vestnik.alerting.mail import mail_message
from vestnik.alerting.webhook import post_message
from vestnik.console.alert_words import make_writer
from vestnik.domain.alerts import (
    Alert,
    AlertKind,
    DeliveryError,
    MailRoute,
    MailSecurity,
    Message,
    Occasion,
    WebhookRoute,
)

PASSWORD = MailReceiver.password


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server whose certificate is trusted here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server


def make_message(language: str = "en", name: str = "newsroom") -> Message:
    alert = Alert(kind=AlertKind.ACCOUNT_LIMITED, is_urgent=True, name=name)
    now = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    text = make_writer(UTC)(alert, language, since=now)
    return Message(id="17-1", occasion=Occasion.FIRING, alert=alert, text=text, since=now)


def make_route(port: int, security: MailSecurity = MailSecurity.NONE) -> MailRoute:
    return MailRoute(
        host="127.0.0.1",
        port=port,
        security=security,
        sender="vestnik@news.example",
        recipients=("desk@news.example", "night@news.example"),
    )


async def test_a_mail_has_what_mail_programs_need() -> None:
    async with receive_mail() as receiver:
        await mail_message(make_route(receiver.port), make_message())
    (mail,) = receiver.mails
    assert mail["Subject"] == "[Vestnik] Telegram has restricted the account “newsroom”."
    assert mail["From"] == "vestnik@news.example"
    assert mail["To"] == "desk@news.example, night@news.example"
    assert mail["Message-ID"] == "<vestnik-17-1@news.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "@SpamBot" in mail.get_content()
    assert "Since 2026-11-22 10:00 UTC." in mail.get_content()


async def test_russian_and_line_breaks_in_names_arrive_whole_and_make_no_headers() -> None:
    async with receive_mail() as receiver:
        await mail_message(
            make_route(receiver.port), make_message("ru", name="редакция\r\nBcc: evil@example.org")
        )
    (mail,) = receiver.mails
    assert mail["Subject"].startswith(
        "[Vestnik] Telegram ограничил аккаунт «редакция Bcc: evil@example.org»."
    )
    assert mail["Bcc"] is None


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
async def test_the_password_goes_over_an_encrypted_way(
    context: ssl.SSLContext, security: MailSecurity
) -> None:
    async with receive_mail(context, is_wrapped=security is MailSecurity.TLS) as receiver:
        route = replace(make_route(receiver.port, security), username="vestnik", password=PASSWORD)
        await mail_message(route, make_message())
        assert receiver.logins == [("vestnik", PASSWORD)]
        with pytest.raises(DeliveryError, match=r"refuses the user name or the password \(535\)") as raised:
            await mail_message(replace(route, password="canary"), make_message())
        assert "canary" not in raised.value.message
    assert len(receiver.mails) == 1


@pytest.mark.parametrize("security", [MailSecurity.STARTTLS, MailSecurity.TLS])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    context: ssl.SSLContext, security: MailSecurity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    async with receive_mail(context, is_wrapped=security is MailSecurity.TLS) as receiver:
        with pytest.raises(DeliveryError, match=r"certificate of 127\.0\.0\.1 is not valid"):
            await mail_message(make_route(receiver.port, security), make_message())
    assert receiver.mails == []


async def test_a_server_without_starttls_is_not_spoken_to_in_the_clear() -> None:
    async with receive_mail() as receiver:
        with pytest.raises(DeliveryError, match="STARTTLS"):
            await mail_message(make_route(receiver.port, MailSecurity.STARTTLS), make_message())
    assert receiver.mails == []


async def test_a_refused_recipient_is_an_error_that_says_so() -> None:
    async with receive_mail() as receiver:
        route = replace(make_route(receiver.port), recipients=("desk@news.example", "nobody@news.example"))
        with pytest.raises(
            DeliveryError, match="refuses 1 of 2 recipients: 550 there is no such person"
        ) as raised:
            await mail_message(route, make_message())
        assert raised.value.is_partial, "the others must not get it again and again"
        assert len(receiver.mails) == 1
        with pytest.raises(DeliveryError, match="refuses all recipients"):
            await mail_message(replace(route, recipients=("nobody@news.example",)), make_message())


async def test_a_machine_with_a_name_in_cyrillic_can_send_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda *_: "редакция.news.example")
    async with receive_mail() as receiver:
        await mail_message(make_route(receiver.port), make_message())
    assert len(receiver.mails) == 1


async def test_a_server_that_is_not_there_is_an_error() -> None:
    async with receive_mail() as receiver:
        port = receiver.port
    with pytest.raises(DeliveryError, match="cannot be asked"):
        await mail_message(make_route(port), make_message())


async def test_a_silent_webhook_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestnik.alerting.webhook.WITHIN", 0.5)
    async with receive_webhooks() as receiver:
        receiver.may_answer.clear()
        route = WebhookRoute(url=receiver.url, signing_key="k" * 16)
        with pytest.raises(DeliveryError, match=r"no answer within 0\.5 s"):
            await post_message(route, make_message(), allows_private=True)
