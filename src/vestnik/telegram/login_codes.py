"""How a login code was sent, out of auth.sentCode (https://core.telegram.org/type/auth.SentCodeType)."""

from datetime import timedelta
from typing import Final

from telethon.tl.tlobject import TLObject
from telethon.tl.types import auth

from vestnik.domain.telegram_login import CodeKind, SentCode
from vestnik.telegram.login_errors import refuse

_KINDS: Final[dict[type, CodeKind]] = {
    auth.SentCodeTypeApp: CodeKind.APP,
    auth.SentCodeTypeSms: CodeKind.SMS,
    auth.SentCodeTypeFirebaseSms: CodeKind.SMS,
    auth.SentCodeTypeSmsWord: CodeKind.SMS_TEXT,
    auth.SentCodeTypeSmsPhrase: CodeKind.SMS_TEXT,
    auth.SentCodeTypeCall: CodeKind.CALL,
    auth.SentCodeTypeFlashCall: CodeKind.FLASH_CALL,
    auth.SentCodeTypeMissedCall: CodeKind.MISSED_CALL,
    auth.SentCodeTypeEmailCode: CodeKind.EMAIL,
    auth.SentCodeTypeFragmentSms: CodeKind.FRAGMENT,
    auth.CodeTypeSms: CodeKind.SMS,
    auth.CodeTypeCall: CodeKind.CALL,
    auth.CodeTypeFlashCall: CodeKind.FLASH_CALL,
    auth.CodeTypeMissedCall: CodeKind.MISSED_CALL,
    auth.CodeTypeFragmentSms: CodeKind.FRAGMENT,
}


def read_sent_code(answer: TLObject) -> SentCode:
    """How the code was sent, or a LoginError when Telegram wants something else before it sends one."""
    if isinstance(answer, auth.SentCodePaymentRequired):
        raise refuse("CODE_PAYMENT_REQUIRED", "phone")
    if not isinstance(answer, auth.SentCode):
        raise refuse("UNEXPECTED_ANSWER", "phone")
    if isinstance(answer.type, auth.SentCodeTypeSetUpEmailRequired):
        raise refuse("EMAIL_SETUP_REQUIRED", "phone")
    return SentCode(
        kind=_KINDS.get(type(answer.type), CodeKind.OTHER),
        length=getattr(answer.type, "length", None) or None,
        resend_after=timedelta(seconds=answer.timeout) if answer.timeout is not None else None,
        next_kind=_KINDS.get(type(answer.next_type), CodeKind.OTHER) if answer.next_type else None,
    )
