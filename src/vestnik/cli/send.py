"""`vestnik send`: one post now, past the campaign queue, and Telegram's answer to it."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import identify_actor, read_settings
from vestnik.cli.media_files import MediaOption, MediaTypeOption, receive_files
from vestnik.cli.output import JsonOption, print_json, print_note
from vestnik.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.domain.ids import CommandId
    from vestnik.services.direct_send import NewSend, SendResult
    from vestnik.services.media import ReceivedMedia
    from vestnik.settings import Settings

_GRACE = timedelta(seconds=1)
"""A post may start in the last moment; its answer is waited for a little longer."""


def send_posts(
    context: typer.Context,
    *,
    channels: Annotated[
        list[str] | None,
        typer.Option("--channel", metavar="CHANNEL", help="@name, link or id; may be given several times."),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What to post; {{ and }} are braces.")
    ] = None,
    parse_mode: Annotated[
        str | None,
        typer.Option(
            "--parse-mode", metavar="HTML|MARKDOWN", help="How the text is written; plain text without."
        ),
    ] = None,
    link_preview: Annotated[
        bool, typer.Option("--link-preview/--no-link-preview", help="Show a preview of the first link.")
    ] = True,
    link_preview_position: Annotated[
        str,
        typer.Option(
            "--link-preview-position", metavar="above|below", help="Where that page's preview stands."
        ),
    ] = "below",
    link_preview_size: Annotated[
        str | None,
        typer.Option(
            "--link-preview-size", metavar="large|small", help="Of its picture; Telegram chooses without."
        ),
    ] = None,
    silent: Annotated[bool, typer.Option("--silent", help="Notify readers without a sound.")] = False,
    protect_content: Annotated[
        bool, typer.Option("--protect-content", help="Readers cannot forward, save or copy the post.")
    ] = False,
    template: Annotated[
        str | None, typer.Option("--template", metavar="TEMPLATE", help="Its name or id, instead of a text.")
    ] = None,
    media: MediaOption = None,
    media_type: MediaTypeOption = None,
    mode: Annotated[
        str, typer.Option("--mode", metavar="TEST|LIVE", help="TEST rehearses: nothing leaves for Telegram.")
    ] = "TEST",
    account: Annotated[
        str | None, typer.Option("--account", metavar="ACCOUNT", help="Its name or id.")
    ] = None,
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout", metavar="SECONDS", help="A post that has not started by then never does (1 to 600)."
        ),
    ] = 30,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key", metavar="KEY", help="Repeating a request with its key posts nothing more."
        ),
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option("--result", metavar="ID", help="Only ask what became of an earlier post."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Post in one or a few channels at once and print Telegram's answers; fails if any post did."""
    from vestnik import bootstrap
    from vestnik.services.direct_send import NewSend

    settings = read_settings(context)
    if results:
        if channels or text is not None or template is not None:
            raise InvalidInputError("--result goes alone: it only asks about an earlier post", field="result")
        found = bootstrap.run_with_engine(settings, _Asking(results), announce=print_note)
    else:
        if media and template is not None:
            raise InvalidInputError("a template has its own files; leave these out", field="media")
        new = NewSend(
            channels=channels or [],
            text="" if media and text is None else text,
            template=template,
            parse_mode=parse_mode,
            link_preview=link_preview,
            link_preview_position=link_preview_position,
            link_preview_size=link_preview_size,
            silent=silent,
            protect_content=protect_content,
            zone=settings.zone,
            mode=mode,
            account=account,
            expires_in=timedelta(seconds=timeout),
            idempotency_key=idempotency_key,
        )
        received = receive_files(settings, media or [], media_type or [])
        found = bootstrap.run_with_engine(settings, _Sending(settings, new, received), announce=print_note)
    for result in found:
        if as_json:
            print_json(result)
        else:
            print(_describe(result))
    if any(result.status != "DONE" for result in found):
        raise typer.Exit(1)


class _Sending:
    """Ask, then wait."""

    def __init__(self, settings: "Settings", new: "NewSend", files: "list[ReceivedMedia]") -> None:
        self._settings = settings
        self._new = new
        self._files = files

    async def __call__(self, engine: "AsyncEngine") -> "list[SendResult]":
        from vestnik.bootstrap import make_key_opener
        from vestnik.db.engine import open_session
        from vestnik.services.direct_send import request_send, wait_for_results
        from vestnik.services.media import store_media

        async with open_session(engine) as session:
            stored = [await store_media(session, identify_actor(), file) for file in self._files]
            requested = await request_send(
                session,
                identify_actor(),
                replace(self._new, media_ids=[media.id for media in stored]),
                open_keys=make_key_opener(self._settings, announce=print_note),
            )
        if requested.is_repeat:
            print_note("this key was used before; nothing new is posted")
        return await wait_for_results(engine, requested.ids, timeout=self._new.expires_in + _GRACE)


class _Asking:
    """Look once."""

    def __init__(self, references: list[str]) -> None:
        self._ids = [_parse_id(reference) for reference in references]

    async def __call__(self, engine: "AsyncEngine") -> "list[SendResult]":
        from vestnik.db.engine import open_session
        from vestnik.services.direct_send import get_results

        async with open_session(engine) as session:
            return await get_results(session, self._ids)


def _parse_id(reference: str) -> "CommandId":
    from vestnik.domain.ids import CommandId
    from vestnik.services.accounts import parse_id

    command_id = parse_id(reference)
    if command_id is None:
        raise InvalidInputError(f"{reference[:60]!r} is no id of a post", field="result")
    return CommandId(command_id)


def _describe(result: "SendResult") -> str:
    from vestnik.domain.commands import CommandStatus

    match result.status:
        case CommandStatus.DONE:
            where = result.link or ", ".join(f"message {number}" for number in result.message_ids)
            return f"{result.channel}: posted{f', {where}' if where else ''}"
        case CommandStatus.PENDING | CommandStatus.STARTED:
            state = (
                "not posted yet" if result.status is CommandStatus.PENDING else "no answer from Telegram yet"
            )
            return f"{result.channel}: {state}; ask later: vestnik send --result {result.id}"
        case CommandStatus.FAILED | CommandStatus.EXPIRED:
            doubt = " It may be in the channel all the same." if _needs_doubt(result) else ""
            reason = f"{result.error_code}: {result.error_message or 'no reason given'}"
            return f"{result.channel}: {result.status.lower()}, {reason}{doubt}"


def _needs_doubt(result: "SendResult") -> bool:
    return result.maybe_sent and result.error_code != "UNKNOWN_OUTCOME"
