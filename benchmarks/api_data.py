"""A database with much in it, an API before it, and single latencies of reads."""

import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import vacuum
from benchmarks.system import System, run_module
from vestnik.db.engine import open_session

PASSES = 200

FILLING = """
INSERT INTO users (email, role) VALUES ('bench@localhost', 'ADMIN');

INSERT INTO api_tokens (user_id, name, token_hash) SELECT id, 'bench', :hash FROM users;

INSERT INTO channels (username, title, created_at) SELECT 'bench_' || i, 'Channel ' || i, now() -
make_interval(secs => i) FROM generate_series(1, :jobs) i;

INSERT INTO batches (name) VALUES ('all'), ('part');

INSERT INTO batch_channels (batch_id, channel_id) SELECT b.id, c.id FROM batches b, channels c WHERE
b.name = 'all';

INSERT INTO batch_channels (batch_id, channel_id) SELECT b.id, c.id FROM batches b, (SELECT id FROM
channels ORDER BY created_at LIMIT :channels) c WHERE b.name = 'part';

INSERT INTO templates (name, content) VALUES ('bench', 'bench');

INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate, status,
content, started_at, expanded_at, ended_at) SELECT 'large', a.id, a.kind, b.id, t.id, 20, 'COMPLETED',
jsonb_build_object('text', 'x', 'link_preview', true), now(), now(), now() FROM accounts a, batches b, templates t WHERE
b.name = 'all';

INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate) SELECT
'start', a.id, a.kind, b.id, t.id, 20 FROM accounts a, batches b, templates t WHERE b.name = 'part';

INSERT INTO jobs (campaign_id, channel_id, account_id, random_id, status, claims, sent_at, error_code)
SELECT c.id, ch.id, c.account_id, row_number() OVER (), CASE WHEN right(ch.username, 1) = '7' THEN
'FAILED' ELSE 'SENT' END, 1, now(), CASE WHEN right(ch.username, 1) = '7' THEN 'CHANNEL_PRIVATE' END FROM
campaigns c, channels ch WHERE c.name = 'large';

INSERT INTO campaign_progress (campaign_id, total, sent, failed) SELECT campaign_id, count(*), count(*)
FILTER (WHERE status = 'SENT'), count(*) FILTER (WHERE status = 'FAILED') FROM jobs GROUP BY campaign_id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A latency in milliseconds, and what it should stay below."""

    name: str
    p50: float
    p95: float
    longest: float
    at_most: float

    @property
    def is_met(self) -> bool:
        """Whether p95 stays below the limit."""
        return self.p95 <= self.at_most


async def fill(engine: AsyncEngine, *, channels: int, jobs: int) -> dict[str, str]:
    """Channels, a batch of all, and an ended campaign of `jobs` jobs, a tenth of them failed; ids by name."""
    token = f"vst_{secrets.token_urlsafe(32)}"
    parameters = {"hash": sha256(token.encode()).digest(), "jobs": jobs, "channels": channels}
    async with open_session(engine) as session:
        for statement in FILLING.split(";"):
            await session.execute(
                text(statement), {key: value for key, value in parameters.items() if f":{key}" in statement}
            )
        rows = await session.execute(text("SELECT name, id FROM campaigns"))
        found = {name: str(key) for name, key in rows}
    await vacuum(engine)
    return found | {"token": token}


async def measure_read(
    client: httpx.AsyncClient, name: str, path: str, *, at_most: float, passes: int = PASSES
) -> Figure:
    """The same question many times, along the pages of a list if it is one."""
    took: list[float] = []
    cursor: str | None = None
    for _ in range(passes):
        begun = time.perf_counter()
        answer = await client.get(path, params={"cursor": cursor} if cursor else {})
        took.append((time.perf_counter() - begun) * 1000)
        answer.raise_for_status()
        cursor = answer.json().get("nextCursor")
    return make_figure(name, took, at_most)


def make_figure(name: str, took: Sequence[float], at_most: float) -> Figure:
    """From single latencies in milliseconds."""
    p95 = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    return Figure(name=name, p50=statistics.median(took), p95=p95, longest=max(took), at_most=at_most)


async def measure_reads(client: httpx.AsyncClient, ids: dict[str, str]) -> list[Figure]:
    """The lists and the progress."""
    jobs = f"/api/campaigns/{ids['large']}/jobs"
    questions = [
        ("channels, a page of 100", "/api/channels?limit=100", 100),
        ("channels that are active", "/api/channels?limit=100&active=true", 100),
        ("jobs, a page of 100", f"{jobs}?limit=100", 100),
        ("jobs that failed", f"{jobs}?limit=100&status=FAILED", 100),
        ("jobs that were sent", f"{jobs}?limit=100&status=SENT", 100),
        ("jobs that are queued (none)", f"{jobs}?limit=100&status=QUEUED", 100),
        ("campaigns", "/api/campaigns", 100),
        ("progress", f"/api/campaigns/{ids['large']}/progress", 20),
    ]
    return [await measure_read(client, name, path, at_most=limit) for name, path, limit in questions]


@contextmanager
def run_api(system: System) -> Iterator[tuple[str, int]]:
    """An API on the system's database for the length of the block: its address and its process."""
    variables = {
        "DATABASE_URL": system.url.render_as_string(hide_password=False),
        "VESTNIK_DATA_DIR": str(system.folder),
        "VESTNIK_SECRET_KEY": system.key.hex(),
        "VESTNIK_API_RATE": "10000",
    }
    with run_module("vestnik", "api", "--port", "0", folder=system.folder, variables=variables) as ready:
        yield str(ready["url"]), int(ready["pid"])
