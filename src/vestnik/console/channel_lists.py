"""Lists of channels that somebody pastes or uploads: read from a form, and carried from one step to the next."""

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import Form
from vestnik.domain.channel_lists import ListForm
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.text_encodings import decode_text, find_encoding
from vestnik.services.batches import find_batch
from vestnik.services.channel_imports import ImportTarget

CARRIED_BYTES: Final = 1024 * 1024
"""A larger file is chosen once more after the preview instead of going back and forth within the page."""
ENCODINGS: Final = ("windows-1251", "koi8-r", "cp866")
"""Those that a person can choose; UTF-8 and UTF-16 tell themselves."""
_GUESS: Final = "cp1251"
"""What spreadsheets on Russian computers write."""
_TABLES: Final = (".csv", ".tsv")
_QUOTED_LENGTH: Final = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenList:
    """A list as it was given: `data` in `encoding`, and the name of the file if it came in one."""

    data: bytes
    text: str
    encoding: str | None = None
    file_name: str | None = None
    is_guess: bool = False
    """The file does not say how it is written, and nobody chose."""

    @property
    def form(self) -> ListForm:
        """A file of this name is a table even if its first line is a lone word."""
        return ListForm.TABLE if (self.file_name or "").lower().endswith(_TABLES) else ListForm.ANY

    @property
    def digest(self) -> str:
        """Tells whether the same file is given again."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def is_carried(self) -> bool:
        """Whether the pages carry the text along; what was pasted exists nowhere else."""
        return self.file_name is None or len(self.data) <= CARRIED_BYTES

    @property
    def sample(self) -> str:
        """A line by which a person sees whether the encoding was guessed right."""
        found = next((line for line in self.text.splitlines() if not line.isascii()), "")
        return found.strip()[:_QUOTED_LENGTH]


async def read_list(form: Form) -> GivenList:
    """The list of a form's fields `text` and `file`. Raises InvalidInputError, which names one of them."""
    text = form.text("text")
    upload = form.files.get("file")
    if upload is None:
        if not text.strip():
            raise InvalidInputError("paste a list or choose a file", field="text")
        # Pasted, or from a small file that the page carried along: then its name came along as well.
        return GivenList(data=text.encode(), text=text, file_name=form.optional("file_name"))
    if text.strip():
        raise InvalidInputError("there is a text and a file; leave one of them out", field="file")
    return _decode(await form.file("file"), upload.filename or "", form.text("encoding"))


def _decode(data: bytes, file_name: str, chosen: str) -> GivenList:
    encoding = find_encoding(chosen) if chosen in ENCODINGS else None
    is_guess = False
    try:
        text = decode_text(data, encoding, field="file")
    except InvalidInputError:
        if encoding is not None or b"\0" in data:
            raise
        try:
            text = data.decode(_GUESS)
        except UnicodeDecodeError:
            text = ""
        if not text:
            raise
        encoding, is_guess = _GUESS, True
    return GivenList(data=data, text=text, encoding=encoding, file_name=file_name, is_guess=is_guess)


async def read_target(session: AsyncSession, form: Form) -> ImportTarget:
    """Where the channels go: nowhere else, into a new batch, or into one that is there.

    Raises InvalidInputError and NotFoundError, which name the fields `batch_name` and `batch`.
    """
    match form.text("target"):
        case "new":
            return ImportTarget(name=form.text("batch_name"))
        case "existing":
            return ImportTarget(batch_id=(await find_batch(session, form.text("batch"))).id)
        case _:
            return ImportTarget()
