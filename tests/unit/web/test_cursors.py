"""Cursors: what a list gave out leads on, anything else is refused."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.errors import InvalidInputError
from vestnik.web.cursors import decode_cursor, encode_cursor

KINDS = {
    datetime: st.datetimes(timezones=st.just(UTC)),
    UUID: st.uuids(),
    int: st.integers(-(2**63), 2**63 - 1),
}


@given(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=3).flatmap(
    lambda kinds: st.tuples(st.just(kinds), st.tuples(*(KINDS[kind] for kind in kinds)))
))  # fmt: skip
def test_a_key_comes_back_as_it_went(case: tuple[list[type], tuple[object, ...]]) -> None:
    kinds, key = case
    assert decode_cursor(encode_cursor(key), kinds) == key  # type: ignore[arg-type]


@given(st.text(max_size=60))
def test_whatever_is_no_cursor_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidInputError, match="nextCursor") as caught:
        decode_cursor(text, [datetime, UUID])
    assert caught.value.field == "cursor"


@pytest.mark.parametrize(
    "key",
    [[1], ["2026-01-01T00:00:00"], ["2026-01-01T00:00:00+00:00", "x"], [2**63], [True], [{"a": 1}], [None]],
)
def test_a_key_of_another_list_is_refused(key: list[object]) -> None:
    for kinds in ([datetime, UUID], [datetime], [int, int]):
        with pytest.raises(InvalidInputError):
            decode_cursor(encode_cursor(key), kinds)  # type: ignore[arg-type]


def test_a_number_beyond_64_bits_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        decode_cursor(encode_cursor([2**63]), [int])
