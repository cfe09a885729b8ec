"""What the states of accounts mean for a person, and what to do about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vestnik.console.error_codes import ERROR_CODES
from vestnik.console.marking import mark
from vestnik.domain.states import AccountState

if TYPE_CHECKING:
    from vestnik.console.languages import Language
    from vestnik.console.visitors import Reader
    from vestnik.services.accounts import AccountView


@dataclass(frozen=True, kw_only=True, slots=True)
class StateWords:
    """In the language of the sources."""

    meaning: str
    cure: str = ""


STATES: Final[Mapping[AccountState, StateWords]] = {
    AccountState.ACTIVE: StateWords(meaning=mark("It can post.")),
    AccountState.NEEDS_LOGIN: StateWords(
        meaning=mark(
            "Telegram has ended its session, or it never had one. Its campaigns wait; nothing is lost."
        ),
        cure=mark(
            "Let an administrator log it in again, as the same Telegram user: then its campaigns go on by"
            " themselves."
        ),
    ),
    AccountState.LIMITED: StateWords(
        meaning=mark(
            "Telegram has restricted it. Vestnik posts nothing with it, so as not to make it worse; its campaigns"
            " wait and nothing is lost."
        ),
        cure=mark(
            "Find out in the Telegram app whether the restriction is over: the bot @SpamBot tells. Then let an"
            " administrator release the account on its page."
        ),
    ),
    AccountState.DISABLED: StateWords(
        meaning=mark("It was switched off on purpose. Its campaigns wait; nothing is lost."),
        cure=mark("An administrator can switch it on again on its page."),
    ),
}


NEVER_LOGGED_IN: Final = StateWords(
    meaning=mark("It was never logged in, so it cannot post yet."),
    cure=mark("Let an administrator log it in."),
)


def describe_account(account: "AccountView") -> StateWords:
    """What its state means for it; one that nobody ever was behind has lost nothing."""
    is_fresh = account.telegram_id is None and account.state_reason is None
    if account.state is AccountState.NEEDS_LOGIN and is_fresh:
        return NEVER_LOGGED_IN
    return STATES[account.state]


def explain_reason(reader: "Reader", reason: str | None) -> str | None:
    """Why an account stands still, in the reader's words as far as there are any."""
    return put_reason(reader.language, reason)


def put_reason(language: "Language", reason: str | None) -> str | None:
    """A reason in a language, as far as there are words for it. The engine stores `CODE: sentence`."""
    if not reason:
        return None
    code, _, sentence = reason.partition(": ")
    if code in ERROR_CODES:
        return language.gettext(ERROR_CODES[code])
    return language.say(sentence if sentence and code.isupper() else reason)
