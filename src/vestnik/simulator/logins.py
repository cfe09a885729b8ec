"""What logins are judged by: phone numbers and their codes, bots' tokens, and QR codes that wait for a scan.

The ways of sending a code and the number of tries are chosen after what is known of Telegram
(https://core.telegram.org/api/auth); the lengths of the waits are ours.
"""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from telethon.tl import types

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.endpoint import SIMULATED_DC
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.floods import FloodGate, FloodLimit
from vestnik.simulator.passwords import CloudPassword

if TYPE_CHECKING:
    from vestnik.simulator.accounts import Account
    from vestnik.simulator.sessions import AuthKey

CODE_SECONDS: Final = 300.0
QR_SECONDS: Final = 30.0
RESEND_SECONDS: Final = 60

CODE_LIMIT: Final = FloodLimit(posts=5, seconds=600, wait=60)
"""Codes asked for, by number."""
TRY_LIMIT: Final = FloodLimit(posts=5, seconds=600, wait=60)
"""Wrong codes, by number."""

WAYS: Final = ("app", "sms", "call")
"""How a code is sent: at first, and at each request to send it again."""

_NUMBER: Final = re.compile(r"[0-9]{7,15}")
_NOISE: Final = re.compile(r"[+\s()-]")


@dataclass(slots=True)
class SentCode:
    """The code that counts now: what the client has to name with it, until when, and how it was sent."""

    code_hash: str
    until: float
    way: int = 0


@dataclass(slots=True, kw_only=True)
class Phone:
    """A number; nobody has it when `account` is None."""

    number: str
    account: "Account | None" = None
    code: str = "2" * 5
    is_banned: bool = False
    sent: SentCode | None = None
    requests: FloodGate = field(default_factory=lambda: FloodGate(CODE_LIMIT))
    tries: FloodGate = field(default_factory=lambda: FloodGate(TRY_LIMIT))

    def begin(self, now: float) -> SentCode:
        """Send a code, by the first way; the former one counts no more."""
        self.sent = SentCode(secrets.token_hex(9), now + CODE_SECONDS)
        return self.sent

    def find_sent(self, code_hash: str, now: float) -> SentCode:
        """The code that the client means; raises PHONE_CODE_EXPIRED for one that counts no more."""
        if not code_hash:
            raise RpcFailure(400, "PHONE_CODE_HASH_EMPTY")
        if self.sent is None or self.sent.code_hash != code_hash or now >= self.sent.until:
            raise RpcFailure(400, "PHONE_CODE_EXPIRED")
        return self.sent

    def check(self, code: str, now: float) -> None:
        """Compare a code; too many wrong ones are FLOOD_WAIT."""
        self.tries.check(now)
        if code != self.code:
            self.tries.take(now)
            raise RpcFailure(400, "PHONE_CODE_INVALID")
        self.sent = None

    def forget_activity(self) -> None:
        """Begin anew: no code is on its way, and nobody has tried."""
        self.sent = None
        self.requests = FloodGate(CODE_LIMIT)
        self.tries = FloodGate(TRY_LIMIT)


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot's token; one that was replaced at BotFather is expired."""

    account: "Account"
    is_expired: bool


@dataclass(slots=True)
class QrToken:
    """A QR code: the key that showed it, until when, and who scanned it."""

    key: "AuthKey"
    until: float
    account: "Account | None" = None


