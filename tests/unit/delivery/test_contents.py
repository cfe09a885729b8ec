"""How a campaign's posts differ from channel to channel."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from vestnik.content import ParseMode, Values, read_content
from vestnik.delivery.contents import CampaignContent
from vestnik.domain.errors import InvalidInputError

AT = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


def make_values(title: str, username: str | None = "name") -> Values:
    return Values(channel_title=title, channel_username=username, at=AT)


def test_what_all_channels_get_is_rendered_once() -> None:
    content = CampaignContent(read_content("<b>Hello</b>", ParseMode.HTML), UTC)
    assert content.render(make_values("One")) is content.render(make_values("Two"))


def test_the_time_is_written_in_the_operators_zone() -> None:
    frozen = read_content("{channel_title} {date} {time}", None)
    assert CampaignContent(frozen, UTC).render(make_values("One")).text == "One 01.03.2026 22:30"
    moscow = CampaignContent(frozen, ZoneInfo("Europe/Moscow"))
    assert moscow.render(make_values("One")).text == "One 02.03.2026 01:30"


def test_a_channel_that_cannot_have_the_post_fails_alone() -> None:
    source = '<a href="https://t.me/{channel_username}">x</a>'
    content = CampaignContent(read_content(source, ParseMode.HTML), UTC)
    with pytest.raises(InvalidInputError, match="no username"):
        content.render(make_values("One", None))
    assert content.render(make_values("Two")).entities[0].url == "https://t.me/name"
