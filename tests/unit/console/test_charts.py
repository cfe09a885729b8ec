"""Charts are SVG that tells the same in words, and holds nothing that a policy or a screen reader trips over."""

from dataclasses import dataclass
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.console.charts import draw_bar, draw_columns

HOSTILE = '"><script>alert(1)</script>'


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    total: int
    sending: int = 0
    sent: int = 0
    failed: int = 0
    cancelled: int = 0


def read_parts(bar: str) -> dict[str, tuple[float, float]]:
    """Where each part begins and how wide it is, in hundredths."""
    return {
        part.attrib["class"].removeprefix("part-"): (
            float(part.attrib["x"].removesuffix("%")),
            float(part.attrib["width"].removesuffix("%")),
        )
        for part in Xml.fromstring(bar)
    }


def test_a_bar_has_its_parts_side_by_side() -> None:
    parts = read_parts(draw_bar(Figures(total=200, sent=100, failed=20, cancelled=10, sending=4), "Halfway"))
    assert parts == {"sent": (0, 50), "failed": (50, 10), "cancelled": (60, 5), "sending": (65, 2)}


def test_a_bar_leaves_out_what_there_is_none_of() -> None:
    assert set(read_parts(draw_bar(Figures(total=10, failed=3), "x"))) == {"failed"}


def test_a_bar_of_nothing_is_empty() -> None:
    assert read_parts(draw_bar(Figures(total=0), "Nothing yet")) == {}


def test_a_bar_is_told_in_words() -> None:
    bar = Xml.fromstring(draw_bar(Figures(total=1), "3 of 4 posted"))
    assert bar.attrib["role"] == "img"
    assert bar.attrib["aria-label"] == "3 of 4 posted"


@given(st.lists(st.integers(0, 10**6), min_size=5, max_size=5))
def test_the_parts_of_a_bar_never_reach_beyond_it(counts: list[int]) -> None:
    sent, failed, cancelled, sending, queued = counts
    figures = Figures(total=sum(counts), sent=sent, failed=failed, cancelled=cancelled, sending=sending)
    parts = read_parts(draw_bar(figures, "x"))
    assert all(start + width <= 100.01 for start, width in parts.values())
    assert sum(width for _, width in parts.values()) == pytest.approx(
        100 * (sum(counts) - queued) / max(sum(counts), 1), abs=0.01
    )


def test_the_largest_column_is_as_high_as_the_picture() -> None:
    chart = Xml.fromstring(draw_columns([("a", 30), ("b", 60), ("c", 0)], "Rates", width=300, height=100))
    columns = [(part.attrib["x"], part.attrib["y"], part.attrib["height"]) for part in chart]
    assert columns == [("0.00", "50.00", "50.00"), ("100.00", "0.00", "100.00")]


def test_columns_say_what_they_are() -> None:
    chart = Xml.fromstring(draw_columns([("14:05: 30 a minute", 30)], "Posts per minute"))
    assert [title.text for title in chart.iter("title")] == ["14:05: 30 a minute"]
    assert chart.attrib["aria-label"] == "Posts per minute"


def test_no_columns_are_no_picture() -> None:
    assert draw_columns([], "Nothing") == ""


def test_columns_of_nothing_are_an_empty_picture() -> None:
    assert list(Xml.fromstring(draw_columns([("a", 0), ("b", 0)], "Quiet"))) == []


def test_many_columns_keep_a_width() -> None:
    chart = Xml.fromstring(draw_columns([(str(n), 1) for n in range(2_000)], "Many", width=720))
    assert all(float(part.attrib["width"]) > 0 for part in chart)


def test_what_people_wrote_is_escaped() -> None:
    for drawn in (draw_bar(Figures(total=1, sent=1), HOSTILE), draw_columns([(HOSTILE, 1)], HOSTILE)):
        assert "<script" not in drawn
        assert Xml.fromstring(drawn).attrib["aria-label"] == HOSTILE


def test_charts_hold_no_style_and_no_script() -> None:
    for drawn in (draw_bar(Figures(total=2, sent=1), "x"), draw_columns([("a", 1)], "x")):
        elements = list(Xml.fromstring(drawn).iter())
        assert not any(name == "style" or name.startswith("on") for part in elements for name in part.attrib)
