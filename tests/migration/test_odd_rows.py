"""Taking over a database from the predecessor's first days: text ids, gaps, orphans, rows that clash."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import URL

from tests.integration.cli.conftest import Run
from tests.migration.predecessor import add, build, connect, one, read
from tests.migration.test_adopting import adopt, check_conservation, check_counters


def fill(url: URL, jobs: Mapping[str, Mapping[str, Any]] = {}, **campaign: Any) -> None:
    """A campaign to three channels, by text ids, and its messages by theirs."""
    add(url, "channels", *({"id": f"ch{n}", "username": f"channel_{n}"} for n in (1, 2, 3)))
    add(url, "batches", {"id": "ba1", "name": "All"})
    add(
        url, "batch_channels", *({"batchId": "ba1", "channelId": f"ch{n}", "position": -n} for n in (1, 2, 3))
    )
    add(url, "templates", {"id": "te1", "name": "News", "content": "Hi"})
    add(
        url,
        "campaigns",
        {
            "id": "ca1",
            "name": "Old",
            "batchId": "ba1",
            "templateId": "te1",
            "mode": "TEST",
            "status": "RUNNING",
        }
        | campaign,
    )
    add(
        url,
        "jobs",
        *({"id": key, "campaignId": "ca1", "channelId": "ch1", **job} for key, job in jobs.items()),
    )


def reasons(url: URL, table: str) -> dict[str, str]:
    rows = read(url, "SELECT legacy_id, reason FROM legacy_rejects WHERE source_table = %s", table)
    return dict(rows)


def changes(adoption: Any, name: str) -> dict[str, int]:
    (found,) = [table["changes"] for table in adoption["tables"] if table["table"] == name]
    return dict(found)


def test_text_ids_get_uuids_and_stay_known(vestnik: Run, prisma_url: URL) -> None:
    fill(prisma_url, {"jo1": {"status": "QUEUED"}})
    adoption = adopt(vestnik)
    row = one(
        prisma_url,
        "SELECT c.legacy_id, b.legacy_id, t.legacy_id, h.legacy_id, j.legacy_id FROM campaigns c"
        " JOIN batches b ON b.id = batch_id JOIN templates t ON t.id = template_id"
        " JOIN jobs j ON j.campaign_id = c.id JOIN channels h ON h.id = channel_id",
    )
    assert row == ("ca1", "ba1", "te1", "ch1", "jo1")
    assert vestnik("campaign", "show", "ca1", "--json").json["name"] == "Old"
    check_counters(prisma_url)
    check_conservation(prisma_url, adoption)


def test_a_batch_keeps_its_order(vestnik: Run, prisma_url: URL) -> None:
    fill(prisma_url)
    adopt(vestnik)
    rows = read(
        prisma_url,
        "SELECT username FROM batch_channels JOIN channels c ON c.id = channel_id ORDER BY position",
    )
    assert [name for (name,) in rows] == ["channel_3", "channel_2", "channel_1"]


def test_what_is_null_there_gets_what_is_usual_here(vestnik: Run, prisma_url: URL) -> None:
    fill(prisma_url, {"jo1": {"status": "QUEUED"}}, name=None, mode=None)
    adoption = adopt(vestnik)
    row = one(prisma_url, "SELECT name, mode, delivery_rate::float, retry_limit FROM campaigns")
    assert row == ("Campaign ca1", "TEST", 0.333, 3)
    assert changes(adoption, "campaigns") == {
        "RUNNING_TO_PAUSED": 1, "MODE_UNKNOWN_TO_TEST": 1, "RATE_UNKNOWN": 1,
    }  # fmt: skip
    assert one(prisma_url, "SELECT bool_and(is_active), count(created_at) FROM channels") == (True, 3)


@pytest.mark.parametrize(
    ("rate", "limit", "expected"),
    [
        (20, 3, (0.333, 3)),
        (0.001, 99, (0.001, 20)),
        (-5, -1, (0.333, 3)),
        ("NaN", 0, (0.333, 0)),
        (10**8, None, (1000, 3)),
    ],
)
def test_rates_and_limits_become_possible_ones(
    vestnik: Run, prisma_url: URL, rate: object, limit: int | None, expected: tuple[float, int]
) -> None:
    fill(prisma_url, deliveryRate=rate, retryLimit=limit)
    adopt(vestnik)
    assert one(prisma_url, "SELECT delivery_rate::float, retry_limit FROM campaigns") == expected


def test_times_without_a_zone_are_in_utc_and_impossible_ones_are_left_out(
    vestnik: Run, prisma_url: URL
) -> None:
    with connect(prisma_url) as connection:
        connection.execute("ALTER DATABASE " + str(prisma_url.database) + " SET timezone TO 'Asia/Tokyo'")
    fill(
        prisma_url,
        {
            "jo1": {"status": "SENT", "sentAt": "2025-01-16 09:30:00"},
            "jo2": {"status": "FAILED", "channelId": "ch2", "sentAt": "infinity"},
        },
        startedAt="2025-01-16 09:00:00",
        createdAt="-infinity",
    )
    adopt(vestnik)
    row = one(
        prisma_url,
        "SELECT started_at AT TIME ZONE 'UTC' = '2025-01-16 09:00', isfinite(created_at) FROM campaigns",
    )
    assert row == (True, True)
    query = (
        "SELECT sent_at AT TIME ZONE 'UTC' = '2025-01-16 09:30', isfinite(failed_at) FROM jobs ORDER BY id"
    )
    assert read(prisma_url, query) == [(True, None), (None, True)]


@pytest.mark.parametrize(
    ("status", "at", "expected"),
    [
        ("SCHEDULED", "2100-01-01 12:00:00", ("SCHEDULED", "2100-01-01 12:00:00")),
        ("SCHEDULED", "when it is ready", ("DRAFT", None)),
        ("scheduled", None, ("DRAFT", None)),
        ("Draft", "2100-01-01 12:00:00", ("DRAFT", None)),
        ("???", None, ("DRAFT", None)),
        (None, None, ("DRAFT", None)),
        ("RUNNING", None, ("DRAFT", None)),
        ("FINISHED", None, ("COMPLETED", None)),
        ("canceled", None, ("CANCELLED", None)),
    ],
)
def test_a_campaign_without_messages_is_what_its_status_means(
    vestnik: Run, prisma_url: URL, status: str | None, at: str | None, expected: tuple[str, str | None]
) -> None:
    fill(prisma_url, status=status, scheduled_at=at)
    adopt(vestnik)
    query = "SELECT status, (scheduled_at AT TIME ZONE 'UTC')::text FROM campaigns"
    assert one(prisma_url, query) == expected
    check_counters(prisma_url)


@pytest.mark.parametrize("status", ["DRAFT", "SCHEDULED", "???", "PAUSED"])
def test_one_that_has_posted_is_paused_whatever_it_says(vestnik: Run, prisma_url: URL, status: str) -> None:
    fill(
        prisma_url,
        {"jo1": {"status": "SENT"}, "jo2": {"status": "QUEUED", "channelId": "ch2"}},
        status=status,
    )
    adopt(vestnik)
    assert one(prisma_url, "SELECT status, started_at IS NULL FROM campaigns") == ("PAUSED", False)
    check_counters(prisma_url)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ({"status": "QUEUED"}, ("QUEUED", None)),
        ({"status": "SENT"}, ("SENT", None)),
        ({"status": "SENDING"}, ("FAILED", "UNKNOWN_OUTCOME")),
        ({"status": "STALLED"}, ("FAILED", "UNKNOWN_OUTCOME")),
        ({"status": None}, ("FAILED", "UNKNOWN_OUTCOME")),
        ({"status": "STALLED", "sentAt": "2025-01-16 09:30"}, ("SENT", None)),
        ({"status": "QUEUED", "sentAt": "2025-01-16 09:30"}, ("FAILED", "UNKNOWN_OUTCOME")),
        ({"status": "FAILED", "error": "no luck"}, ("FAILED", "UNKNOWN")),
        ({"status": "FAILED", "error": "RPCError: 403: CHANNEL_PRIVATE"}, ("FAILED", "CHANNEL_PRIVATE")),
    ],
)
def test_a_message_is_queued_only_if_it_surely_was_not_posted(
    vestnik: Run, prisma_url: URL, job: Mapping[str, Any], expected: tuple[str, str | None]
) -> None:
    fill(prisma_url, {"jo1": job})
    adopt(vestnik)
    assert one(prisma_url, "SELECT status, error_code FROM jobs") == expected
    check_counters(prisma_url)


def test_orphans_are_refused_and_kept(vestnik: Run, prisma_url: URL) -> None:
    fill(
        prisma_url,
        {
            "jo1": {"status": "QUEUED"},
            "no campaign": {"status": "QUEUED", "campaignId": "gone"},
            "null campaign": {"status": "QUEUED", "campaignId": None},
            "no channel": {"status": "SENT", "channelId": "gone"},
            "its campaign is refused": {"status": "SENT", "campaignId": "ca2"},
        },
    )
    add(
        prisma_url,
        "campaigns",
        {"id": "ca2", "batchId": "ba1", "templateId": "gone"},
        {"id": "ca3", "templateId": "te1"},
    )
    add(prisma_url, "batch_channels", {"batchId": "gone", "channelId": "ch1"}, {"batchId": "ba1"})
    adoption = adopt(vestnik)
    assert reasons(prisma_url, "jobs") == {
        "no campaign": "NO_CAMPAIGN", "null campaign": "NO_CAMPAIGN", "no channel": "NO_CHANNEL",
        "its campaign is refused": "NO_CAMPAIGN",
    }  # fmt: skip
    assert reasons(prisma_url, "campaigns") == {"ca2": "NO_TEMPLATE", "ca3": "NO_BATCH"}
    assert sorted(reasons(prisma_url, "batch_channels").values()) == ["NO_BATCH", "NO_CHANNEL"]
    check_counters(prisma_url)
    check_conservation(prisma_url, adoption)


@pytest.mark.parametrize("others", [["QUEUED", "SENT"], ["SENT", "QUEUED"], ["FAILED", "SENT", "SENDING"]])
def test_of_several_messages_for_a_channel_the_posted_one_stands(
    vestnik: Run, prisma_url: URL, others: list[str]
) -> None:
    fill(prisma_url, {f"jo{n}": {"status": status} for n, status in enumerate(others)})
    adoption = adopt(vestnik)
    assert one(prisma_url, "SELECT status FROM jobs") == ("SENT",)
    assert set(reasons(prisma_url, "jobs").values()) == {"DUPLICATE_JOB"}
    check_conservation(prisma_url, adoption)


def test_rows_of_one_channel_become_one_and_it_gets_one_post(vestnik: Run, prisma_url: URL) -> None:
    fill(
        prisma_url,
        {
            "jo1": {"status": "QUEUED"},
            "jo2": {"status": "QUEUED", "channelId": "twin"},
            "jo3": {"status": "SENT", "channelId": "alone"},
        },
    )
    add(
        prisma_url, "channels",
        {"id": "twin", "username": "https://t.me/Channel_1?x", "isActive": True},
        {"id": "alone", "username": "@CHANNEL_2", "isActive": True},
    )  # fmt: skip
    with connect(prisma_url) as connection:  # so the later row is the one that stands
        connection.execute("UPDATE channels SET \"isActive\" = id <> 'ch2'")
    add(
        prisma_url,
        "batch_channels",
        {"batchId": "ba1", "channelId": "twin"},
        {"batchId": "ba1", "channelId": "alone"},
    )
    adoption = adopt(vestnik)
    assert reasons(prisma_url, "channels") == {"twin": "DUPLICATE_CHANNEL", "ch2": "DUPLICATE_CHANNEL"}
    assert reasons(prisma_url, "jobs") == {"jo2": "DUPLICATE_JOB"}
    rows = read(
        prisma_url, "SELECT c.legacy_id, j.status FROM jobs j JOIN channels c ON c.id = channel_id ORDER BY 1"
    )
    assert rows == [("alone", "SENT"), ("ch1", "QUEUED")]
    check_conservation(prisma_url, adoption)


@pytest.mark.parametrize(
    ("written", "username", "tg_id"),
    [
        ("@Some_News", "Some_News", None),
        ("  https://t.me/some_news/123  ", "some_news", None),
        ("t.me/s/some_news", "some_news", None),
        ("\u200bsome_news", "some_news", None),
        ("-1001234567890", None, 1234567890),
        ("https://t.me/c/1234567890/5", None, 1234567890),
    ],
)
def test_channels_are_read_as_people_wrote_them(
    vestnik: Run, prisma_url: URL, written: str, username: str | None, tg_id: int | None
) -> None:
    add(prisma_url, "channels", {"id": "c", "username": written, "name": " Some \n News "})
    adopt(vestnik)
    assert one(prisma_url, "SELECT username, tg_id, title FROM channels") == (username, tg_id, "Some News")


@pytest.mark.parametrize(
    "written", [None, "", "новости", "https://t.me/+AbCdEf", "t.me/joinchat/AAAA", "-1", "9" * 30]
)
def test_a_channel_that_cannot_be_addressed_is_refused(
    vestnik: Run, prisma_url: URL, written: str | None
) -> None:
    add(prisma_url, "channels", {"id": "c", "username": written})
    adopt(vestnik)
    assert reasons(prisma_url, "channels") == {"c": "NO_ADDRESS"}


def test_names_that_are_missing_or_taken_get_the_old_id(vestnik: Run, prisma_url: URL) -> None:
    add(
        prisma_url,
        "batches",
        *({"id": f"ba{n}", "name": name} for n, name in enumerate(["A", "A", None, " "])),
    )
    add(prisma_url, "templates", {"id": "te1", "name": "A"}, {"id": "te2", "name": "A "})
    adoption = adopt(vestnik)
    names = [name for (name,) in read(prisma_url, "SELECT name FROM batches ORDER BY legacy_id")]
    assert names == ["A", "A (ba1)", "Batch (ba2)", "Batch (ba3)"]
    assert changes(adoption, "batches") == {"RENAMED": 3}
    assert read(prisma_url, "SELECT name FROM templates ORDER BY legacy_id") == [("A",), ("A (te2)",)]


def test_people_who_cannot_both_be_there_are_told(vestnik: Run, prisma_url: URL) -> None:
    add(
        prisma_url, "users",
        {"id": "u1", "email": "a@news.example", "role": "owner", "createdAt": "2024-01-02"},
        {"id": "u2", "email": "A@news.example ", "role": "ADMIN", "createdAt": "2024-01-01"},
        {"id": "u3", "email": None},
        {"id": "u4", "email": "b@news.example", "role": None},
    )  # fmt: skip
    adoption = adopt(vestnik)
    assert reasons(prisma_url, "users") == {"u1": "DUPLICATE_EMAIL", "u3": "NO_EMAIL"}
    assert read(prisma_url, "SELECT legacy_id, role FROM users ORDER BY 1") == [
        ("u2", "ADMIN"),
        ("u4", "VIEWER"),
    ]
    check_conservation(prisma_url, adoption)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({"content": "<b>x</b>", "parse_mode": "html"}, ("<b>x</b>", "HTML", None, None, [])),
        ({"content": "<b>x", "parse_mode": "HTML"}, ("<b>x", None, None, None, ["MARKUP_TO_PLAIN_TEXT"])),
        ({"content": "x", "parse_mode": "BBCode"}, ("x", None, None, None, ["MARKUP_UNKNOWN"])),
        ({"content": "a\r\nb"}, ("a\nb", None, None, None, [])),
        ({"content": None}, ("", None, None, None, ["CONTENT_CANNOT_BE_POSTED"])),
        ({"content": "x" * 5000}, ("x" * 5000, None, None, None, ["CONTENT_CANNOT_BE_POSTED"])),
        (
            {"content": "x", "mediaType": "IMAGE", "mediaUrl": "https://a.example/b"},
            ("x", None, "photo", "https://a.example/b", []),
        ),
        (
            {"content": "x", "mediaUrl": "https://a.example/b.MP4?c=d"},
            ("x", None, "video", "https://a.example/b.MP4?c=d", ["MEDIA_TYPE_GUESSED"]),
        ),
        (
            {"content": "x", "mediaType": "photo", "mediaUrl": "C:\\b.jpg"},
            ("x", None, "photo", "C:\\b.jpg", ["CONTENT_CANNOT_BE_POSTED"]),
        ),
        (
            {"content": "x", "mediaType": "photo", "mediaUrl": ""},
            ("x", None, None, None, ["MEDIA_WITHOUT_ADDRESS"]),
        ),
        ({"content": "x", "mediaType": "none"}, ("x", None, None, None, [])),
    ],
)
def test_unusual_templates_are_kept_as_far_as_they_can_be(
    vestnik: Run, prisma_url: URL, template: Mapping[str, Any], expected: tuple[Any, ...]
) -> None:
    fill(prisma_url, {"jo1": {"status": "QUEUED"}})
    add(prisma_url, "templates", {"id": "te2", "name": "Odd", **template})
    with connect(prisma_url) as connection:
        connection.execute("UPDATE campaigns SET \"templateId\" = 'te2'")
    adoption = adopt(vestnik)
    row = one(
        prisma_url, "SELECT content, parse_mode, media_type, media_url FROM templates WHERE legacy_id = 'te2'"
    )
    assert (*row, list(changes(adoption, "templates"))) == expected
    shown = vestnik("campaign", "resume", "Old", "--json")
    assert (shown.code, shown.json["status"]) == (0, "RUNNING"), shown.err


def test_many_templates_are_all_read(vestnik: Run, prisma_url: URL) -> None:
    add(
        prisma_url,
        "templates",
        *({"id": f"te{n}", "name": f"T{n}", "content": "<i>", "parse_mode": "HTML"} for n in range(450)),
    )
    assert changes(adopt(vestnik), "templates") == {"MARKUP_TO_PLAIN_TEXT": 450}


def test_tables_and_keys_that_are_missing_do_not_stop_it(vestnik: Run, empty_database_url: URL) -> None:
    build(
        empty_database_url,
        "CREATE TABLE channels (id int, username text); CREATE TABLE campaigns"
        " (id bigint, batch_id int, template_id int, status text); CREATE TABLE jobs"
        " (campaign_id bigint, channel_id int, status text); CREATE TABLE batches (id int);"
        " CREATE TABLE templates (id int, content text)",
    )
    add(
        empty_database_url,
        "channels",
        {"id": 1, "username": "one_news"},
        {"id": 1, "username": "two_news"},
        {"id": None},
    )
    add(empty_database_url, "batches", {"id": 1})
    add(empty_database_url, "templates", {"id": 1, "content": "Hi"})
    add(empty_database_url, "campaigns", {"id": 1, "batch_id": 1, "template_id": 1, "status": "RUNNING"})
    add(empty_database_url, "jobs", {"campaign_id": 1, "channel_id": 1, "status": "QUEUED"})
    adoption = adopt(vestnik)
    assert {table["table"] for table in adoption["tables"]} == {
        "batches",
        "campaigns",
        "channels",
        "jobs",
        "templates",
    }
    assert one(
        empty_database_url, "SELECT c.legacy_id, j.status FROM jobs j JOIN channels c ON c.id = channel_id"
    ) == ("1", "QUEUED")
    assert reasons(empty_database_url, "channels") == {"1": "DUPLICATE_ID", None: "NO_ID"}
    check_counters(empty_database_url)
    check_conservation(empty_database_url, adoption)
