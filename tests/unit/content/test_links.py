"""Which address of a text Telegram may show a preview of."""

import pytest

from vestnik.content import find_first_link, parse_html, render


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("no address, not even news.example", None),
        ("read https://news.example/1, and http://other.example", "https://news.example/1"),
        ("HTTPS://NEWS.EXAMPLE?", "HTTPS://NEWS.EXAMPLE"),
        ('<a href="https://a.example/?x=(1)">x</a> https://b.example', "https://a.example/?x=(1)"),
        ('👋🏽 https://b.example <a href="https://a.example">x</a>', "https://b.example"),
        ('<a href="tg://resolve?domain=x">x</a> <a href="mailto:a@b.example">y</a>', None),
    ],
)
def test_the_first_address_in_or_behind_the_text_is_found(source: str, link: str | None) -> None:
    formatted = render(parse_html(source))
    assert find_first_link(formatted.text, formatted.entities) == link
