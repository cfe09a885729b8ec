from hypothesis import given

from tests.unit.content.strategies import formatted_texts
from tests.unit.content.writers import write_html, write_markdown
from vestnik.content import (
    FormattedText,
    formatted_from_json,
    formatted_to_json,
    normalise,
    parse_html,
    parse_markdown,
    parse_plain,
    render,
)


@given(formatted_texts())
def test_html_gives_back_the_text_and_its_formatting(formatted: FormattedText) -> None:
    assert render(parse_html(write_html(formatted))) == formatted


@given(formatted_texts(crossing=False))
def test_markdown_gives_back_the_text_and_its_formatting(formatted: FormattedText) -> None:
    assert render(parse_markdown(write_markdown(formatted))) == formatted


@given(formatted_texts())
def test_plain_text_stays_what_it_is(formatted: FormattedText) -> None:
    source = formatted.text.replace("{", "{{").replace("}", "}}")
    assert render(parse_plain(source)) == FormattedText(text=formatted.text)


@given(formatted_texts())
def test_stored_text_comes_back_unchanged(formatted: FormattedText) -> None:
    assert formatted_from_json(formatted_to_json(formatted)) == formatted


@given(formatted_texts())
def test_what_is_normal_stays_as_it_is(formatted: FormattedText) -> None:
    assert normalise(formatted.text, formatted.entities) == formatted
