"""Lists of channels over HTTP."""

import codecs
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

LIST = "@one_news\nt.me/two_news\nhttps://t.me/+secret\nONE_NEWS\n-1001234567890\n=1+1\n"


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


async def send(
    client: httpx.AsyncClient, content: str | bytes, kind: str = "text/plain", **query: str
) -> httpx.Response:
    return await client.post(
        "/api/channels/import", content=content, headers={"Content-Type": kind}, params=query
    )


async def count(stage: Stage, table: str) -> int:
    statements = {
        "channels": "SELECT count(*) AS n FROM channels",
        "batches": "SELECT count(*) AS n FROM batches",
        "audit_logs": "SELECT count(*) AS n FROM audit_logs",
    }
    return int((await stage.one(statements[table])).n)


async def test_every_line_of_a_list_is_accounted_for(operator: httpx.AsyncClient, stage: Stage) -> None:
    await send(operator, "two_news")
    answer = await send(operator, LIST)
    assert answer.status_code == 200
    report = answer.json()
    counts = {name: report[name] for name in ("dryRun", "imported", "existing", "duplicates", "invalid")}
    assert counts == {"dryRun": False, "imported": 2, "existing": 1, "duplicates": 1, "invalid": 2}
    assert [(line["line"], line["status"]) for line in report["lines"]] == [
        (3, "INVALID"),
        (4, "DUPLICATE"),
        (6, "INVALID"),
    ]
    assert "private invitation" in report["lines"][0]["reason"]
    assert "line 1" in report["lines"][1]["reason"]
    assert "formula" in report["lines"][2]["reason"]
    assert (report["batchId"], report["batchAdded"]) == (None, None)
    assert await count(stage, "channels") == 3


async def test_a_dry_run_tells_the_same_and_stores_nothing(operator: httpx.AsyncClient, stage: Stage) -> None:
    await send(operator, "two_news")
    before = await count(stage, "audit_logs")
    foreseen = (await send(operator, LIST, dryRun="true", batchName="Morning")).json()
    assert (await count(stage, "channels"), await count(stage, "batches")) == (1, 0)
    assert await count(stage, "audit_logs") == before
    done = (await send(operator, LIST, batchName="Morning")).json()
    assert done["batchAdded"] == 3
    assert {**done, "dryRun": True, "batchId": None} == foreseen
    again = (await send(operator, "@one_news\n@new_one", dryRun="true", batchId=done["batchId"])).json()
    assert (again["imported"], again["existing"], again["batchAdded"]) == (1, 1, 1)


async def test_a_table_gives_titles_to_new_channels(operator: httpx.AsyncClient, stage: Stage) -> None:
    await send(operator, "one_news")
    table = 'Название;Канал\n"Первый; канал";one_news\nВторой;@two_news\n;-1001234567890\n'
    for content, charset in (
        (table.encode(), "utf-8"),
        (codecs.BOM_UTF16_LE + table.encode("utf-16-le"), "utf-8"),
        (table.encode("utf-16-le"), "utf-16le"),
    ):
        answer = await send(operator, content, f"text/csv; charset={charset}")
        assert (answer.json()["invalid"], answer.json()["addressColumn"]) == (0, 2)
    rows = await stage.execute("SELECT username, title FROM channels ORDER BY username NULLS LAST")
    assert [tuple(row) for row in rows] == [("one_news", None), ("two_news", "Второй"), (None, None)]


@pytest.mark.parametrize("charset", ["windows-1251", '"Windows-1251"', "koi8-r", "cp866"])
async def test_a_list_is_read_in_the_charset_that_it_names(
    operator: httpx.AsyncClient, stage: Stage, charset: str
) -> None:
    table = "канал;название\none_news;Утро\n".encode(charset.strip('"'))
    answer = await send(operator, table, f"text/csv; charset={charset}")
    assert answer.json()["imported"] == 1
    assert (await stage.one("SELECT title FROM channels")).title == "Утро"


