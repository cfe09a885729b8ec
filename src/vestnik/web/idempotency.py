"""POSTs that may be repeated: the answer of the first is kept in its own transaction and given again."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import idempotency as rows
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError
from vestnik.web.identity import Identified, Identity
from vestnik.web.patterns import KEY
from vestnik.web.state import read_state

Model = TypeVar("Model", bound=BaseModel)

LONGEST_KEY: Final = 200
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_KEY,
        pattern=KEY,
        description="Makes a repeated request the same request: the first answer comes again and nothing happens "
        "twice. Kept for 24 hours; another body under the same key is refused.",
    ),
]


class ReplayedAnswer(Exception):  # noqa: N818 - no error: it carries an answer past the route to where it is rendered
    """The request was carried out before; this was the answer."""

    def __init__(self, status: int, headers: Mapping[str, str], body: str) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.body = body


def _list_none(_answer: BaseModel) -> Mapping[str, str]:
    return {}


class Act:
    """Carries out what a POST asks for in one transaction, once for each Idempotency-Key of a person."""

    def __init__(self, request: Request, response: Response, identity: Identity, key: str | None) -> None:
        self._request = request
        self._response = response
        self.key = key
        self.identity = identity

    @property
    def actor(self) -> Actor:
        """Who acts, for the audit log."""
        return self.identity.actor

    async def __call__(
        self,
        work: Callable[[AsyncSession], Awaitable[Model]],
        *,
        headers: Callable[[Model], Mapping[str, str]] = _list_none,
        limit: float | None = None,
    ) -> Model:
        """Do it and commit; `headers` of the answer are kept with it.

        Raises ReplayedAnswer, and InvalidInputError for a key that meant something else.
        """
        database = read_state(self._request.app).database
        if self.key is None:
            answer = await database.run(work, limit=limit)
        else:
            once = self._make_once(work, headers, self.key, await self._digest())
            answer = await database.run(once, limit=limit)
        self._response.headers.update(headers(answer))
        return answer

    async def require_new(self) -> None:
        """For work that costs much before it comes to a transaction: spare it a request that was carried out.

        Raises ReplayedAnswer, and InvalidInputError for a key that meant something else. Of two requests at the
        same time both may be new here.
        """
        key, user_id = self.key, self.identity.user_id
        if key is None:
            return
        database = read_state(self._request.app).database
        earlier = await database.run(lambda session: rows.find_answer(session, user_id, key))
        if earlier is not None:
            raise _replay(earlier, await self._digest())

    def _make_once(
        self,
        work: Callable[[AsyncSession], Awaitable[Model]],
        headers: Callable[[Model], Mapping[str, str]],
        key: str,
        digest: bytes,
    ) -> Callable[[AsyncSession], Awaitable[Model]]:
        user_id = self.identity.user_id

        async def once(session: AsyncSession) -> Model:
            earlier = await rows.claim_key(session, user_id, key)
            if earlier is not None:
                raise _replay(earlier, digest)
            answer = await work(session)
            kept = rows.KeptAnswer(
                digest=digest,
                status=self._read_status(),
                headers=headers(answer),
                body=answer.model_dump_json(by_alias=True),
            )
            await rows.store_answer(session, user_id, key, kept)
            return answer

        return once

    def _read_status(self) -> int:
        status = self._response.status_code or self._request.scope["route"].status_code
        return 200 if status is None else int(status)

    async def _digest(self) -> bytes:
        request = self._request
        # The same bytes are another list as a table than as text, and other names in another character set.
        kind = request.headers.get("content-type", "").lower()
        head = f"{request.method} {request.url.path}?{request.url.query}\n{kind}\n".encode()
        return hashlib.sha256(head + await request.body()).digest()


def _replay(earlier: rows.KeptAnswer, digest: bytes) -> Exception:
    if earlier.digest != digest:
        return InvalidInputError(
            "the Idempotency-Key was used for another request; take a new key for each new request",
            field="Idempotency-Key",
        )
    return ReplayedAnswer(earlier.status, earlier.headers, earlier.body)


async def _make_act(
    request: Request, response: Response, identity: Identified, key: IdempotencyKey = None
) -> Act:
    return Act(request, response, identity, key)


Acting = Annotated[Act, Depends(_make_act)]


def refuse_key(request: Request) -> None:
    """For POSTs with a secret in them: neither their answer nor a fast hash of their body may be kept.

    Raises InvalidInputError where a key is sent, because it would promise what is not done.
    """
    if "idempotency-key" in request.headers:
        raise InvalidInputError(
            "this request or its answer holds a secret, which is not kept; send it without an Idempotency-Key",
            field="Idempotency-Key",
        )
