"""Files at an address: fetched once by the worker, never from within our own network."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.delivery.rig import Rig
from tests.support.pictures import make_jpeg
from tests.support.web_server import WebServer, serve_web
from vestnik.delivery import fetching
from vestnik.delivery.fetching import FetchError, is_public_address, open_address
from vestnik.domain.ids import AccountId, CampaignId


@pytest.fixture
async def web(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WebServer]:
    """A server of ours, which alone counts as public."""
    monkeypatch.setattr(fetching, "is_public_address", lambda address: address == "127.0.0.1")
    async with serve_web() as server:
        yield server


async def add_campaign(rig: Rig, account_id: AccountId, url: str) -> CampaignId:
    await rig.stage.add_channels(3)
    campaign_id = await rig.stage.add_campaign(account_id, words="Look", start=False)
    await rig.stage.execute("UPDATE templates SET media_type = 'photo', media_url = :url", url=url)
    await rig.stage.start(campaign_id)
    return campaign_id


async def read_all(url: str) -> bytes:
    async with open_address(url) as fetched:
        return b"".join([chunk async for chunk in fetched.chunks])


async def test_a_file_is_fetched_once_and_posted_everywhere(
    rig: Rig, account_id: AccountId, tmp_path: Path, web: WebServer
) -> None:
    data = make_jpeg(size=200_000)
    campaign_id = await add_campaign(rig, account_id, web.put("/news/утро%201.jpg", data))
    web.answers["/news/%D1%83%D1%82%D1%80%D0%BE%201.jpg"] = web.answers["/news/утро%201.jpg"]
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(3)
    assert all(post.media and post.media["size"] == len(data) for post in rig.posts)
    assert len(web.requests) == 1
    media = await rig.stage.one("SELECT * FROM media")
    assert (media.name, media.created_by) == ("утро 1.jpg", "engine")
    content = (await rig.stage.read_campaign(campaign_id)).content
    assert ("fetch" in content, content["files"][0]["id"]) == (False, str(media.id))


async def test_a_file_that_comes_at_the_second_try_is_posted(
    rig: Rig, account_id: AccountId, tmp_path: Path, web: WebServer
) -> None:
    url = web.put("/a.jpg", b"", status="503 Busy")
    campaign_id = await add_campaign(rig, account_id, url)
    await rig.start_worker(data_dir=tmp_path)

    async def was_asked() -> bool:
        return len(web.requests) > 0

    await rig.until(was_asked)
    web.put("/a.jpg", make_jpeg())
    await rig.finish(campaign_id)
    rig.check_each_once(3)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>Not found", "404 Not Found", "answers 404"),
        (b"<html>Sign in", "200 OK", "no JPEG, PNG or still WebP"),
        (make_jpeg(size=10 * 2**20 + 1), "200 OK", "too large"),
        (b"", "500 Broken", "answers 500"),
    ],
    ids=["missing", "page", "large", "broken"],
)
async def test_what_is_no_picture_pauses_the_campaign_with_the_reason(
    rig: Rig, account_id: AccountId, tmp_path: Path, web: WebServer, body: bytes, status: str, words: str
) -> None:
    campaign_id = await add_campaign(rig, account_id, web.put("/a.jpg", body, status=status))
    await rig.start_worker(data_dir=tmp_path)
    await rig.until_status("PAUSED", campaign_id)
    campaign = await rig.stage.read_campaign(campaign_id)
    assert campaign.pause_reason == "CONTENT_ERROR"
    assert "MEDIA_NOT_FETCHED" in campaign.status_detail
    assert words in campaign.status_detail
    assert rig.posts == []
    web.put("/a.jpg", make_jpeg())
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)


async def test_our_own_network_is_not_reached_into(rig: Rig, account_id: AccountId, tmp_path: Path) -> None:
    async with serve_web() as inside:
        campaign_id = await add_campaign(rig, account_id, inside.put("/secret.jpg", make_jpeg()))
        await rig.start_worker(data_dir=tmp_path)
        await rig.until_status("PAUSED", campaign_id)
        assert "not on the public network" in (await rig.stage.read_campaign(campaign_id)).status_detail
        assert inside.requests == []


class TestAddresses:
    """What is asked, and what not."""

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "10.1.2.3",
            "169.254.169.254",
            "[::ffff:127.0.0.1]",
            "0x7f.1",
            "2130706433",
        ],
    )
    async def test_addresses_within_are_refused_however_they_are_written(self, host: str) -> None:
        with pytest.raises(FetchError) as caught:
            await read_all(f"http://{host}:1/x")
        assert caught.value.is_final

    async def test_a_redirect_is_followed_but_checked_like_the_first(self, web: WebServer) -> None:
        web.put("/b", b"found")
        assert await read_all(web.put("/a", b"", status="302 Found", Location="/b")) == b"found"
        url = web.put("/c", b"", status="302 Found", Location="http://10.0.0.1/x")
        with pytest.raises(FetchError, match="not on the public network"):
            await read_all(url)
        for location in ("file:///etc/passwd", "ftp://x.example/", "http://me:pw@127.0.0.1/"):
            with pytest.raises(FetchError, match="redirect led there"):
                await read_all(web.put("/d", b"", status="307 Moved", Location=location))

    @pytest.mark.parametrize("location", ["http://[x", "//a]b/"])
    async def test_a_redirect_that_is_no_address_is_final(self, web: WebServer, location: str) -> None:
        with pytest.raises(FetchError, match="no address") as caught:
            await read_all(web.put("/a", b"", status="302 Found", Location=location))
        assert caught.value.is_final

    async def test_a_circle_of_redirects_ends(self, web: WebServer) -> None:
        with pytest.raises(FetchError, match="more than 3 times"):
            await read_all(web.put("/a", b"", status="302 Found", Location="/a"))
        assert len(web.requests) == 4

    async def test_the_name_is_asked_once_and_not_again_behind_the_check(
        self, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        known = socket.getaddrinfo

        def resolve(host: str, port: int, *more: Any, **options: Any) -> Any:
            if host == "127.0.0.1":
                return known(host, port, *more, **options)
            asked.append(host)
            return [(0, 0, 0, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        web.put("/a", b"here")
        assert await read_all(f"http://rebinding.example:{web.port}/a") == b"here"
        assert asked == ["rebinding.example"]
        assert f"Host: rebinding.example:{web.port}" in web.requests[0]

    async def test_a_host_with_one_address_within_is_refused(
        self, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = [(0, 0, 0, "", (address, web.port)) for address in ("127.0.0.1", "10.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(FetchError, match="not on the public network"):
            await read_all(f"http://mixed.example:{web.port}/a")
        assert web.requests == []

    async def test_a_file_that_breaks_off_or_comes_packed_is_none(self, web: WebServer) -> None:
        web.answers["/a"] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
        with pytest.raises(FetchError, match="broke off"):
            await read_all(web.url + "/a")
        with pytest.raises(FetchError, match="comes packed"):
            await read_all(web.put("/b", b"xx", Content_Encoding="gzip"))

    async def test_a_file_that_takes_too_long_is_given_up(
        self, web: WebServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fetching, "TOTAL_SECONDS", -1.0)
        with pytest.raises(FetchError, match="did not come within"):
            await read_all(web.put("/a", b"x"))

    @pytest.mark.parametrize("url", ["http://nowhere.invalid/", "http://127.0.0.1:1/"])
    async def test_nobody_there_is_worth_another_try(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setattr(fetching, "is_public_address", lambda _: True)
        with pytest.raises(FetchError) as caught:
            await read_all(url)
        assert not caught.value.is_final


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public_address(address)


INSIDE = (
    "0.0.0.0 127.0.0.1 10.0.0.1 172.16.0.1 192.168.0.1 169.254.169.254 100.64.0.1 198.18.0.1 224.0.0.1 240.0.0.1 "
    "255.255.255.255 :: ::1 fe80::1%eth0 fd00::1 ff02::1 ff0e::1 64:ff9b::7f00:1 64:ff9b::808:808 2002:7f00:1:: "
    "::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 fec0::1 2001:db8::1"
)


@pytest.mark.parametrize("address", INSIDE.split())
def test_everything_else_is_not(address: str) -> None:
    assert not is_public_address(address)