async def test_a_table_without_a_header_tells_which_column_was_taken(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    answer = await send(operator, "1,@one_news,Morning\n2,t.me/two_news,Evening\n", "text/csv")
    report = answer.json()
    assert (report["imported"], report["invalid"], report["addressColumn"]) == (2, 0, 2)
    assert (await send(operator, "one_news\n")).json()["addressColumn"] is None


async def test_what_was_imported_is_named_in_the_audit_log(operator: httpx.AsyncClient, stage: Stage) -> None:
    await send(operator, "@known_one\n")
    lines = "".join(f"@news_{number:04}\n" for number in range(2_500))
    await send(operator, "@known_one\n" + lines, batchName="Morning")
    imported = await stage.one(
        "SELECT after FROM audit_logs WHERE action = 'channels.imported' ORDER BY id DESC LIMIT 1"
    )
    created = await stage.one("SELECT after FROM audit_logs WHERE action = 'batch.created'")
    assert imported.after == {
        "imported": 2_500,
        "existing": 1,
        "invalid": 0,
        "channel_names": [f"@news_{number:04}" for number in range(100)],
        "more_channels": 2_400,
    }
    assert created.after["channels"] == 2_501
    assert created.after["channel_names"] == ["@known_one", *(f"@news_{number:04}" for number in range(99))]
    assert created.after["more_channels"] == 2_401


async def test_a_large_list_keeps_its_order_in_the_batch(operator: httpx.AsyncClient, stage: Stage) -> None:
    names = [f"news_{number * 7919 % 4_801:05}" for number in range(4_801)]
    report = (await send(operator, "\n".join(names), batchName="Morning")).json()
    assert report["batchAdded"] == 4_801
    rows = await stage.execute(
        "SELECT username FROM batch_channels JOIN channels ON id = channel_id ORDER BY position"
    )
    assert [row.username for row in rows] == names


async def test_a_list_may_come_as_json(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/api/channels/import", json={"text": "one_news\ntwo_news"})
    assert answer.json()["imported"] == 2
    table = await operator.post("/api/channels/import", json={"text": "link,title\nt.me/three_news,Three"})
    assert (table.json()["imported"], table.json()["invalid"]) == (1, 0)


@pytest.mark.parametrize(
    ("content", "kind", "status", "words"),
    [
        (b"", "text/plain", 422, "names no channel"),
        (b"t.me/+a\n", "text/plain", 422, "private invitation"),
        (b"good_one\n\xff\xfe", "text/plain", 422, "line 2 is not UTF-8"),
        (b"good_one\n\xff\xfe", "text/plain; charset=utf-8", 422, "in UTF-8"),
        (b"good_one\n\xd8", "text/csv; charset=utf-16", 422, "line 1 is not utf-16"),
        (b"good_one", "text/plain; charset=klingon", 415, "klingon"),
        (b"good_one", "text/plain; charset=base64", 415, "base64"),
        (b"good_one", "text/plain; charset*=utf-8''x", 415, "charset"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18".encode(), "text/plain", 422, "0 to 9"),
        (b"good_one\n\x00", "text/plain", 422, "NUL"),
        (b'link\ngood_one\n"open', "text/csv", 422, "does not end"),
        (b"username,title\n", "text/csv", 422, "names no channel"),
        (b"good_one\n" * 200_001, "text/plain", 422, "200,000 lines"),
        (b"x" * (10 * 2**20 + 1), "text/plain", 422, "10 MiB"),
        (b"x" * (11 * 2**20 + 1), "text/plain", 413, "larger"),
        (b"good_one", "application/xml", 415, "text/csv"),
        (b"{", "application/json", 400, "not JSON"),
        (b"[]", "application/json", 422, ""),
        (b'{"text": "good_one", "colour": 1}', "application/json", 422, "colour"),
        (b'{"text": "good_one\\u0000"}', "application/json", 422, "text"),
        (b'{"text": "\\ud800"}', "application/json", 400, ""),
        (b"\xff", "application/json", 400, "not JSON"),
    ],
)
async def test_nothing_is_stored_of_a_hopeless_list(
    operator: httpx.AsyncClient, stage: Stage, content: bytes, kind: str, status: int, words: str
) -> None:
    answer = await send(operator, content, kind, batchName="Morning")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]
    assert (await count(stage, "channels"), await count(stage, "batches")) == (0, 0)


async def test_channels_go_into_a_batch_in_the_order_of_the_list(operator: httpx.AsyncClient) -> None:
    first = (await send(operator, "c_news\na_news", batchName="Morning")).json()
    second = (await send(operator, "b_news\na_news", batchId=first["batchId"])).json()
    assert (second["batchId"], second["batchAdded"]) == (first["batchId"], 1)
    members = (await operator.get(f"/api/batches/{first['batchId']}/channels")).json()["items"]
    assert [member["username"] for member in members] == ["c_news", "a_news", "b_news"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"batchName": "Taken"}, 409, "name"),
        ({"batchName": " "}, 422, "batchName"),
        ({"batchId": str(uuid4())}, 404, "batchId"),
        ({"batchId": str(uuid4()), "batchName": "New"}, 422, "batchName"),
        ({"dryRun": "true", "batchName": "Taken"}, 409, "name"),
        ({"dryRun": "true", "batchId": str(uuid4())}, 404, "batchId"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_a_batch_that_cannot_be_filled_keeps_the_channels_out(
    operator: httpx.AsyncClient, stage: Stage, query: dict[str, str], status: int, field: str
) -> None:
    await operator.post("/api/batches", json={"name": "Taken"})
    answer = await send(operator, "one_news", **query)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert await count(stage, "channels") == 0


async def test_a_thousand_bad_lines_are_listed_and_all_are_counted(operator: httpx.AsyncClient) -> None:
    report = (await send(operator, "one_news\n" + "?\n" * 1_500)).json()
    assert (report["invalid"], len(report["lines"]), report["lines"][-1]["line"]) == (1_500, 1_000, 1_001)


async def test_fifty_thousand_lines_are_imported_in_one_request(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    table = "link,title\n" + "".join(f"https://t.me/channel_{n},Channel {n}\n" for n in range(50_000))
    # Of this process, so that others on the machine do not decide; benchmarks/api_large.py watches the clock.
    began = time.process_time()
    answer = await send(operator, table, "text/csv", batchName="All")
    elapsed = time.process_time() - began
    assert (answer.json()["imported"], answer.json()["batchAdded"]) == (50_000, 50_000)
    assert elapsed < 10, elapsed


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("txt", "text/plain")])
async def test_an_export_can_be_imported_again(
    operator: httpx.AsyncClient, stage: Stage, form: str, kind: str
) -> None:
    lines = [f"channel_{number},Channel {number}" for number in range(4_500)]
    await send(operator, "\n".join(["username,title", *lines, '-1001234567890,"=cmd()"']), "text/csv")
    exported = await operator.get("/api/channels/export", params={"format": form})
    assert exported.status_code == 200
    assert exported.headers["Content-Type"].startswith(kind)
    assert "attachment" in exported.headers["Content-Disposition"]
    for line in exported.content.decode("utf-8-sig").splitlines()[1 if form == "csv" else 0 :]:
        assert not any(cell.startswith("=") for cell in line.split(","))
    before = await read_channels(stage)
    await stage.execute("DELETE FROM channels")
    report = (await send(operator, exported.content, kind)).json()
    assert (report["imported"], report["invalid"], report["duplicates"]) == (4_501, 0, 0)
    after = await read_channels(stage)
    if form == "csv":
        assert after == before
    else:
        assert [row[:2] for row in after] == [row[:2] for row in before]


async def read_channels(stage: Stage) -> list[tuple[Any, ...]]:
    rows = await stage.execute("SELECT username, tg_id, title FROM channels ORDER BY username")
    return [tuple(row) for row in rows]


async def test_an_export_takes_the_filters_of_the_list(operator: httpx.AsyncClient) -> None:
    await send(operator, "one_news\ntwo_news\nother")
    answer = await operator.get("/api/channels/export", params={"format": "txt", "search": "news"})
    assert sorted(answer.text.split()) == ["@one_news", "@two_news"]
    assert (await operator.get("/api/channels/export?format=pdf")).status_code == 422
