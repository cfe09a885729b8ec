"""`vestnik account`: the Telegram identities."""

import typer

from vestnik.cli.context import run_action
from vestnik.cli.output import JsonOption, format_rate, format_time, print_json, print_table

app = typer.Typer(help="Telegram accounts.", no_args_is_help=True)


@app.callback()
def _keep_as_group() -> None:
    """Telegram accounts."""


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
            view.telegram_name,
            view.id,
        )
        for view in views
    ]
    print_table(("name", "kind", "state", "rate", "waits until", "delivering", "Telegram name", "id"), rows)
