"""What a login asks for, in words."""

from collections.abc import Mapping
from typing import Final

from vestnik.console.marking import mark
from vestnik.domain.account_logins import LoginMethod
from vestnik.domain.telegram_login import CodeKind

WHERE: Final[Mapping[CodeKind, str]] = {
    CodeKind.APP: mark("Telegram has sent a code to the Telegram apps in which the account is logged in."),
    CodeKind.SMS: mark("Telegram has sent a code by SMS."),
    CodeKind.SMS_TEXT: mark("Telegram has sent a word or a phrase by SMS."),
    CodeKind.CALL: mark("Telegram calls the number and reads a code out."),
    CodeKind.FLASH_CALL: mark("Telegram calls the number: the code is in the number of the caller."),
    CodeKind.MISSED_CALL: mark(
        "Telegram lets the phone ring once: the code is the last digits of the caller's number."
    ),
    CodeKind.EMAIL: mark("Telegram has sent a code by e-mail."),
    CodeKind.FRAGMENT: mark("Telegram has sent a code to fragment.com."),
    CodeKind.OTHER: mark("Telegram has sent a code; look at your Telegram apps."),
}
"""Where the code went; a test asks for each kind."""

NEXT: Final[Mapping[CodeKind, str]] = {
    CodeKind.APP: mark("Send it to the Telegram apps"),
    CodeKind.SMS: mark("Send it by SMS"),
    CodeKind.SMS_TEXT: mark("Send a word by SMS"),
    CodeKind.CALL: mark("Have Telegram call"),
    CodeKind.FLASH_CALL: mark("Have Telegram call"),
    CodeKind.MISSED_CALL: mark("Let the phone ring"),
    CodeKind.EMAIL: mark("Send it by e-mail"),
    CodeKind.FRAGMENT: mark("Send it to fragment.com"),
    CodeKind.OTHER: mark("Send it in another way"),
}

WAYS: Final[Mapping[LoginMethod, str]] = {
    LoginMethod.PHONE: mark("With its phone number: Telegram sends a code"),
    LoginMethod.QR: mark("With a QR code that you scan with a phone"),
    LoginMethod.BOT: mark("With the token of a bot"),
}
SESSION: Final = "SESSION"
BY_SESSION: Final = mark("With a session string of Telethon or GramJS")
