"""`vestnik token`: personal API tokens."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import JsonOption, fields_of, format_time, print_json, print_note, print_table
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.users import parse_scope

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.tokens import CreatedToken, OwnedToken, TokenView

app = typer.Typer(help="Personal API tokens.", no_args_is_help=True)


@app.command("create")
def create_token(
    context: typer.Context,
    *,
    user: Annotated[str, typer.Option("--user", metavar="EMAIL", help="Whose token it is to be.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What it is for.")] = "command line",
    scope: Annotated[
        str, typer.Option("--scope", metavar="SCOPE", help="full, or read to change nothing.")
    ] = "full",
    expires_days: Annotated[
        int | None,
        typer.Option(
            "--expires-days", metavar="N", min=1, max=36_500, help="Its life; without end if left out."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token; it is printed once and cannot be shown again."""
    from vestnik.services import tokens, users

    wanted = parse_scope(scope)
    expires_at = None if expires_days is None else datetime.now(UTC) + timedelta(days=expires_days)

    async def act(session: "AsyncSession") -> "CreatedToken":
        owner = await users.find_user(session, user)
        new = tokens.NewToken(user_id=owner.id, name=name, scope=wanted, expires_at=expires_at)
        return await tokens.create_token(session, identify_actor(), new)

    created = run_action(context, act)
    if as_json:
        print_json({"token": created.token, "id": created.view.id, "expiresAt": created.view.expires_at})
        return
    print(created.token)
    print_note("this is shown once; send it as 'Authorization: Bearer TOKEN'")


@app.command("list")
def list_tokens(context: typer.Context, as_json: JsonOption = False) -> None:
    """List everybody's tokens, without their text."""
    from vestnik.services import tokens

    async def act(session: "AsyncSession") -> "list[OwnedToken]":
        return await tokens.list_all_tokens(session)

    found = run_action(context, act)
    if as_json:
        for owned in found:
            print_json({"email": owned.email, **fields_of(owned.view)})
        return
    rows = [
        (
            owned.email,
            owned.view.name,
            f"…{owned.view.hint}",
            owned.view.scope,
            _describe_state(owned.view),
            format_time(owned.view.last_used_at),
            owned.view.id,
        )
        for owned in found
    ]
    print_table(("user", "name", "ends in", "scope", "state", "last used", "id"), rows)


@app.command("revoke")
def revoke_token(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID", help="Its id, as 'vestnik token list' shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Make a token useless, at once and for ever."""
    from vestnik.services import tokens
    from vestnik.services.accounts import parse_id

    token_id = parse_id(token)
    if token_id is None:
        # It may be the token itself: not to be repeated.
        raise InvalidInputError("this is no id of a token; 'vestnik token list' shows them", field="token")

    async def act(session: "AsyncSession") -> "TokenView":
        return await tokens.revoke_token(session, identify_actor(), token_id)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Token '{view.name}' (…{view.hint}) is revoked.")


def _describe_state(view: "TokenView") -> str:
    if view.revoked_at is not None:
        return "revoked"
    if view.expires_at is None:
        return "good"
    ended = view.expires_at <= datetime.now(UTC)
    return "expired" if ended else f"good until {format_time(view.expires_at)}"
