"""Databases of the predecessor, rebuilt from what its documents say of its tables.

Two of them: one whose ids are UUIDs and whose columns are in snake_case, as its last version left it, and one from
the time of Prisma: text ids, some columns in camelCase, enumerations, times without a zone, no foreign keys. Both
have `bullJobId`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import URL

Connection = psycopg.Connection[tuple[Any, ...]]

BY_UUID: Final = """
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text UNIQUE, name text, password_hash text,
    role text DEFAULT 'OPERATOR', created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE channels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), username text, title text, is_active boolean DEFAULT true,
    error_count int DEFAULT 0, last_error text, created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE batches (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, created_at timestamptz DEFAULT now()
);
CREATE TABLE batch_channels (
    batch_id uuid REFERENCES batches, channel_id uuid REFERENCES channels, PRIMARY KEY (batch_id, channel_id)
);
CREATE TABLE templates (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, content text, media_type text, media_url text,
    created_at timestamptz DEFAULT now()
);
CREATE TABLE campaigns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, batch_id uuid REFERENCES batches,
    template_id uuid REFERENCES templates, mode text DEFAULT 'TEST', status text DEFAULT 'DRAFT',
    delivery_rate int DEFAULT 20, retry_limit int DEFAULT 3, progress int DEFAULT 0, user_id uuid,
    started_at timestamptz, completed_at timestamptz, created_at timestamptz DEFAULT now()
);
CREATE TABLE jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), campaign_id uuid REFERENCES campaigns,
    channel_id uuid REFERENCES channels, status text DEFAULT 'QUEUED', attempts int DEFAULT 0, error_message text,
    "bullJobId" text, started_at timestamptz, sent_at timestamptz, failed_at timestamptz,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX jobs_status_idx ON jobs (status);
