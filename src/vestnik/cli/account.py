"""`vestnik account`: the Telegram identities."""

from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import identify_actor, make_account_setup, run_action
from vestnik.cli.output import (
    JsonOption,
    fields_of,
    format_rate,
    format_time,
    print_fields,
    print_json,
    print_table,
)
from vestnik.cli.typing_in import read_secret
from vestnik.domain.campaigns import check_rate
from vestnik.domain.names import check_name
from vestnik.domain.states import AccountKind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.account_edits import AccountChanges
    from vestnik.services.account_health import AccountHealth
    from vestnik.services.accounts import AccountView

app = typer.Typer(help="Telegram accounts.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name or id.")]
ApiId = Annotated[
    int | None,
    typer.Option("--api-id", metavar="N", help="Another application at Telegram than TELEGRAM_API_ID."),
]


@app.command("list")
def list_accounts(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the accounts, their state and what holds them back."""
    from vestnik.services import accounts

    views = run_action(context, accounts.list_accounts)
    if as_json:
        for view in views:
            print_json(view)
        return
    rows = [
        (
            view.name,
            view.kind,
            view.state,
            format_rate(view.rate),
            format_time(view.hold_until),
            "yes" if view.is_delivering else "no",
            _format_lookups(view),
            view.telegram_name,
            view.id,
        )
        for view in views
    ]
    columns = (
        "name", "kind", "state", "rate", "waits until", "delivering", "look-ups today", "Telegram name", "id",
    )  # fmt: skip
    print_table(columns, rows)


def _format_lookups(view: "AccountView") -> str | None:
    """A rehearsal's are made up, and have no budget that anybody cares for."""
    if view.kind is AccountKind.SIMULATED:
        return None
    return f"{view.lookups_used} of {view.lookups_limit}"


@app.command("show")
def show_account(context: typer.Context, account: Reference, as_json: JsonOption = False) -> None:
    """Show how an account does: who it is, since when it is connected, what it posted, what made it wait."""
    from vestnik.services import account_health, accounts

    async def act(session: "AsyncSession") -> "AccountHealth":
        found = await accounts.find_account(session, account)
        return await account_health.get_account_health(session, found.id)

    health = run_action(context, act)
    view = health.standing.account
    if as_json:
        print_json(
            {
                **fields_of(view),
                "connected_since": health.connected_since,
                "posts_last_hour": health.posts_last_hour,
                "posts_last_day": health.posts_last_day,
                "holds": health.standing.holds,
                "waits": health.waits,
            }
        )
        return
    print_fields(
        [
            ("name", view.name),
            ("id", view.id),
            ("kind", view.kind),
            ("state", view.state),
            ("reason", view.state_reason),
            ("in Telegram", f"{view.telegram_name} ({view.telegram_id})" if view.telegram_id else None),
            ("connected since", format_time(health.connected_since) or "not connected"),
            ("rate", format_rate(view.rate)),
            ("posts in the last hour", health.posts_last_hour),
            ("posts in the last day", health.posts_last_day),
            ("look-ups today", _format_lookups(view)),
        ]
    )
    for hold in health.standing.holds:
        print(f"waits until {format_time(hold.until)} ({hold.scope}): {hold.reason}")
    if health.waits:
        rows = [
            (format_time(wait.at), format_time(wait.until), wait.scope, wait.reason) for wait in health.waits
        ]
        print()
        print_table(("Telegram made it wait from", "until", "scope", "reason"), rows)


@app.command("add")
def add_account(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is to be called here.")],
    with_session: Annotated[
        bool,
        typer.Option("--session", help="Ask for a session string, or read it from standard input."),
    ] = False,
    api_id: ApiId = None,
    rate: Annotated[
        str | None,
        typer.Option("--rate", metavar="RATE", help="Messages per second over all its campaigns."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add an account: by a session string, or one that logs in next.

    A session string of Telethon or GramJS is never an argument: others on this machine could read it. It is asked
    for, or is the first line of standard input. With --api-id the application's API hash follows in the same way.
    """
    from vestnik.services import account_sessions

    check_name(name)
    if rate is not None:
        check_rate(rate)
    if with_session:
        run_action(context, lambda session: account_sessions.check_name_is_free(session, name))
    text = read_secret("Session string", field="session") if with_session else None
    new = account_sessions.NewAccount(
        name=name, session=text, api_id=api_id, api_hash=_read_api_hash(api_id), rate=rate
    )
    setup = make_account_setup(context)

    async def act(session: "AsyncSession") -> "AccountView":
        return await account_sessions.add_account(session, identify_actor(), new, setup=setup)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    if with_session:
        print(f"Account '{view.name}' is there; a running worker finds out who it is in Telegram.")
    else:
        print(f"Account '{view.name}' is there; now log it in: vestnik account login '{view.name}'")


@app.command("session")
def replace_session(
    context: typer.Context, account: Reference, api_id: ApiId = None, as_json: JsonOption = False
) -> None:
    """Give an account another session of the same Telegram user; its campaigns go on with it.

    The session string is asked for, or is the first line of standard input.
    """
    from vestnik.services import account_sessions

    run_action(context, lambda session: account_sessions.check_replaceable(session, account))
    text = read_secret("Session string", field="session")
    new = account_sessions.NewSession(session=text, api_id=api_id, api_hash=_read_api_hash(api_id))
    setup = make_account_setup(context)

    async def act(session: "AsyncSession") -> "AccountView":
        return await account_sessions.replace_session(session, identify_actor(), account, new, setup=setup)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.name}' has the new session and is {view.state}.")


def _read_api_hash(api_id: int | None) -> str | None:
    return None if api_id is None else read_secret("API hash", field="api_hash")


@app.command("set")
def change_account(
    context: typer.Context,
    account: Reference,
    rate: Annotated[
        str, typer.Option("--rate", metavar="RATE", help="Messages per second over all its campaigns.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Change the pace of an account; running campaigns follow within a second."""
    from vestnik.services.account_edits import AccountChanges

    view = _change(context, account, AccountChanges(rate=rate))
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.name}' posts at most {format_rate(view.rate)}.")


@app.command("rename")
def rename_account(
    context: typer.Context,
    account: Reference,
    name: Annotated[str, typer.Argument(metavar="NEW-NAME", help="What it is to be called here.")],
    as_json: JsonOption = False,
) -> None:
    """Give an account another name here; in Telegram nothing changes."""
    from vestnik.services.account_edits import AccountChanges

    view = _change(context, account, AccountChanges(name=name))
    if as_json:
        print_json(view)
        return
    print(f"The account is called '{view.name}' now.")


def _change(context: typer.Context, account: str, changes: "AccountChanges") -> "AccountView":
    from vestnik.services import account_edits

    async def act(session: "AsyncSession") -> "AccountView":
        return await account_edits.change_account(session, identify_actor(), account, changes)

    return run_action(context, act)


@app.command("disable")
def disable_account(context: typer.Context, account: Reference, as_json: JsonOption = False) -> None:
    """Switch an account off: nothing of it is sent from now on, and its campaigns wait."""
    from vestnik.services import account_edits

    async def act(session: "AsyncSession") -> "AccountView":
        return await account_edits.disable_account(session, identify_actor(), account)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.name}' is switched off; its campaigns wait.")


@app.command("enable")
def enable_account(context: typer.Context, account: Reference, as_json: JsonOption = False) -> None:
    """Switch an account on again."""
    from vestnik.services import account_edits

    async def act(session: "AsyncSession") -> "AccountView":
        return await account_edits.enable_account(session, identify_actor(), account)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.name}' is {view.state}.")


@app.command("release")
def release_account(context: typer.Context, account: Reference, as_json: JsonOption = False) -> None:
    """Let an account post again that Telegram had restricted (LIMITED)."""
    from vestnik.services import account_edits

    async def act(session: "AsyncSession") -> "AccountView":
        return await account_edits.release_account(session, identify_actor(), account)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    if view.needs_login:
        print(f"Account '{view.name}' is released; now log it in: vestnik account login '{view.name}'")
        return
    print(f"Account '{view.name}' is {view.state}; its running campaigns go on.")
