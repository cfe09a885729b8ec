"""Forms: what was typed, what is wrong with it, and doing what a form asks for once, however often it is sent."""

import asyncio
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
from vestnik.web.problems import find_status

KEY_FIELD: Final = "request_key"
QUESTION_FIELD: Final = "question"
"""What is asked before a form does anything; scripts ask it themselves and then leave it out."""
SHOWN_FIELD: Final = "only_show"
"""With it a form does nothing but is shown again, such as in another language."""
SECRET_FIELDS: Final = frozenset({
    "password", "current_password", "new_password", "repeated", "signing_key", "url",
})  # fmt: skip
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
    question: str = ""
    """To be said yes to before anything is done."""
    is_only_shown: bool = False

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
    question, is_only_shown = "", False
    files: dict[str, UploadFile] = {}
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            if value.filename:
                files[name] = value
        elif name == QUESTION_FIELD:
            question = value
        elif name == SHOWN_FIELD:
            is_only_shown = True
        elif name != CSRF_FIELD:
            _require_text(name, value)
            values.setdefault(name, []).append(value)
    return Form(values=values, files=files, question=question, is_only_shown=is_only_shown)


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
    limit: float | None = None,
) -> Response:
    """Do in one transaction what a form asks for, and lead to the path that `work` returns.

    A form sent twice does it once and leads there twice. What the person can correct is shown by `again`, which
    gets the form with its problems and the HTTP status; everything else is raised. A form with a question does
    nothing before that was answered.
    """
    if form.is_only_shown:
        return await again(form, HTTPStatus.OK)
    if form.question:
        return _ask(visitor, form)
    sent = await identify_sent(visitor, form)

    async def once(session: AsyncSession) -> str:
        earlier = await find_answer(session, visitor, sent)
        if earlier is not None:
            return earlier
        path = await work(session)
        await keep_answer(session, visitor, sent, path)
        return path

    try:
        path = await visitor.read(once, limit=limit)
    except _CORRECTABLE as error:
        return await again(explain(visitor, form, error), find_status(error))
    return lead_to(path, notice=notice)


def _ask(visitor: Visitor, form: Form) -> Response:
    """The question, for browsers without scripts; yes sends the same form without it."""
    url = visitor.request.url
    return visitor.render(
        "confirm.html",
        question=form.question,
        action=url.path + (f"?{url.query}" if url.query else ""),
        values=form.values,
        shown_field=SHOWN_FIELD,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What makes a form the same as one that was sent before; without a key each is another."""

    key: str
    digest: bytes


async def identify_sent(visitor: Visitor, form: Form) -> Sent:
    """Takes a moment for a form with a password: that is stretched, so that nothing kept here gives it away."""
    key = form.text(KEY_FIELD)[:_LONGEST_KEY]
    return Sent(key=key, digest=await asyncio.to_thread(_digest, visitor, form, key) if key else b"")


async def find_answer(session: AsyncSession, visitor: Visitor, sent: Sent) -> str | None:
    """Where the same form led before; None for a new one, which nobody else can do until the transaction ends.

    Raises ConflictError for one whose key came with something else.
    """
    if not sent.key:
        return None
    earlier = await rows.claim_key(session, visitor.identity.user_id, f"console:{sent.key}")
    if earlier is None:
        return None
    if earlier.digest != sent.digest:
        raise ConflictError(
            "this form was sent before with other content; look at what came of that, then open it again"
        )
    return earlier.body


async def keep_answer(session: AsyncSession, visitor: Visitor, sent: Sent, path: str) -> None:
    """Let the same form lead there when it comes again."""
    if sent.key:
        answer = rows.KeptAnswer(digest=sent.digest, status=HTTPStatus.SEE_OTHER, body=path)
        await rows.store_answer(session, visitor.identity.user_id, f"console:{sent.key}", answer)


def _digest(visitor: Visitor, form: Form, key: str) -> bytes:
    """Differs with all that was sent but the key itself."""
    sent = sorted(
        (name, [_stretch(value, key) for value in values] if name in SECRET_FIELDS else list(values))
        for name, values in form.values.items()
        if name != KEY_FIELD
    )
    files = sorted((name, file.filename or "", file.size) for name, file in form.files.items())
    asked = (visitor.request.method, visitor.request.url.path, sent, files)
    return hashlib.sha256(repr(asked).encode()).digest()


def _stretch(secret: str, key: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=key.encode(), n=2**14, r=8, p=1).hex()


def explain(visitor: Visitor, form: Form, error: VestnikError) -> Form:
    """The form with the error's message at its field, in the visitor's language."""
    # A header, such as If-Match, is no field of a form.
    field = error.field if error.field is not None and error.field.islower() else ""
    return form.with_problems(**{field: visitor.say(error.message)})
