"""Whatever comes in: an error of ours or a template, and time that grows with the length alone."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vestnik.content
from tests.unit.content.test_templates import AT
from vestnik.content import (
    MAX_SOURCE_LENGTH,
    ParseMode,
    Template,
    Values,
    check_template,
    compile_template,
    formatted_from_json,
    formatted_to_json,
    render,
    render_preview_html,
    template_from_json,
    template_to_json,
)
from vestnik.domain.errors import InvalidInputError

HOME = str(Path(vestnik.content.__file__).parent)
VALUES = Values(channel_title="T😀", channel_username="name", at=AT)
PIECES = [
    "<b>", "</b>", "<i>", "</i>", '<a href="https://x.y/{date}">', "</a>", "<pre>", "</pre>", "<code>", "</code>",
    '<code class="language-c">', "<blockquote expandable>", "<blockquote>", "</blockquote>", "<tg-emoji emoji-id=1>",
    "</tg-emoji>", "<", ">", "&", "&lt;", "&#65;", "*", "**", "_", "__", "~", "||", "|", "`", "```", "```c\n",
    "[", "]", "(", ")", "![", "](https://x.y/)", "](tg://emoji?id=1)", "](tg://user?id=1)", "\n", "\n>", "**>",
    "{", "}", "{{", "}}", "{date}", "{channel_title}", "\\", "#", "# ", " ", "x", "😀", "\u0301", "\r", "\t",
    "\u202e", "\0", "\ud800",
]  # fmt: skip
T = TypeVar("T")
HOSTILE = st.one_of(st.text(st.characters()), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
MODES = [None, ParseMode.HTML, ParseMode.MARKDOWN]


def attempt(action: Callable[[], T]) -> T | InvalidInputError:
    try:
        return action()
    except InvalidInputError as error:
        return error


@given(HOSTILE, st.sampled_from(MODES))
def test_any_text_is_a_template_or_an_error_of_ours(source: str, mode: ParseMode | None) -> None:
    template = attempt(lambda: compile_template(source, mode))
    if not isinstance(template, Template):
        assert template.field == "content"
        assert "\n" not in template.message
        return
    attempt(lambda: check_template(template))
    formatted = render(template, VALUES)
    render_preview_html(formatted)
    assert template_from_json(template_to_json(template)) == template
    assert formatted_from_json(formatted_to_json(formatted)) == formatted


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["bold", "text_link", "date"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "text", "parts", "entities", "type", "offset", "length"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON, st.fixed_dictionaries({"version": st.just(1), "entities": JSON, "parts": JSON}))
def test_any_stored_value_is_read_or_refused(value: object, near: dict[str, object]) -> None:
    for read, data in ((template_from_json, value), (template_from_json, near), (formatted_from_json, value)):
        result = attempt(partial(read, data))
        if isinstance(result, InvalidInputError):
            assert "stored content" in result.message


@pytest.mark.parametrize("mode", MODES)
def test_a_huge_source_is_refused_before_it_is_read(mode: ParseMode | None) -> None:
    with pytest.raises(InvalidInputError, match="65,536 is the most"):
        compile_template("<" * (MAX_SOURCE_LENGTH + 1), mode)


def count_lines(action: Callable[[], object]) -> int:
    """The lines of the room that run."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        if event == "line":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except InvalidInputError:
        pass
    finally:
        sys.settrace(before)
    return count


def go_all_the_way(source: str, mode: ParseMode | None) -> Template:
    template = compile_template(source, mode)
    formatted = render(template, VALUES)
    render_preview_html(formatted)
    return template


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "make",
    [
        lambda n: "*x" * n,
        lambda n: "*x* " * n,
        lambda n: "*_x_* " * n,
        lambda n: "<b>" * n + "x" + "</b>" * n,
        lambda n: "<b>x</b>y" * n,
        lambda n: "<b> </b>" * n,
        lambda n: "<i><b>" * n + " " * n + "</b></i>" * n,
        lambda n: "<" * n,
        lambda n: "&" * n,
        lambda n: "{date}" * n,
        lambda n: "<b>{date}</b>-" * n,
        lambda n: "[" * n,
        lambda n: "]" * n,
        lambda n: ">x\n" * n,
        lambda n: "||" * n,
        lambda n: "`x`" * n,
        lambda n: "\\" * n,
        lambda n: "<a " + "x " * n,
        lambda n: "\n" * n + "<b>x",
        lambda n: "x" + " " * n + "<u> </u>" * n,
    ],
)
def test_work_grows_with_the_length_and_not_with_its_square(
    make: Callable[[int], str], mode: ParseMode | None
) -> None:
    small = count_lines(lambda: go_all_the_way(make(100), mode))
    large = count_lines(lambda: go_all_the_way(make(400), mode))
    assert large <= 6 * small + 2000
