"""Lists page by page: the address of the next page, and where a page of rows ends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request

from vestnik.domain.errors import InvalidInputError
from vestnik.web.cursors import Key, decode_cursor, encode_cursor

Row = TypeVar("Row")

PAGE_SIZE: Final = 50
LONGEST_SEARCH: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[Row]):
    """Rows of a list and where it goes on; `first_url` leads back from a later page."""

    rows: Sequence[Row]
    next_url: str | None
    first_url: str | None


def make_page(
    request: Request,
    found: Sequence[Row],
    key: Callable[[Row], Key],
    *,
    size: int = PAGE_SIZE,
    path: str | None = None,
) -> Page[Row]:
    """A page of rows of which one more than `size` was read, to know whether there are more."""
    rows = found[:size]
    return make_part(request, rows, key(rows[-1]) if len(found) > size else None, path=path)


def make_part(
    request: Request,
    rows: Sequence[Row],
    next_key: Key | None,
    *,
    path: str | None = None,
    query: Mapping[str, str] | None = None,
) -> Page[Row]:
    """A page of rows behind which, unless `next_key` is None, a list goes on; it may be short or empty.

    `path` and `query` are those of the list where a form of it was sent to another address.
    """
    path = path or request.url.path
    asked = {name: value for name, value in request.query_params.items() if name != "cursor" and value}
    asked |= query or {}
    return Page(
        rows=rows,
        next_url=None if next_key is None else _address(path, asked | {"cursor": encode_cursor(next_key)}),
        first_url=_address(path, asked) if "cursor" in request.query_params else None,
    )


def read_cursor(request: Request, kinds: Sequence[type]) -> tuple[Any, ...] | None:
    """Where the page before ended; None for the first page and for anything that is no cursor."""
    try:
        return decode_cursor(request.query_params.get("cursor", ""), kinds)
    except InvalidInputError:
        return None


def read_search(request: Request) -> str | None:
    """What is searched for."""
    return request.query_params.get("search", "").strip()[:LONGEST_SEARCH] or None


def _address(path: str, query: Mapping[str, str]) -> str:
    return path + (f"?{urlencode(query)}" if query else "")
