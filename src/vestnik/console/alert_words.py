"""What an alert says to a person: what is wrong, what to do, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vestnik.console.account_words import STATES, explain_reason
from vestnik.console.marking import mark
from vestnik.console.visitors import Reader
from vestnik.domain.states import AccountState
from vestnik.services.alerts import Alert, AlertKind


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertWords:
    """In the language of the sources; `path` leads to where it is put right."""

    title: str
    cure: str
    path: str
    link: str


ACCOUNT: Final = "/accounts/{id}"
CAMPAIGN: Final = "/campaigns/{id}"
_TO_ACCOUNT: Final = mark("To the account")
_TO_CAMPAIGN: Final = mark("To the campaign")

WORDS: Final[Mapping[AlertKind, AlertWords]] = {
    AlertKind.NO_WORKER: AlertWords(
        title=mark("No worker is running, so nothing is posted."),
        cure=mark(
            "Start Vestnik with “vestnik up”, or a worker alone with “vestnik worker”. Campaigns then go on by"
            " themselves."
        ),
        path="/system",
        link=mark("To the system page"),
    ),
    AlertKind.ACCOUNT_NEEDS_LOGIN: AlertWords(
        title=mark("The account “%(name)s” needs a login."),
        cure=STATES[AccountState.NEEDS_LOGIN].cure,
        path=ACCOUNT,
        link=_TO_ACCOUNT,
    ),
    AlertKind.ACCOUNT_LIMITED: AlertWords(
        title=mark("Telegram has restricted the account “%(name)s”."),
        cure=STATES[AccountState.LIMITED].cure,
        path=ACCOUNT,
        link=_TO_ACCOUNT,
    ),
    AlertKind.ACCOUNT_DISABLED: AlertWords(
        title=mark("The account “%(name)s” is switched off."),
        cure=STATES[AccountState.DISABLED].cure,
        path=ACCOUNT,
        link=_TO_ACCOUNT,
    ),
    AlertKind.ACCOUNT_SILENT: AlertWords(
        title=mark("No worker posts for the account “%(name)s”."),
        cure=mark("Its campaigns wait. Look at the workers, and start another one if none is alive."),
        path="/system",
        link=mark("To the system page"),
    ),
    AlertKind.REHEARSAL_SILENT: AlertWords(
        title=mark("No worker rehearses with the account “%(name)s”."),
        cure=mark(
            "A rehearsal needs the simulator, which only “vestnik up” starts. Start Vestnik with it, or cancel the"
            " rehearsal."
        ),
        path="/system",
        link=mark("To the system page"),
    ),
    AlertKind.CONTENT_ERROR: AlertWords(
        title=mark("Telegram refuses the post of the campaign “%(name)s” in every channel."),
        cure=mark("Correct the post on the campaign's page, then resume."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
    AlertKind.ERROR_RATE: AlertWords(
        title=mark("The campaign “%(name)s” paused itself: too many posts failed."),
        cure=mark("Look at the reasons on the campaign's page, then resume or cancel it."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
    AlertKind.RESTORED: AlertWords(
        title=mark("The campaign “%(name)s” is paused, because the database was restored from a backup."),
        cure=mark("Check in Telegram what was posted already, then resume or cancel it."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
    AlertKind.SCHEDULE_MISSED: AlertWords(
        title=mark("The campaign “%(name)s” was not started at its time."),
        cure=mark("It is a draft again. Start it, or give it another time."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
    AlertKind.CAMPAIGN_FAILED: AlertWords(
        title=mark("The campaign “%(name)s” could not be started."),
        cure=mark("Read why on its page, and make a new one."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownAlert:
    """In the reader's words. `key` is the same each time the alert is shown."""

    key: str
    is_urgent: bool
    title: str
    detail: str | None
    cure: str
    path: str
    link: str


def describe_alerts(reader: Reader, alerts: Sequence[Alert]) -> list[ShownAlert]:
    """What is wrong, for this reader."""
    return [_describe(reader, alert) for alert in alerts]


def is_of_campaign(alert: Alert) -> bool:
    """Whether it is put right on the page of a campaign."""
    return WORDS[alert.kind].path == CAMPAIGN


def _describe(reader: Reader, alert: Alert) -> ShownAlert:
    words, say = WORDS[alert.kind], reader.language.gettext
    return ShownAlert(
        key=f"{alert.kind.lower()}-{alert.id or 'system'}",
        is_urgent=alert.is_urgent,
        title=say(words.title) % {"name": alert.name},
        detail=explain_reason(reader, alert.detail),
        cure=say(words.cure),
        path=words.path.format(id=alert.id),
        link=say(words.link),
    )
