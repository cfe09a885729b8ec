"""Forms: what was typed, what is wrong with it, and doing what a form asks for once, however often it is sent."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from vestnik.console.visitors import CSRF_FIELD, Visitor, lead_to
from vestnik.db import idempotency as rows
from vestnik.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NoWorkerError,
    StaleRevisionError,
    TooManyRequestsError,
    VestnikError,
)
from vestnik.web.database import LIMIT_SECONDS
from vestnik.web.problems import find_status

KEY_FIELD: Final = "request_key"
_LONGEST_KEY: Final = 100
_CORRECTABLE: Final = (
    InvalidInputError,
    ConflictError,
    NotFoundError,
    NoWorkerError,
    StaleRevisionError,
    TooManyRequestsError,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What was typed, or what a form starts with; `problems` are messages by field, "" for the whole form."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False)
    files: Mapping[str, UploadFile] = field(default_factory=dict, repr=False)
    problems: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, **values: object) -> "Form":
        """An empty form, or one that shows what there is; None leaves a field empty, True checks a box."""
        shown = {
            name: _show(value) for name, value in values.items() if value is not None and value is not False
        }
        return cls(values=shown)

    def text(self, name: str) -> str:
        """The text of a field, as typed; "" without it. Line ends are LF."""
        found = self.values.get(name)
        return found[-1].replace("\r\n", "\n") if found else ""

    def optional(self, name: str) -> str | None:
        """The text without blanks around it; None if nothing is left."""
        return self.text(name).strip() or None

    def texts(self, name: str) -> Sequence[str]:
        """All texts of a field that may be there several times."""
        return self.values.get(name, ())

    def flag(self, name: str) -> bool:
        """Whether a box is checked."""
        return name in self.values

    def whole(self, name: str) -> int:
        """A whole number. Raises InvalidInputError, which names the field."""
        text = self.text(name).strip()
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 10):
            raise InvalidInputError("this has to be a whole number", field=name)
        return int(text)

    def revision(self) -> int | None:
        """Of the state that the form was made from."""
        text = self.text("revision")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    async def file(self, name: str) -> bytes:
        """The content of an uploaded file; b"" without one."""
        found = self.files.get(name)
        return b"" if found is None else await found.read()

    def problem(self, name: str) -> str:
        """What is wrong with a field, or ""."""
        return self.problems.get(name, "")

    def with_problems(self, **problems: str) -> "Form":
        """The same with messages."""
        return Form(values=self.values, files=self.files, problems=problems)


def _show(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence):
        return [str(part) for part in value]
    return ["on" if value is True else str(value)]


async def _read_form(request: Request) -> Form:
    # The visitor's identification has read it already, with its limits.
    data = await request.form()
    values: dict[str, list[str]] = {}
    files: dict[str, UploadFile] = {}
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                files[name] = value
        elif name != CSRF_FIELD:
            _require_text(name, value)
            values.setdefault(name, []).append(value)
    return Form(values=values, files=files)


def _require_text(name: str, value: str) -> None:
    try:
        (name + value).encode()
    except UnicodeEncodeError:
        raise InvalidInputError("holds half of a surrogate pair, which is no character", field=name) from None
    if "\0" in name + value:
        raise InvalidInputError("holds a NUL character", field=name)


Submitted = Annotated[Form, Depends(_read_form)]
"""Take it behind `Visiting`, which checks the CSRF token."""


def make_request_key() -> str:
    """What makes a form that is sent twice the same request; each rendered form has its own."""
    return secrets.token_urlsafe(18)


async def submit(
    visitor: Visitor,
    form: Form,
    work: Callable[[AsyncSession], Awaitable[str]],
    *,
    again: Callable[[Form, int], Awaitable[Response]],
    notice: str | None = None,
    limit: float = LIMIT_SECONDS,
) -> Response:
    """Do in one transaction what a form asks for, and lead to the path that `work` returns.

    A form sent twice does it once and leads there twice. What the person can correct is shown by `again`, which
    gets the form with its problems and the HTTP status; everything else is raised.
    """
    key = form.text(KEY_FIELD)[:_LONGEST_KEY]
    digest = _digest(visitor, form)

    async def once(session: AsyncSession) -> str:
        if not key:
            return await work(session)
        earlier = await rows.claim_key(session, visitor.identity.user_id, f"console:{key}")
        if earlier is not None:
            if earlier.digest != digest:
                raise ConflictError(
                    "this form was sent before with other content; look at what came of that, then open it again"
                )
            return earlier.body
        path = await work(session)
        answer = rows.KeptAnswer(digest=digest, status=HTTPStatus.SEE_OTHER, body=path)
        await rows.store_answer(session, visitor.identity.user_id, f"console:{key}", answer)
        return path

    try:
        path = await visitor.read(once, limit=limit)
    except _CORRECTABLE as error:
        return await again(explain(visitor, form, error), find_status(error))
    return lead_to(path, notice=notice)


def _digest(visitor: Visitor, form: Form) -> bytes:
    """Differs with all that was sent but the key itself."""
    sent = sorted((name, list(values)) for name, values in form.values.items() if name != KEY_FIELD)
    files = sorted((name, file.filename or "", file.size) for name, file in form.files.items())
    asked = (visitor.request.method, visitor.request.url.path, sent, files)
    return hashlib.sha256(repr(asked).encode()).digest()


def explain(visitor: Visitor, form: Form, error: VestnikError) -> Form:
    """The form with the error's message at its field, in the visitor's language."""
    # A header, such as If-Match, is no field of a form.
    field = error.field if error.field is not None and error.field.islower() else ""
    return form.with_problems(**{field: visitor.say(error.message)})
