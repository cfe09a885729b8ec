"""What is said once after something was done; a cookie carries the key to the next page."""

from typing import TYPE_CHECKING, Final

from vestnik.console.marking import mark

if TYPE_CHECKING:
    from vestnik.console.visitors import Reader

NOTICES: Final = {
    "saved": mark("Saved."),
    "campaign-started": mark("The campaign has started."),
    "campaign-paused": mark("The campaign is paused. Posts that are on their way still arrive."),
    "campaign-resumed": mark("The campaign goes on."),
    "campaign-cancelled": mark("The campaign is cancelled."),
    "campaign-scheduled": mark("The campaign starts by itself at its time."),
    "campaign-unscheduled": mark("The campaign does not start by itself any more."),
    "campaign-retried": mark("The failed posts wait to be sent again."),
    "campaign-copied": mark("This is the copy. It has not started."),
    "campaign-corrected": mark("The post is corrected. Resume the campaign to go on."),
    "created": mark("Created."),
    "deleted": mark("Deleted."),
    "copied": mark("This is the copy. Give it a name of its own."),
    "password-given": mark("The password is set, and all sessions of the person have ended."),
    "token-revoked": mark("The token is revoked: whoever uses it is refused from now on."),
    "sync-requested": mark("Telegram is being asked for the account's channels."),
    "account-released": mark("The account is released."),
    "account-logged-in": mark("The account is logged in. Its campaigns go on by themselves."),
    "account-disabled": mark("The account is switched off. Its campaigns wait."),
    "account-enabled": mark("The account is switched on again."),
    "session-replaced": mark("The account has the new session."),
    "channel-reactivated": mark("It is posted to again."),
    "channel-stopped": mark("Nothing is posted to it any more."),
    "channels-added": mark("The channels are in the batch."),
    "channels-removed": mark("The channels are out of the batch."),
    "alert-delivered": mark("The test message was delivered."),
    "signed-out": mark("You have signed out."),
    "password-changed": mark("The password is changed. All your other sessions have ended."),
}


def describe_notice(reader: "Reader") -> str | None:
    """The notice for this page, if there is one."""
    from vestnik.console.visitors import NOTICE_COOKIE

    message = NOTICES.get(reader.request.cookies.get(NOTICE_COOKIE, ""))
    return None if message is None else reader.language.gettext(message)