class LoginDesk:
    """Everything that a login is judged by. Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._phones: dict[str, Phone] = {}
        self._bots: dict[str, Bot] = {}
        self._qr_tokens: dict[bytes, QrToken] = {}

    def add_phone(self, number: str, account: "Account", *, code: str | None, is_banned: bool) -> None:
        """Give an account a number, or change what is known of it; raises SimulatorError."""
        if not _NUMBER.fullmatch(number):
            raise SimulatorError("a phone number has 7 to 15 digits and nothing else", field="number")
        known = self._phones.get(number)
        if known is not None and known.account not in {None, account}:
            raise SimulatorError("the phone number belongs to another account", field="number")
        account.phone = number
        # Telegram's test numbers have the data centre's number, repeated, for a code.
        usual = str(account.dc_id) * 5
        self._phones[number] = Phone(number=number, account=account, code=code or usual, is_banned=is_banned)

    def find_phone(self, text: str) -> Phone:
        """A number as a client writes it, made known if nobody has it; raises PHONE_NUMBER_INVALID."""
        number = _NOISE.sub("", text)
        if not _NUMBER.fullmatch(number):
            raise RpcFailure(400, "PHONE_NUMBER_INVALID")
        return self._phones.setdefault(number, Phone(number=number, code=str(SIMULATED_DC) * 5))

    def expire_codes(self) -> None:
        """From now on every code sent, and every QR code shown, is too old."""
        for phone in self._phones.values():
            if phone.sent is not None:
                phone.sent.until = float("-inf")
        for token in self._qr_tokens.values():
            token.until = float("-inf")

    def add_bot(self, token: str, account: "Account", *, is_expired: bool) -> None:
        """Make a bot's token known, or change whether it still counts."""
        self._bots[token] = Bot(account, is_expired)

    def find_bot(self, token: str) -> "Account":
        """Whose token this is; raises ACCESS_TOKEN_INVALID or ACCESS_TOKEN_EXPIRED."""
        bot = self._bots.get(token)
        if bot is None:
            raise RpcFailure(400, "ACCESS_TOKEN_INVALID")
        if bot.is_expired:
            raise RpcFailure(400, "ACCESS_TOKEN_EXPIRED")
        return bot.account

    def make_qr_token(self, key: "AuthKey", now: float) -> tuple[bytes, QrToken]:
        """A new QR code for this key; those that are much too old are forgotten."""
        self._qr_tokens = {
            token: entry for token, entry in self._qr_tokens.items() if now < entry.until + CODE_SECONDS
        }
        token = secrets.token_bytes(32)
        entry = self._qr_tokens[token] = QrToken(key, now + QR_SECONDS)
        return token, entry

    def find_qr_token(self, token: bytes, now: float) -> QrToken:
        """A QR code; raises AUTH_TOKEN_INVALID or AUTH_TOKEN_EXPIRED."""
        entry = self._qr_tokens.get(token)
        if entry is None:
            raise RpcFailure(400, "AUTH_TOKEN_INVALID")
        if now >= entry.until:
            raise RpcFailure(400, "AUTH_TOKEN_EXPIRED")
        return entry

    def find_scanned(self, key: "AuthKey") -> tuple[bytes, "Account"] | None:
        """The QR code of this key that was scanned, and by whom."""
        for token, entry in self._qr_tokens.items():
            if entry.key is key and entry.account is not None:
                return token, entry.account
        return None

    def drop_qr_tokens(self, key: "AuthKey") -> None:
        """Forget the QR codes of a key, which has got what it wanted."""
        self._qr_tokens = {token: entry for token, entry in self._qr_tokens.items() if entry.key is not key}

    def forget_activity(self) -> None:
        """Begin anew; numbers and bots stay."""
        self._qr_tokens.clear()
        for phone in self._phones.values():
            phone.forget_activity()


def accept_qr_token(entry: QrToken, account: "Account", now: float) -> None:
    """Somebody scans a QR code: the client that shows it is told, if it takes updates."""
    if entry.account is not None:
        raise RpcFailure(400, "AUTH_TOKEN_ALREADY_ACCEPTED")
    entry.account = account
    entry.key.push(bytes(types.UpdateShort(types.UpdateLoginToken(), int(now))))


def read_qr_url(text: str) -> bytes:
    """The token behind the address in a QR code; raises SimulatorError."""
    encoded = text.removeprefix("tg://login?token=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise SimulatorError("a QR code says tg://login?token= and URL-safe base64", field="url") from exc


def make_password(password: str, hint: str) -> CloudPassword:
    """A two-step password; raises SimulatorError for an empty one."""
    if not password:
        raise SimulatorError("a two-step password is not empty", field="password")
    return CloudPassword(password, hint)
