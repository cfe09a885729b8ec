"""`vestnik account`: the Telegram identities."""

from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import JsonOption, format_rate, format_time, print_json, print_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.accounts import AccountView

app = typer.Typer(help="Telegram accounts.", no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name or id.")]


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
            f"{view.lookups_used} of {view.lookups_limit}",
            view.telegram_name,
            view.id,
        )
        for view in views
    ]
    columns = (
        "name", "kind", "state", "rate", "waits until", "delivering", "look-ups today", "Telegram name", "id",
    )  # fmt: skip
    print_table(columns, rows)


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
    from vestnik.services import accounts

    async def act(session: "AsyncSession") -> "AccountView":
        return await accounts.change_rate(session, identify_actor(), account, rate)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.name}' posts at most {format_rate(view.rate)}.")


@app.command("release")
def release_account(context: typer.Context, account: Reference, as_json: JsonOption = False) -> None:
    """Let an account post again that Telegram had restricted (LIMITED)."""
    from vestnik.services import accounts

    async def act(session: "AsyncSession") -> "AccountView":
        return await accounts.release_account(session, identify_actor(), account)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.name}' is {view.state}; its running campaigns go on.")
