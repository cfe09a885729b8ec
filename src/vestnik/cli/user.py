"""`vestnik user`: who may sign in, and as what."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import JsonOption, format_time, print_json, print_table
from vestnik.cli.typing_in import read_secret
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.users import check_email, check_password, parse_role

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.users import UserView

app = typer.Typer(help="People who may sign in.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The e-mail address.")]
_ALL: Final = 1_000_000


@app.command("create")
def create_user(
    context: typer.Context,
    email: Annotated[str, typer.Option("--email", metavar="EMAIL", help="By which the person signs in.")],
    role: Annotated[str, typer.Option("--role", metavar="ROLE", help="ADMIN, OPERATOR or VIEWER.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="How the person is shown.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Let somebody in; the password is asked for, or read from standard input."""
    from vestnik.services import users

    email, wanted = check_email(email), parse_role(role)
    password = read_password(email)

    async def act(session: "AsyncSession") -> "UserView":
        new = users.NewUser(
            email=email, name=name, role=wanted, password=password, must_change_password=False
        )
        return await users.create_user(session, identify_actor(), new)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"{view.email} may sign in as {view.role}.")


@app.command("list")
def list_users(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the people who may sign in, and those who no longer may."""
    from vestnik.db.users import UserFilter
    from vestnik.services import users

    async def act(session: "AsyncSession") -> "list[UserView]":
        return await users.list_users(session, UserFilter(), limit=_ALL)

    views = run_action(context, act)
    if as_json:
        for view in views:
            print_json(view)
        return
    rows = [
        (
            view.email,
            view.name,
            view.role,
            "yes" if view.is_active else "no",
            "yes" if view.must_change_password else "no",
            format_time(view.last_login_at),
            view.id,
        )
        for view in views
    ]
    print_table(("e-mail", "name", "role", "active", "must change password", "last sign-in", "id"), rows)


@app.command("set")
def change_user(
    context: typer.Context,
    email: Email,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="ADMIN, OPERATOR or VIEWER.")
    ] = None,
    is_active: Annotated[
        bool | None,
        typer.Option("--activate/--deactivate", help="Whether the person may do anything at all."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change what somebody may do; deactivation ends his sessions and makes his tokens useless at once."""
    from vestnik.services import users

    if role is None and is_active is None:
        raise InvalidInputError("nothing to change: give --role, --activate or --deactivate", field="role")
    change = users.UserChange(role=None if role is None else parse_role(role), is_active=is_active)

    async def act(session: "AsyncSession") -> "UserView":
        user = await users.find_user(session, email)
        return await users.change_user(session, identify_actor(), user.id, change)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"{view.email} is {view.role}" + ("." if view.is_active else ", and deactivated."))


@app.command("password")
def set_password(context: typer.Context, email: Email, as_json: JsonOption = False) -> None:
    """Give somebody a new password, which is asked for or read from standard input; his sessions end."""
    from vestnik.services import users

    email = check_email(email)
    password = read_password(email)

    async def act(session: "AsyncSession") -> "UserView":
        user = await users.find_user(session, email)
        return await users.set_password(
            session, identify_actor(), user.id, password, must_change_password=False
        )

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"{view.email} has a new password and is signed out everywhere.")


def read_password(email: str) -> str:
    """Ask twice on a terminal; elsewhere take the first line of standard input.

    Raises InvalidInputError, without ever repeating what was typed.
    """
    given = read_secret("Password", field="password", is_new=True)
    return check_password(given, email=email)
