"""ETag and If-Match: an edit made on an older state is refused instead of overwriting what came between."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Protocol
from uuid import UUID

from fastapi import Depends, Header, Response

from vestnik.domain.errors import InvalidInputError

_ETAG: Final = re.compile(r'(?:W/)?"([0-9]{1,9})"')


async def _read_if_match(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match", description='The ETag of the state that is edited, such as "3"; * means any.'
        ),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise InvalidInputError('If-Match takes an ETag as an answer had it, such as "3"', field="If-Match")
    return int(found[1])


ExpectedRevision = Annotated[int | None, Depends(_read_if_match)]
"""The revision that the caller has seen, or None if any will do."""


class Revised(Protocol):
    """An answer that tells which state it shows."""

    @property
    def id(self) -> UUID:
        """Of the thing."""
        ...

    @property
    def revision(self) -> int:
        """Of the thing."""
        ...


def put_etag(response: Response, revision: int) -> None:
    """Tell the caller which state this is."""
    response.headers["ETag"] = make_etag(revision)


def make_etag(revision: int) -> str:
    """As the header has it."""
    return f'"{revision}"'


def list_etag(answer: Revised) -> dict[str, str]:
    """The headers of something that was changed."""
    return {"ETag": make_etag(answer.revision)}


def list_created(path: str) -> Callable[[Revised], dict[str, str]]:
    """The headers of something new that is found at its id below `path`."""
    return lambda answer: {"Location": f"{path}/{answer.id}"} | list_etag(answer)
