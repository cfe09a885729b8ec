"""Files in requests: as the whole body, or as one field of a form."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.datastructures import UploadFile

from vestnik.domain.errors import InvalidInputError

_FORM: Final = "multipart/form-data"
_CHUNK: Final = 256 * 1024
_MOST_FIELDS: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file that is on its way; `fields` are the other fields of its form."""

    chunks: AsyncIterator[bytes]
    name: str | None
    fields: dict[str, str]


@asynccontextmanager
async def open_upload(request: Request, *, field: str = "file") -> AsyncIterator[Upload]:
    """The file of a request, form or not. Raises InvalidInputError for a form without it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        yield Upload(chunks=request.stream(), name=None, fields={})
        return
    async with request.form(max_files=1, max_fields=_MOST_FIELDS) as form:
        given = form.get(field)
        if not isinstance(given, UploadFile):
            raise InvalidInputError(f"the form has no file in its field '{field}'", field=field)
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        yield Upload(chunks=read_upload(given), name=given.filename, fields=fields)


async def read_upload(upload: UploadFile) -> AsyncIterator[bytes]:
    """The bytes of a form's file."""
    while chunk := await upload.read(_CHUNK):
        yield chunk
