"""What an alert says to a person, on pages and in messages: what is wrong, what to do, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from typing import Final

from vestnik.console.account_words import STATES, explain_reason, put_reason
from vestnik.console.languages import Language, load_language
from vestnik.console.marking import mark
from vestnik.console.visitors import Visitor
from vestnik.domain.alerts import MACHINES, Alert, AlertKind, AlertSubject, AlertText, AlertWriter, Occasion
from vestnik.domain.states import AccountState
from vestnik.domain.users import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertWords:
    """In the language of the sources; `path` leads to where it is put right."""

    title: str
    cure: str
    path: str
    link: str


ACCOUNT: Final = "/accounts/{id}"
CAMPAIGN: Final = "/campaigns/{id}"
DESTINATION: Final = "/alerts"
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
    AlertKind.WORKER_GONE: AlertWords(
        title=mark("A worker has ended without saying so."),
        cure=mark("The others have taken its accounts over. Look why it ended, and start it again."),
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
    AlertKind.ACCOUNT_HELD: AlertWords(
        title=mark("Telegram makes the account “%(name)s” wait for long."),
        cure=mark("There is nothing to do but wait; a lower rate keeps it from happening again."),
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
    AlertKind.FAILED_SHARE: AlertWords(
        title=mark("Many posts of the campaign “%(name)s” fail."),
        cure=mark("Look at the reasons on the campaign's page."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
    AlertKind.STALLED: AlertWords(
        title=mark("The campaign “%(name)s” stands still, although it could go on."),
        cure=mark("Look at its account and at the workers; their logs say more."),
        path=CAMPAIGN,
        link=_TO_CAMPAIGN,
    ),
    AlertKind.DISK_NEARLY_FULL: AlertWords(
        title=mark("A disk of Vestnik is nearly full."),
        cure=mark(
            "Make room there. On a full disk nothing can be posted, because nothing could be recorded."
        ),
        path="/system",
        link=mark("To the system page"),
    ),
    AlertKind.DATABASE_AWAY: AlertWords(
        title=mark("The database cannot be used, so nothing is posted."),
        cure=mark("See to it that it runs and can be reached. Vestnik then goes on by itself."),
        path="/system",
        link=mark("To the system page"),
    ),
    AlertKind.DESTINATION_FAILING: AlertWords(
        title=mark("Alerts cannot be delivered to “%(name)s”."),
        cure=mark("An administrator can correct the destination and try it. What waits is delivered then."),
        path=DESTINATION,
        link=mark("To the destinations"),
    ),
    AlertKind.TEST: AlertWords(
        title=mark("This is a test. Messages about alerts arrive here."),
        cure=mark("There is nothing to do."),
        path=DESTINATION,
        link=mark("To the destinations"),
    ),
}

LEADS: Final[Mapping[Occasion, str]] = {
    Occasion.REPEAT: mark("It is still so:"),
    Occasion.RESOLVED: mark("It is over:"),
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


def describe_alerts(visitor: Visitor, alerts: Sequence[Alert]) -> list[ShownAlert]:
    """What is wrong, for this visitor; viewers do not see on which machines Vestnik runs."""
    return [_describe(visitor, alert) for alert in alerts]


def is_of_campaign(alert: Alert) -> bool:
    """Whether it is put right on the page of a campaign."""
    return alert.subject is AlertSubject.CAMPAIGN


def _describe(visitor: Visitor, alert: Alert) -> ShownAlert:
    words, say = WORDS[alert.kind], visitor.language.gettext
    is_hidden = alert.subject in MACHINES and not visitor.may(Role.OPERATOR)
    return ShownAlert(
        key=f"{alert.kind.lower()}-{alert.id or 'system'}",
        is_urgent=alert.is_urgent,
        title=say(words.title) % {"name": alert.name},
        detail=None if is_hidden else explain_reason(visitor, alert.detail),
        cure=say(words.cure),
        path=words.path.format(id=alert.id),
        link=say(words.link),
    )


def make_writer(zone: tzinfo) -> AlertWriter:
    """Writes messages about alerts, with times in this zone."""
    return partial(_write, zone)


def _write(
    zone: tzinfo,
    alert: Alert,
    language: str,
    *,
    occasion: Occasion = Occasion.FIRING,
    since: datetime | None = None,
    resolved_at: datetime | None = None,
) -> AlertText:
    used, words = load_language(language), WORDS[alert.kind]
    lead = LEADS.get(occasion)
    return AlertText(
        title=used.gettext(words.title) % {"name": alert.name},
        detail=put_reason(used, alert.detail),
        cure="" if occasion is Occasion.RESOLVED else used.gettext(words.cure),
        lead="" if lead is None else used.gettext(lead),
        times=_write_times(used, zone, since, resolved_at),
    )


def _write_times(
    language: Language, zone: tzinfo, since: datetime | None, resolved_at: datetime | None
) -> str:
    if since is None:
        return ""
    if resolved_at is None:
        return language.gettext(mark("Since %(since)s.")) % {"since": _write_time(since, zone)}
    text = language.gettext(mark("From %(since)s to %(until)s."))
    return text % {"since": _write_time(since, zone), "until": _write_time(resolved_at, zone)}


def _write_time(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"
