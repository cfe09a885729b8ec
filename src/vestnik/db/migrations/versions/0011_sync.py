"""Look-ups counted by the day, channels as accounts see them, and reports on campaigns before they start."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

PEERS = "channel_peers"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    _count_lookups()
    _describe_peers()
    _keep_pictures()
    _keep_preflights()
    _protect()


def _count_lookups() -> None:
    op.create_table(
        "account_lookups",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("daily_limit", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_lookups_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("account_lookups_pkey")),
    )


def _describe_peers() -> None:
    op.add_column(PEERS, sa.Column("forbidden", sa.ARRAY(sa.Text())))
    op.add_column(PEERS, sa.Column("member_count", sa.Integer()))
    op.add_column("channels", sa.Column("telegram_title", sa.Text()))
    for name in ("listed_at", "gone_since", "details_at"):
        op.add_column(PEERS, sa.Column(name, sa.DateTime(timezone=True)))


def _keep_pictures() -> None:
    op.create_table(
        "channel_pictures",
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("octet_length(jpeg) <= 2048", name=op.f("channel_pictures_size_check")),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("channel_pictures_channel_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("channel_id", name=op.f("channel_pictures_pkey")),
    )


def _keep_preflights() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "preflights",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("requested_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", moment),
        *(
            sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False)
            for name in ("total", "ready", "failing", "waiting", "warned")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("preflights_campaign_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("preflights_pkey")),
        sa.UniqueConstraint("campaign_id", name=op.f("preflights_campaign_id_key")),
    )
    op.create_table(
        "preflight_channels",
        sa.Column("preflight_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("at", moment),
        sa.CheckConstraint(
            "verdict IN ('FAILS', 'WAITS', 'WARNS')", name=op.f("preflight_channels_verdict_check")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name=op.f("preflight_channels_channel_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["preflight_id"],
            ["preflights.id"],
            name=op.f("preflight_channels_preflight_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("preflight_id", "channel_id", name=op.f("preflight_channels_pkey")),
    )
    op.create_index("preflight_channels_position_idx", "preflight_channels", ["preflight_id", "position"])
    op.create_index("preflight_channels_channel_id_idx", "preflight_channels", ["channel_id"])
    # No foreign key: the ledger keeps what was left out even where the report is gone.
    op.add_column("campaigns", sa.Column("preflight_id", sa.Uuid()))


def _protect() -> None:
    """As all tables: of no use to the roles through which Supabase exposes the schema."""
    op.execute(
        """
        DO $$
        DECLARE own text; exposed text;
        BEGIN
            FOREACH own IN ARRAY
                ARRAY['account_lookups', 'channel_pictures', 'preflights', 'preflight_channels'] LOOP
                EXECUTE pg_catalog.format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', own);
                FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles
                               WHERE rolname IN ('anon', 'authenticated') LOOP
                    EXECUTE pg_catalog.format('REVOKE ALL ON public.%I FROM %I', own, exposed);
                END LOOP;
            END LOOP;
        END $$
        """
    )
