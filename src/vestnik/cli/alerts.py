"""`vestnik alerts`: what needs a person, and who is told of it."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from vestnik.cli.context import identify_actor, make_account_setup, read_settings, run_action
from vestnik.cli.output import (
    JsonOption,
    format_time,
    print_json,
    print_note,
    print_table,
)
from vestnik.cli.typing_in import read_secret
from vestnik.domain.alert_routes import read_destination_kind
from vestnik.domain.alerts import LANGUAGES, DestinationKind
from vestnik.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from vestnik.alerting.trial import TrialResult
    from vestnik.services.alert_destinations import DestinationView
    from vestnik.services.alert_records import AlertView

app = typer.Typer(help="Alerts, and who is told of them.", no_args_is_help=True)

Destination = Annotated[str, typer.Argument(metavar="NAME", help="Its name or id.")]
_MOST: Final = 500


@app.command("list")
def list_alerts(
    context: typer.Context,
    is_all: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what goes on, the newest first. It is found by the processes that run, not by this command."""
    from vestnik.domain.alerts import AlertState
    from vestnik.services import alert_records

    wanted = alert_records.AlertFilter(state=None if is_all else AlertState.FIRING)

    async def act(session: "AsyncSession") -> "list[AlertView]":
        return await alert_records.list_records(session, wanted, limit=_MOST, shows_machines=True)

    views = run_action(context, act)
    if as_json:
        for view in views:
            print_json(view)
        return
    if not views:
        print_note("nothing has been wrong yet" if is_all else "nothing is wrong")
        return
    rows = [
        (
            view.id,
            view.state.lower(),
            "yes" if view.is_urgent else "no",
            format_time(view.since),
            format_time(view.resolved_at),
            view.title,
            view.detail,
        )
        for view in views
    ]
    print_table(("id", "state", "urgent", "since", "until", "what", "detail"), rows)


@app.command("destinations")
def list_destinations(context: typer.Context, as_json: JsonOption = False) -> None:
    """List who is told, and how that goes."""
    from vestnik.services import alert_destinations

    async def act(session: "AsyncSession") -> "list[DestinationView]":
        return await alert_destinations.list_destinations(session)

    views = run_action(context, act)
    if as_json:
        for view in views:
            print_json(view)
        return
    rows = [
        (
            view.name,
            view.kind.lower(),
            view.target,
            _describe_state(view),
            view.waiting,
            format_time(view.last_success_at),
            view.last_error if view.is_failing else "",
        )
        for view in views
    ]
    print_table(("name", "kind", "leads to", "state", "waiting", "last delivery", "error"), rows)


@app.command("add")
def add_destination(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="How it is to be called.")],
    kind: Annotated[str, typer.Option("--kind", metavar="KIND", help="webhook, email or telegram.")],
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="webhook: where messages are posted.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="HOST", help="email: the mail server.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="PORT", help="email: the usual one if left out.")
    ] = None,
    security: Annotated[
        str | None,
        typer.Option("--security", metavar="WAY", help="email: starttls (if left out), tls or none."),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option("--username", metavar="USER", help="email: with it the password is asked for."),
    ] = None,
    sender: Annotated[str | None, typer.Option("--from", metavar="EMAIL", help="email: who writes.")] = None,
    recipients: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="EMAIL", help="email: who is written to; can be given several times."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="telegram: the account that posts.")
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel", metavar="CHANNEL", help="telegram: one of the channels and groups in Vestnik."
        ),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="Of the messages: ru or en.")
    ] = LANGUAGES[0],
    as_json: JsonOption = False,
) -> None:
    """Tell somebody of alerts. Signing key and password are asked for, or read from standard input."""
    from vestnik.services import alert_destinations as services
    from vestnik.services.alert_routes import RouteInput

    wanted = read_destination_kind(kind)
    has_password = wanted is DestinationKind.EMAIL and username is not None
    route = RouteInput(
        url=url,
        signing_key=read_secret("Signing key", field="signing_key")
        if wanted is DestinationKind.WEBHOOK
        else None,
        host=host,
        port=port,
        security=security,
        username=username,
        password=read_secret("Password", field="password") if has_password else None,
        sender=sender,
        recipients=recipients,
        account=account,
        channel=channel,
    )
    open_keys = make_account_setup(context).open_keys

    async def act(session: "AsyncSession") -> "DestinationView":
        new = services.NewDestination(name=name, kind=wanted, route=route, language=language)
        return await services.create_destination(session, identify_actor(), new, open_keys=open_keys)

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"Alerts go to '{view.name}' ({view.target}). Try it: vestnik alerts test '{view.name}'")


@app.command("set")
def change_destination(
    context: typer.Context,
    name: Destination,
    *,
    is_active: Annotated[
        bool | None, typer.Option("--on/--off", help="Whether it is told; off drops what waits for it.")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="CODE", help="Of the messages: ru or en.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Switch a destination on or off, or change its language; the rest is changed in the console."""
    from vestnik.services import alert_destinations as services

    if is_active is None and language is None:
        raise InvalidInputError("nothing to change: give --on, --off or --language", field="language")
    open_keys = make_account_setup(context).open_keys
    change = services.DestinationChange(is_active=is_active, language=language)

    async def act(session: "AsyncSession") -> "DestinationView":
        found = await services.find_destination(session, name)
        return await services.change_destination(
            session, identify_actor(), found.id, change, open_keys=open_keys
        )

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"'{view.name}' is {'on' if view.is_active else 'off'} and is told in '{view.language}'.")


@app.command("remove")
def remove_destination(context: typer.Context, name: Destination, as_json: JsonOption = False) -> None:
    """Tell a destination nothing any more, and forget it."""
    from vestnik.services import alert_destinations as services

    async def act(session: "AsyncSession") -> "DestinationView":
        found = await services.find_destination(session, name)
        await services.delete_destination(session, identify_actor(), found.id)
        return found

    view = run_action(context, act)
    if as_json:
        print_json(view)
        return
    print(f"'{view.name}' is removed.")


@app.command("test")
def try_out(context: typer.Context, name: Destination, as_json: JsonOption = False) -> None:
    """Send a test message now and print the answer; the exit code is 1 if it could not be delivered."""
    from vestnik import bootstrap
    from vestnik.db.engine import open_session
    from vestnik.services import alert_destinations as services

    settings = read_settings(context)
    open_keys = make_account_setup(context).open_keys

    async def act(engine: "AsyncEngine") -> "TrialResult":
        async with open_session(engine) as session:
            found = await services.find_destination(session, name)
            opened = await services.read_for_test(session, found.id, await open_keys(session))
        result = await bootstrap.make_alert_trial(settings, engine).run(opened)
        async with open_session(engine) as session:
            error = None if result.is_delivered else result.answer
            await services.record_test(session, identify_actor(), opened.id, error)
        return result

    result = bootstrap.run_with_engine(settings, act, announce=print_note)
    if as_json:
        print_json(result)
    elif result.is_delivered:
        print(f"Delivered in {result.seconds:.1f} s: {result.answer}")
    else:
        print(f"Not delivered: {result.answer}")
    if not result.is_delivered:
        raise typer.Exit(1)


def _describe_state(view: "DestinationView") -> str:
    if not view.is_active:
        return "off"
    if view.is_failing:
        return f"fails since {format_time(view.failing_since or view.last_error_at)}"
    return "good" if view.last_success_at else "not tested"
