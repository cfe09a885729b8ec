"""`vestnik template`: what to post."""

from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import identify_actor, read_settings, run_action
from vestnik.cli.media_files import MediaOption, MediaTypeOption, receive_files
from vestnik.cli.output import JsonOption, print_json, read_input
from vestnik.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.templates import TemplateView

app = typer.Typer(help="Templates of posts.", no_args_is_help=True)

# No text within Telegram's limit takes more, with room for a sensible message about one beyond it.
_MAX_TEXT_BYTES = 1024 * 1024


@app.callback()
def _keep_as_group() -> None:
    """Templates of posts."""


@app.command("create")
def create_template(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="What to post; {{ and }} are braces.")
    ] = None,
    text_file: Annotated[
        str | None, typer.Option("--text-file", metavar="FILE|-", help="UTF-8 file with the text.")
    ] = None,
    parse_mode: Annotated[
        str | None,
        typer.Option("--parse-mode", metavar="HTML|MARKDOWN", help="How it is written; plain text without."),
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
    media: MediaOption = None,
    media_type: MediaTypeOption = None,
    buttons: Annotated[
        list[str] | None,
        typer.Option(
            "--button",
            metavar='"TEXT URL"',
            help="A button with a link, on a row of its own; for the posts of bots.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a template; {channel_title} and other variables are filled in for each channel."""
    from vestnik.services.media import store_media
    from vestnik.services.templates import TemplateDraft, save_template

    content = "" if media and text is None and text_file is None else _read_text(text, text_file)
    received = receive_files(read_settings(context), media or [], media_type or [])

    async def act(session: "AsyncSession") -> "TemplateView":
        actor = identify_actor()
        stored = [await store_media(session, actor, file) for file in received]
        draft = TemplateDraft(
            name=name,
            content=content,
            parse_mode=parse_mode,
            link_preview=link_preview,
            link_preview_position=link_preview_position,
            link_preview_size=link_preview_size,
            silent=silent,
            protect_content=protect_content,
            media_ids=[file.id for file in stored],
            buttons=[[_read_button(button)] for button in buttons or []],
        )
        return await save_template(session, actor, draft, field="text")

    template = run_action(context, act)
    if as_json:
        print_json(template)
        return
    print(
        f"Template '{template.name}' ({template.id}) has {template.length} of {template.limit} UTF-16 units."
    )
    print(f"Next: vestnik campaign create --name NAME --batch BATCH --template {template.id} --rate 20")


def _read_button(given: str) -> dict[str, str]:
    """The address is the last word; what is wrong with either is said when the template is checked."""
    text, _, url = given.strip().rpartition(" ")
    return {"text": text, "url": url}


def _read_text(text: str | None, text_file: str | None) -> str:
    if (text is None) == (text_file is None):
        raise InvalidInputError("give either --text or --text-file", field="text")
    if text is not None:
        return text
    assert text_file is not None
    data = read_input(text_file, limit=_MAX_TEXT_BYTES, field="text_file")
    if len(data) > _MAX_TEXT_BYTES:
        raise InvalidInputError(
            f"the file {text_file!r} is no text for a post: it has more than 1 MiB", field="text_file"
        )
    try:
        # An editor's last line end is not part of the post.
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as exc:
        raise InvalidInputError(
            f"the file {text_file!r} is not UTF-8 text; save it as UTF-8", field="text_file"
        ) from exc
