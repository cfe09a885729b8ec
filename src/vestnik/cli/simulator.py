"""`vestnik simulator`: a Telegram of one's own on loopback."""

import asyncio
import json
import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.child import (
    SIMULATOR_VARIABLE,
    JsonEvents,
    announce,
    configure_process_logging,
    is_child,
    process_scope,
    read_process_settings,
    serve_until_stopped,
    spare_memory_checks,
)
from vestnik.cli.output import print_note, read_input
from vestnik.domain.channel_lists import MAX_LIST_BYTES, parse_channel_list
from vestnik.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from vestnik.domain.channels import ChannelName
    from vestnik.simulator.server import SimulatorConfig, SimulatorServer


@dataclass(frozen=True, kw_only=True, slots=True)
class _Contents:
    """What is there from the start: an account with a session, the channels among its dialogs, who can log in."""

    account: str | None
    channels: "tuple[ChannelName, ...]"
    phones: tuple[tuple[str, str], ...]
    bots: tuple[tuple[str, str], ...]
    password: str | None


def run_simulator(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option("--host", help="IPv4 address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port for Telegram clients; 0 takes a free one.")
    ] = 0,
    control_port: Annotated[
        int, typer.Option("--control-port", min=0, max=65535, help="Port for scripts; 0 takes a free one.")
    ] = 0,
    session_account: Annotated[
        str | None,
        typer.Option(
            "--session-account",
            metavar="NAME",
            help="Make an account and print a session string for it, to be used as TELEGRAM_SESSION.",
        ),
    ] = None,
    channels_file: Annotated[
        str | None,
        typer.Option(
            "--channels-file",
            metavar="FILE|-",
            help="Channels, one a line, that the account of --session-account may post in.",
        ),
    ] = None,
    phones: Annotated[
        list[str] | None,
        typer.Option(
            "--phone",
            metavar="NUMBER=NAME",
            help="Let an account, made if missing, log in with a phone number; the code is 22222. May be repeated.",
        ),
    ] = None,
    two_step_password: Annotated[
        str | None,
        typer.Option(
            "--two-step-password", metavar="TEXT", help="What the accounts of --phone ask for as well."
        ),
    ] = None,
    bots: Annotated[
        list[str] | None,
        typer.Option("--bot", metavar="TOKEN=NAME", help="Let a bot log in with a token. May be repeated."),
    ] = None,
    as_json: JsonEvents = False,
) -> None:
    """Simulate Telegram until stopped; nothing leaves this machine.

    Clients that log in have to trust its RSA key, which is shown with --phone and --bot. Workers that rehearse
    on it need its ports and its token (VESTNIK_SIMULATOR_HOST, _PORT, _CONTROL_PORT and _TOKEN).
    """
    with process_scope() as request:
        settings = read_process_settings(context)
        configure_process_logging(settings, as_json=as_json)
        contents = _Contents(
            account=session_account,
            channels=_read_channels(session_account, channels_file),
            phones=_read_pairs(phones, "phone"),
            bots=_read_pairs(bots, "bot"),
            password=two_step_password,
        )
        from vestnik.bootstrap import run_async
        from vestnik.simulator.server import SimulatorConfig

        token = "" if settings.simulator_token is None else settings.simulator_token.get_secret_value()
        config = _read_inherited_config() or SimulatorConfig(
            host=host, port=port, control_port=control_port, token=token
        )
        main = partial(_simulate, config, contents, as_json or is_child())
        run_async(serve_until_stopped(main, request))


def _read_channels(account: str | None, channels_file: str | None) -> "tuple[ChannelName, ...]":
    if channels_file is None:
        return ()
    if account is None:
        raise InvalidInputError("--channels-file needs --session-account", field="channels_file")
    data = read_input(channels_file, limit=MAX_LIST_BYTES, field="channels_file")
    return parse_channel_list(data).names


def _read_pairs(given: list[str] | None, option: str) -> tuple[tuple[str, str], ...]:
    """What to log in with, and the name of the account."""
    pairs = [tuple(part.strip() for part in text.rpartition("=")[::2]) for text in given or ()]
    if not all(all(pair) for pair in pairs):
        raise InvalidInputError(f"--{option} takes two parts with = between them; see --help", field=option)
    return tuple((what, name) for what, name in pairs)


def _read_inherited_config() -> "SimulatorConfig | None":
    """The place of a simulator that died, so that those who knew it find this one there."""
    text = os.environ.get(SIMULATOR_VARIABLE)
    if text is None:
        return None
    from vestnik.simulator.endpoint import SimulatorEndpoint
    from vestnik.simulator.server import SimulatorConfig

    endpoint = SimulatorEndpoint.from_json(text)
    return SimulatorConfig(
        host=endpoint.host, port=endpoint.port, control_port=endpoint.control_port, token=endpoint.token
    )


async def _simulate(
    config: "SimulatorConfig", contents: _Contents, as_json: bool, stop: asyncio.Event
) -> None:
    from vestnik import bootstrap

    def tell_ready(server: "SimulatorServer") -> None:
        _tell_ready(server, contents, as_json=as_json)

    await bootstrap.run_simulator_process(config, stop=stop, ready=tell_ready)


def _tell_ready(server: "SimulatorServer", contents: _Contents, *, as_json: bool) -> None:
    endpoint = server.endpoint
    session = None if contents.account is None else _make_account(server, contents.account, contents)
    rsa_key = _admit_logins(server, contents)
    spare_memory_checks()
    if as_json:
        facts = {"session": session, "rsa_public_key": rsa_key}
        facts = {name: value for name, value in facts.items() if value is not None}
        announce("ready", pid=os.getpid(), endpoint=json.loads(endpoint.to_json()), **facts)
        return
    print(f"Telegram clients  {endpoint.host}:{endpoint.port}")
    print(f"control           {endpoint.host}:{endpoint.control_port}, token {endpoint.token}")
    if session is not None:
        print("any TELEGRAM_API_ID and TELEGRAM_API_HASH will do, with")
        print(f"TELEGRAM_SESSION={session}", flush=True)
    if rsa_key is not None:
        print("logins are taken from clients that trust")
        print(rsa_key, flush=True)
    print_note("Ctrl+C stops the simulator; what was posted to it is then forgotten")


def _admit_logins(server: "SimulatorServer", contents: _Contents) -> str | None:
    """Make known who can log in; the key that clients have to trust for it, if anybody can."""
    if not contents.phones and not contents.bots:
        return None
    for number, name in contents.phones:
        server.simulator.add_phone(number, name, password=contents.password)
    for token, name in contents.bots:
        server.simulator.add_bot(token, name)
    return server.rsa_key.public_pem


def _make_account(server: "SimulatorServer", name: str, contents: _Contents) -> str:
    from vestnik.simulator.channels import ChannelSpec
    from vestnik.simulator.endpoint import derive_auth_key, make_session_string

    key = derive_auth_key(server.endpoint.token, name)
    server.simulator.add_account(name, key)
    server.simulator.ensure_channels(
        [ChannelSpec(username=channel.username, tg_id=channel.tg_id) for channel in contents.channels], name
    )
    return make_session_string(server.endpoint, key)