CREATE TABLE audit_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid, action text, entity_type text, entity_id text,
    details jsonb, ip_address text, created_at timestamptz DEFAULT now()
);
"""

BY_TEXT: Final = """
CREATE TYPE "JobStatus" AS ENUM ('QUEUED', 'SENDING', 'SENT', 'FAILED', 'STALLED');
CREATE TABLE users (
    id text PRIMARY KEY, email text, name text, "passwordHash" text, role text, "createdAt" timestamp(3)
);
CREATE TABLE channels (
    id text PRIMARY KEY, username text, name text, "isActive" boolean, error_count int, "createdAt" timestamp(3)
);
CREATE TABLE batches (id text PRIMARY KEY, name text, "createdAt" timestamp(3));
CREATE TABLE batch_channels (id serial PRIMARY KEY, "batchId" text, "channelId" text, position int);
CREATE TABLE templates (
    id text PRIMARY KEY, name text, content text, parse_mode text, "mediaType" text, "mediaUrl" text
);
CREATE TABLE campaigns (
    id text PRIMARY KEY, name text, "batchId" text, "templateId" text, mode text, status text,
    "deliveryRate" numeric, "retryLimit" int, scheduled_at text, "startedAt" timestamp(3), "createdAt" timestamp(3)
);
CREATE TABLE jobs (
    id text, "campaignId" text, "channelId" text, status "JobStatus", attempts int,
    "bullJobId" text NOT NULL DEFAULT 'b', error text, "sentAt" timestamp(3)
);
"""

PGBOSS: Final = """
CREATE SCHEMA pgboss;
CREATE TYPE pgboss.job_state AS ENUM ('created', 'retry', 'active', 'completed', 'cancelled', 'failed');
CREATE TABLE pgboss.version (
    version int PRIMARY KEY, maintained_on timestamptz, cron_on timestamptz, monitored_on timestamptz
);
CREATE TABLE pgboss.job (
    id uuid NOT NULL DEFAULT gen_random_uuid(), name text NOT NULL, data jsonb, state pgboss.job_state NOT NULL,
    started_on timestamptz
);
"""


def connect(url: URL) -> Connection:
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn, autocommit=True)


def build(url: URL, schema: str) -> None:
    with connect(url) as connection:
        connection.execute(schema.encode())


def add(url: URL, table: str, *rows: Mapping[str, object]) -> None:
    """Rows, each with the columns that it names; NULL by default where a table says so."""
    with connect(url) as connection:
        for row in rows:
            connection.execute(
                sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(sql.Placeholder() * len(row)),
                ),
                [json.dumps(value) if isinstance(value, dict) else value for value in row.values()],
            )


def read(url: URL, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    with connect(url) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()


def one(url: URL, query: str, *parameters: object) -> tuple[Any, ...]:
    (row,) = read(url, query, *parameters)
    return row


def number(place: int, kind: int = 0) -> str:
    """A UUID that is told from others at a glance."""
    return f"{kind:08x}-0000-4000-8000-{place:012x}"


USER, CHANNEL, BATCH, TEMPLATE, CAMPAIGN, JOB = range(1, 7)


def fill_by_uuid(url: URL) -> None:
    """A campaign in each status; the running one has a message in each."""
    add(
        url,
        "users",
        {"id": number(1, USER), "email": "Chief@News.example", "role": "ADMIN", "password_hash": "$2b$10$x"},
    )
    add(
        url,
        "channels",
        *(
            {"id": number(n, CHANNEL), "username": f"channel_{n}", "title": f"Channel {n}"}
            for n in range(1, 7)
        ),
    )
    add(url, "batches", {"id": number(1, BATCH), "name": "All"})
    add(
        url,
        "batch_channels",
        *({"batch_id": number(1, BATCH), "channel_id": number(n, CHANNEL)} for n in range(1, 7)),
    )
    add(url, "templates", {"id": number(1, TEMPLATE), "name": "News", "content": "Good {morning}"})
    statuses = ("DRAFT", "RUNNING", "PAUSED", "COMPLETED", "CANCELLED")
    add(
        url,
        "campaigns",
        *(
            {
                "id": number(n, CAMPAIGN), "name": status.title(), "batch_id": number(1, BATCH),
                "template_id": number(1, TEMPLATE), "mode": "TEST", "status": status, "delivery_rate": 1200,
                "started_at": None if status == "DRAFT" else "2025-01-16T09:00:00Z",
                "completed_at": "2025-01-16T10:00:00Z" if status == "COMPLETED" else None,
            }
            for n, status in enumerate(statuses, 1)
        ),
    )  # fmt: skip
    moment = "2025-01-16T09:30:30Z"
    running: list[Mapping[str, Any]] = [
        {"status": "SENT", "sent_at": moment, "attempts": 1},
        {"status": "SENDING", "started_at": moment, "attempts": 1},
        {
            "status": "FAILED",
            "failed_at": moment,
            "attempts": 3,
            "error_message": "400: CHAT_WRITE_FORBIDDEN (caused by x)",
        },
        {"status": "QUEUED"},
        {"status": "QUEUED", "attempts": 1},
    ]
    jobs: list[Mapping[str, Any]] = []
    for campaign, rows in ((1, [{"status": "QUEUED"}]), (2, running), (3, [{"status": "QUEUED"}] * 2),
                           (4, [{"status": "SENT", "sent_at": moment}] * 2), (5, [{"status": "QUEUED"}])):  # fmt: skip
        jobs += [
            {"id": number(10 * campaign + n, JOB), "campaign_id": number(campaign, CAMPAIGN),
             "channel_id": number(n, CHANNEL), "bullJobId": f"bull:{campaign}:{n}", **row}
            for n, row in enumerate(rows, 1)
        ]  # fmt: skip
    add(url, "jobs", *jobs)
    add(
        url,
        "audit_logs",
        {"user_id": number(1, USER), "action": "CAMPAIGN_STARTED", "entity_type": "campaign",
         "entity_id": number(2, CAMPAIGN), "details": {"rate": 20}, "created_at": moment},
        {"action": "login failed", "details": {"password": "canary"}, "ip_address": "203.0.113.9"},
    )  # fmt: skip


def describe_database(url: URL) -> dict[str, Sequence[Any]]:
    """All that can be seen of a database: tables, columns, keys, indexes, rights, sequences, functions, rows."""
    ours = "n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname NOT LIKE 'pg\\_%temp\\_%'"
    queries = {
        "schemas": f"SELECT nspname, nspacl::text FROM pg_namespace n WHERE {ours} ORDER BY 1",
        "relations": "SELECT n.nspname, relname, relkind::text, relrowsecurity, relacl::text, reloptions::text "
        f"FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {ours} ORDER BY 1, 2",
        "columns": "SELECT n.nspname, relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull, "
        "pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid "
        "JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (attrelid, attnum) "
        f"WHERE attnum > 0 AND relkind = 'r' AND {ours} ORDER BY 1, 2, 3",
        "constraints": "SELECT n.nspname, conname, conrelid::regclass::text, pg_get_constraintdef(k.oid) "
        f"FROM pg_constraint k JOIN pg_namespace n ON n.oid = connamespace WHERE {ours} ORDER BY 1, 2, 3",
        "indexes": "SELECT schemaname, indexname, indexdef FROM pg_indexes "
        "WHERE schemaname NOT IN ('pg_catalog') ORDER BY 1, 2",
        "policies": "SELECT schemaname, tablename, policyname, qual FROM pg_policies ORDER BY 1, 2, 3",
        "functions": "SELECT n.nspname, proname, proacl::text FROM pg_proc p "
        f"JOIN pg_namespace n ON n.oid = pronamespace WHERE {ours} ORDER BY 1, 2",
        "triggers": "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
        "types": f"SELECT n.nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE {ours} "
        "ORDER BY 1, 2",
    }
    found: dict[str, Sequence[Any]] = {name: read(url, query) for name, query in queries.items()}
    for schema, table in read(
        url, "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 2"
    ):
        place = sql.Identifier(schema, table)
        with connect(url) as connection:
            rows = connection.execute(
                sql.SQL("SELECT to_jsonb(t) FROM {} t ORDER BY ctid").format(place)
            ).fetchall()
        found[f"rows of {table}"] = rows
    return found
