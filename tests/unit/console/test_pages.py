"""Lists page by page."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.unit.console.requests import make_request
from vestnik.console.pages import LONGEST_SEARCH, PAGE_SIZE, make_page, read_cursor, read_search


def read_query(url: str | None) -> dict[str, str]:
    assert url is not None
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_list_that_fits_has_no_other_pages() -> None:
    page = make_page(make_request("/batches"), ["a", "b", "c"], lambda row: (row,), size=3)
    assert page.rows == ["a", "b", "c"]
    assert page.next_url is None
    assert page.first_url is None


def test_a_list_of_nothing_is_a_page_too() -> None:
    nothing: list[str] = []
    page = make_page(make_request("/batches"), nothing, lambda row: (row,))
    assert (page.rows, page.next_url, page.first_url) == ([], None, None)


def test_one_row_more_means_that_there_is_another_page() -> None:
    page = make_page(make_request("/batches"), ["a", "b", "c"], lambda row: (row,), size=2)
    assert page.rows == ["a", "b"]
    assert urlsplit(page.next_url or "").path == "/batches"


def test_the_next_page_begins_behind_the_last_row() -> None:
    page = make_page(make_request("/batches"), ["a", "b", "c"], lambda row: (row, 7), size=2)
    following = make_request("/batches", urlsplit(page.next_url or "").query)
    assert read_cursor(following, (str, int)) == ("b", 7)


def test_what_was_searched_for_goes_along() -> None:
    request = make_request("/channels", "search=%D0%B0+%26&error=CHANNEL_PRIVATE&state=")
    page = make_page(request, [1, 2], lambda row: (row,), size=1)
    asked = read_query(page.next_url)
    assert asked.pop("cursor")
    assert asked == {"search": "а &", "error": "CHANNEL_PRIVATE"}


def test_a_later_page_leads_back_to_the_first() -> None:
    first = make_page(make_request("/channels", "search=a"), [1, 2], lambda row: (row,), size=1)
    later = make_request("/channels", urlsplit(first.next_url or "").query)
    page = make_page(later, [2], lambda row: (row,), size=1)
    assert page.first_url == "/channels?search=a"
    assert page.next_url is None


def test_each_page_has_a_cursor_of_its_own() -> None:
    first = make_page(make_request("/a"), [1, 2, 3], lambda row: (row,), size=1)
    later = make_request("/a", urlsplit(first.next_url or "").query)
    second = make_page(later, [2, 3], lambda row: (row,), size=1)
    assert read_cursor(make_request("/a", urlsplit(second.next_url or "").query), (int,)) == (2,)


@pytest.mark.parametrize("cursor", ["", "x", "%00", "AAAA", "bnVsbA", "1", "%F0%9F%98%80"])
def test_what_is_no_cursor_shows_the_first_page(cursor: str) -> None:
    assert read_cursor(make_request("/a", f"cursor={cursor}"), (str, int)) is None


def test_a_cursor_of_another_list_shows_the_first_page() -> None:
    page = make_page(make_request("/a"), ["a", "b"], lambda row: (row,), size=1)
    assert read_cursor(make_request("/a", urlsplit(page.next_url or "").query), (int, int)) is None


@pytest.mark.parametrize(
    ("typed", "search"), [("", None), ("%20%20", None), ("+a+b+", "a b"), ("%27%22%3C", "'\"<")]
)
def test_searches_are_read_without_blanks_around(typed: str, search: str | None) -> None:
    assert read_search(make_request("/a", f"search={typed}")) == search


def test_long_searches_are_cut() -> None:
    assert read_search(make_request("/a", f"search={'x' * 5_000}")) == "x" * LONGEST_SEARCH


def test_a_page_has_as_many_rows_as_is_said() -> None:
    page = make_page(make_request("/a"), list(range(PAGE_SIZE + 1)), lambda row: (row,))
    assert len(page.rows) == PAGE_SIZE
