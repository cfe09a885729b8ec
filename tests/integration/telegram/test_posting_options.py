"""Silent and protected posts, and previews of links, as they arrive through Telethon."""

from datetime import UTC, datetime

import pytest

from vestnik.content import make_content, parse_html, render
from vestnik.domain.posting import PostOptions, PreviewPosition, PreviewSize
from vestnik.domain.transport import Content

LINK = "Read https://news.example/1 and more"
ABOVE, LARGE, SMALL = PreviewPosition.ABOVE, PreviewSize.LARGE, PreviewSize.SMALL


@pytest.mark.parametrize("text", ["No address", LINK])
async def test_silence_and_protection_arrive_and_are_seen_in_the_channel(server, transport, channel, text):
    target = await transport.resolve(channel)
    options = PostOptions(silent=True, protect_content=True, link_preview_size=LARGE)
    (first,) = await transport.send(target.peer, Content(text=text, options=options), 1)
    await transport.send(target.peer, Content(text=text), 2)
    loud = server.simulator.list_posts()[1]
    quiet = server.simulator.list_posts()[0]
    assert (quiet.message_id, quiet.silent, quiet.protected) == (first, True, True)
    assert (loud.silent, loud.protected) == (False, False)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (PostOptions(), (True, False, None, None)),
        (PostOptions(link_preview=False), (False, False, None, None)),
        (PostOptions(link_preview_position=ABOVE), (True, True, None, None)),
        (PostOptions(link_preview_size=SMALL), (True, False, "small", "https://news.example/1")),
        (
            PostOptions(link_preview_size=LARGE, link_preview_position=ABOVE),
            (True, True, "large", "https://news.example/1"),
        ),
        (
            PostOptions(link_preview=False, link_preview_size=LARGE, link_preview_position=ABOVE),
            (False, False, None, None),
        ),
    ],
)
async def test_the_preview_of_a_link_is_asked_for_as_it_was_chosen(
    server, transport, channel, options, shown
):
    target = await transport.resolve(channel)
    since = datetime.now(UTC)
    content = Content(text=LINK, options=options)
    (message_id,) = await transport.send(target.peer, content, 1)
    (post,) = server.simulator.list_posts()
    assert post.text == LINK
    assert (
        post.link_preview,
        post.link_preview_above,
        post.link_preview_size,
        post.link_preview_url,
    ) == shown
    assert await transport.find_messages(target.peer, content, since) == (message_id,)


async def test_the_size_needs_an_address_and_is_left_out_without_one(server, transport, channel):
    target = await transport.resolve(channel)
    await transport.send(target.peer, Content(text="None", options=PostOptions(link_preview_size=LARGE)), 1)
    (post,) = server.simulator.list_posts()
    assert (post.link_preview_size, post.text) == (None, "None")


async def test_a_text_beside_a_shaped_preview_may_be_as_long_as_any(server, transport, channel):
    target = await transport.resolve(channel)
    formatted = render(parse_html('<a href="https://news.example/">' + "x" * 4096 + "</a>"))
    content = make_content(formatted, options=PostOptions(link_preview_size=SMALL))
    await transport.send(target.peer, content, 1)
    (post,) = server.simulator.list_posts()
    assert (len(post.text), post.link_preview_url) == (4096, "https://news.example/")
    assert [entity["_"] for entity in post.entities] == ["MessageEntityTextUrl"]
