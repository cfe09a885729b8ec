"""The tables. Names and foreign keys are the predecessor's; states are text with a CHECK.

Relationships are never loaded lazily: what a function needs, its query names.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from vestnik.domain.account_logins import LoginMethod, LoginStep
from vestnik.domain.alerts import AlertState, DestinationKind, NotificationStatus, Occasion
from vestnik.domain.media import MediaType
from vestnik.domain.posting import PreviewPosition, PreviewSize
from vestnik.domain.states import (
    AccountKind,
    AccountState,
    CampaignStatus,
    HoldScope,
    JobStatus,
    Mode,
    PauseReason,
    PreflightVerdict,
)
from vestnik.domain.users import Role, TokenScope


def _one_of(column: str, states: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(str(state)) for state in states)})"


class Base(DeclarativeBase):
    """Names constraints as PostgreSQL itself would, so that hand-written SQL can rely on them."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy when the class is made
        datetime: DateTime(timezone=True),
        str: Text(),
        int: Integer(),
        dict[str, Any]: JSONB(),
    }


def _uuid_key() -> Mapped[UUID]:
    return mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))


def _ascending_uuid_key() -> Mapped[UUID]:
    """A UUID of version 7 (RFC 9562): milliseconds, '7', 4096ths of a millisecond, half of a random one.

    For rows that come by the thousand: those made one after another lie together in every index that begins with
    their id. PostgreSQL's own `uuidv7()` came with version 18.
    """
    ticks = "to_hex((date_part('epoch', clock_timestamp()) * 4096000)::bigint)"
    return mapped_column(
        primary_key=True,
        server_default=text(
            f"(overlay(lpad({ticks}, 15, '0') PLACING '7' FROM 13 FOR 0) || right(gen_random_uuid()::text, 17))::uuid"
        ),
    )


def _revision() -> Mapped[int]:
    """Changes whenever a person changes the row; an edit may ask for the one that it was made on."""
    return mapped_column(Integer, server_default="1")


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


def _legacy_id_key(table: str) -> Index:
    return Index(
        f"{table}_legacy_id_key", "legacy_id", unique=True, postgresql_where=text("legacy_id IS NOT NULL")
    )


class User(Base):
    """A person who signs in."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(_one_of("role", Role), name="role"),
        Index("users_email_key", text("lower(email)"), unique=True),
        _legacy_id_key("users"),
    )

    id: Mapped[UUID] = _uuid_key()
    email: Mapped[str]
    name: Mapped[str] = mapped_column(server_default="")
    role: Mapped[str]
    password_hash: Mapped[str | None]
    must_change_password: Mapped[bool] = mapped_column(server_default=text("false"))
    """The password was given out by somebody else."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    last_login_at: Mapped[datetime | None]
    legacy_id: Mapped[str | None]
    """Its id in the predecessor's tables, as those of channels, batches, templates, campaigns and jobs."""
    revision: Mapped[int] = _revision()
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class Session(Base):
    """A signed-in browser; only the hash of its cookie is kept."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = _uuid_key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = _now()
    last_seen_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]


class LoginAttempt(Base):
    """A sign-in that was tried, so that guessing can be slowed down per person and per address."""

    __tablename__ = "login_attempts"
    __table_args__ = (
        Index("login_attempts_email_idx", "email", "at"),
        Index("login_attempts_address_idx", "address", "at"),
        Index("login_attempts_at_idx", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = _now()
    email: Mapped[str]
    """As it was given, in lower case; there need not be such a user."""
    address: Mapped[str]
    succeeded: Mapped[bool]


class IdempotencyKey(Base):
    """The answer of a request that may be repeated, kept in the transaction of the request itself."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_created_at_idx", "created_at"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    body: Mapped[str]
    created_at: Mapped[datetime] = _now()


class ApiToken(Base):
    """A personal API token; only its hash is kept."""

    __tablename__ = "api_tokens"
    __table_args__ = (CheckConstraint(_one_of("scope", TokenScope), name="scope"),)

    id: Mapped[UUID] = _uuid_key()
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str] = mapped_column(server_default="")
    """Its last characters, by which its owner tells it from others."""
    scope: Mapped[str] = mapped_column(server_default=TokenScope.FULL.value)
    created_at: Mapped[datetime] = _now()
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Account(Base):
    """A Telegram identity. Its session is stored encrypted, bound to this row (see db/secrets.py)."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint(_one_of("kind", AccountKind), name="kind"),
        CheckConstraint(_one_of("state", AccountState), name="state"),
        CheckConstraint("kind <> 'SIMULATED' OR session_ciphertext IS NULL", name="simulated_session"),
        CheckConstraint("rate > 0 AND rate <= 1000", name="rate"),
        CheckConstraint("state_before IN ('ACTIVE', 'NEEDS_LOGIN', 'LIMITED')", name="state_before"),
        UniqueConstraint("id", "kind"),
        # Two accounts of ours that are one Telegram user would each keep a pace of their own.
        Index(
            "accounts_tg_user_id_key", "tg_user_id", unique=True, postgresql_where=text("kind <> 'SIMULATED'")
        ),
    )

    id: Mapped[UUID] = _uuid_key()
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=AccountState.ACTIVE.value)
    state_reason: Mapped[str | None]
    state_before: Mapped[str | None]
    """Of a DISABLED account: what it was when it was switched off."""
    rate: Mapped[Decimal] = mapped_column(Numeric(8, 3), server_default="20")
    api_id: Mapped[int | None]
    api_hash_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    session_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    session_digest: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """Keyed, of the session's key alone (see db/secrets.py): no two accounts may have the same one."""
    session_version: Mapped[int] = mapped_column(server_default="0")
    """Raised with each change of the session; whoever speaks with an older one has to start over."""
    environment_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """SHA-256 of the TELEGRAM_SESSION last taken over, then that of its api_id and api_hash: tells new values
    from unchanged ones."""
    tg_user_id: Mapped[int | None] = mapped_column(BigInteger)
    tg_name: Mapped[str | None]
    revision: Mapped[int] = _revision()
    """Raised with what a person may edit, not with what the engine notes."""
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class AccountLease(Base):
    """Which process may speak for an account, and until when (by the database's clock)."""

    __tablename__ = "account_leases"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[str]
    epoch: Mapped[int] = mapped_column(BigInteger)
    lease_until: Mapped[datetime]
    next_slot_at: Mapped[datetime | None]
    """Before this instant no holder sends: it keeps a takeover or a restart from bursting."""
    connected_at: Mapped[datetime | None]
    """Since when the holder is connected to Telegram; NULL while it is not."""


class AccountHold(Base):
    """An account waits until an instant that Telegram named."""

    __tablename__ = "account_holds"
    __table_args__ = (CheckConstraint(_one_of("scope", HoldScope), name="scope"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    reason: Mapped[str]
    created_at: Mapped[datetime] = _now()


class AccountWait(Base):
    """A time for which Telegram made an account wait; of each account the last ones are kept."""

    __tablename__ = "account_waits"
    __table_args__ = (
        CheckConstraint(_one_of("scope", HoldScope), name="scope"),
        Index("account_waits_account_id_idx", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    at: Mapped[datetime] = _now()
    scope: Mapped[str]
    reason: Mapped[str]
    until: Mapped[datetime]


class AccountLogin(Base):
    """The last login of an account, or its log-out: how far it is, and what its owner is asked for.

    `epoch` is that of the lease under which a process carries it out; NULL until one has begun to. Phone number,
    code, password and token are never here, nor is what a QR code says but encrypted and while it is shown.
    """

    __tablename__ = "account_logins"
    __table_args__ = (
        CheckConstraint(_one_of("method", LoginMethod), name="method"),
        CheckConstraint(_one_of("step", LoginStep), name="step"),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (step IN ('DONE', 'FAILED', 'CANCELLED'))", name="finished"
        ),
        CheckConstraint("step = 'QR' OR qr_ciphertext IS NULL", name="wiped"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    login_id: Mapped[UUID]
    method: Mapped[str]
    step: Mapped[str] = mapped_column(server_default=LoginStep.STARTING.value)
    epoch: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Wrong codes and passwords."""
    hint: Mapped[str | None]
    """What the owner of the account wrote down to remember the password by."""
    code_kind: Mapped[str | None]
    code_length: Mapped[int | None] = mapped_column(SmallInteger)
    next_kind: Mapped[str | None]
    resend_at: Mapped[datetime | None]
    qr_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    qr_expires_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_field: Mapped[str | None]
    retry_at: Mapped[datetime | None]
    """Before this instant Telegram takes no other attempt."""
    recent_starts: Mapped[list[datetime]] = mapped_column(
        ARRAY(DateTime(timezone=True)), server_default=text("'{}'")
    )
    started_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]
    """Without input it ends then."""
    finished_at: Mapped[datetime | None]


class AccountLookups(Base):
    """How many usernames an account has looked up on a day of UTC, and how many it may."""

    __tablename__ = "account_lookups"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    used: Mapped[int]
    daily_limit: Mapped[int]
    """Of the process that spoke for the account last."""


class AccountCommand(Base):
    """A request to the process that holds an account's lease; the payload is encrypted and wiped when done.

    PENDING was never handed to Telegram, STARTED may have been; `claim_epoch` is then whose it is, NULL when
    given back to be settled.
    """

    __tablename__ = "account_commands"
    __table_args__ = (
        CheckConstraint("status IN ('PENDING', 'STARTED', 'DONE', 'FAILED', 'EXPIRED')", name="status"),
        CheckConstraint("kind <> 'SEND' OR channel_id IS NOT NULL AND random_id IS NOT NULL", name="send"),
        CheckConstraint("status IN ('PENDING', 'STARTED') OR payload_ciphertext IS NULL", name="wiped"),
        Index(
            "account_commands_pending_idx",
            "account_id",
            "created_at",
            postgresql_where=text("status IN ('PENDING', 'STARTED')"),
        ),
        Index(
            "account_commands_idempotency_key",
            "account_id",
            "idempotency_key",
            "channel_id",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = _uuid_key()
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    kind: Mapped[str]
    payload_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    random_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(server_default="PENDING")
    claim_epoch: Mapped[int | None] = mapped_column(BigInteger)
    maybe_sent: Mapped[bool] = mapped_column(server_default=text("false"))
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    channel_id: Mapped[UUID | None] = mapped_column(ForeignKey("channels.id", ondelete="RESTRICT"))
    idempotency_key: Mapped[str | None]
    request_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What a repeated key must repeat as well."""
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    claims: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    not_before: Mapped[datetime] = _now()


class Channel(Base):
    """A channel to post in, named by its username or by its Telegram id; deleted softly."""

    __tablename__ = "channels"
    __table_args__ = (
        CheckConstraint("username IS NOT NULL OR tg_id IS NOT NULL", name="named"),
        CheckConstraint("username ~ '^[A-Za-z][A-Za-z0-9_]{3,31}$'", name="username"),
        Index(
            "channels_username_key",
            text("lower(username)"),
            unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "channels_tg_id_key",
            "tg_id",
            unique=True,
            postgresql_where=text("deleted_at IS NULL AND username IS NULL"),
        ),
        Index("channels_created_at_idx", "created_at", "id", postgresql_where=text("deleted_at IS NULL")),
        Index(
            "channels_active_idx",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NULL AND is_active"),
        ),
        # An import looks in it, part by part, for those that come back.
        Index("channels_deleted_idx", "id", postgresql_where=text("deleted_at IS NOT NULL")),
        Index(
            "channels_inactive_idx",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NULL AND NOT is_active"),
        ),
        _legacy_id_key("channels"),
    )

    id: Mapped[UUID] = _ascending_uuid_key()
    username: Mapped[str | None]
    tg_id: Mapped[int | None] = mapped_column(BigInteger)
    title: Mapped[str | None]
    telegram_title: Mapped[str | None]
    """As Telegram last gave it; another `title` was typed by somebody."""
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    inactive_reason: Mapped[str | None]
    inactive_since: Mapped[datetime | None]
    inactive_campaign_id: Mapped[UUID | None]
    deleted_at: Mapped[datetime | None]
    legacy_id: Mapped[str | None]
    revision: Mapped[int] = _revision()
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class ChannelPeer(Base):
    """A channel as one account sees it: address, rights, failures. A row without access_hash is unresolved."""

    __tablename__ = "channel_peers"
    __table_args__ = (
        Index("channel_peers_channel_id_idx", "channel_id"),
        Index("channel_peers_inactive_idx", "channel_id", postgresql_where=text("NOT is_active")),
        # Every post that went out asks whether its channel had failures in a row, and hardly any has.
        Index(
            "channel_peers_failing_idx",
            "account_id",
            "channel_id",
            postgresql_where=text("consecutive_failures > 0"),
        ),
        # Two entries that lead to one Telegram channel are found by it.
        Index("channel_peers_tg_id_idx", "account_id", "tg_id"),
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="RESTRICT"), primary_key=True)
    tg_id: Mapped[int | None] = mapped_column(BigInteger)
    access_hash: Mapped[int | None] = mapped_column(BigInteger)
    can_post: Mapped[bool | None]
    forbidden: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """Kinds of posts that it may not make (see domain.rights)."""
    slow_mode_seconds: Mapped[int | None]
    member_count: Mapped[int | None]
    listed_at: Mapped[datetime | None]
    """When it was last seen among the account's dialogs."""
    gone_since: Mapped[datetime | None]
    """It was among the dialogs before, and not when they were last synchronised."""
    details_at: Mapped[datetime | None]
    """When Telegram was asked for its details."""
    hold_until: Mapped[datetime | None]
    consecutive_failures: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    inactive_reason: Mapped[str | None]
    inactive_since: Mapped[datetime | None]
    inactive_campaign_id: Mapped[UUID | None]
    resolved_at: Mapped[datetime | None]


class ChannelPicture(Base):
    """A channel's picture, small enough to come with Telegram's lists."""

    __tablename__ = "channel_pictures"
    __table_args__ = (CheckConstraint("octet_length(jpeg) <= 2048", name="size"),)

    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)
    jpeg: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[datetime] = _now()


class Batch(Base):
    """A named set of channels, in the order in which they were added."""

    __tablename__ = "batches"
    __table_args__ = (_legacy_id_key("batches"),)

    id: Mapped[UUID] = _uuid_key()
    name: Mapped[str] = mapped_column(unique=True)
    legacy_id: Mapped[str | None]
    revision: Mapped[int] = _revision()
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class BatchChannel(Base):
    """A channel's place in a batch."""

    __tablename__ = "batch_channels"
    __table_args__ = (
        Index("batch_channels_channel_id_idx", "channel_id"),
        # A large batch is turned into jobs in parts, in this order.
        Index("batch_channels_position_idx", "batch_id", "position"),
    )

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="RESTRICT"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))


class Media(Base):
    """A stored file; its bytes are in the media store, by `sha256`."""

    __tablename__ = "media"
    __table_args__ = (
        CheckConstraint(_one_of("kind", MediaType), name="kind"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        CheckConstraint("size > 0", name="size"),
        # The same file again is the same row; the digest first, by which it is asked whether the bytes are needed.
        UniqueConstraint("sha256", "kind", "name"),
        Index("media_created_at_idx", "created_at", "id"),
    )

    id: Mapped[UUID] = _uuid_key()
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    mime_type: Mapped[str]
    name: Mapped[str]
    """As it came, without its folder; readers of a document see it."""
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration: Mapped[float | None] = mapped_column(Double)
    """Seconds."""
    created_by: Mapped[str]
    created_at: Mapped[datetime] = _now()
    used_at: Mapped[datetime] = _now()
    """When it was stored (again), sent directly, or let go of by a template."""


class AccountMedia(Base):
    """A file as Telegram has it from one account: uploaded once, posted many times."""

    __tablename__ = "account_media"
    __table_args__ = (Index("account_media_media_id_idx", "media_id"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    media_id: Mapped[UUID] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True)
    is_photo: Mapped[bool]
    file_id: Mapped[int] = mapped_column(BigInteger)
    access_hash: Mapped[int] = mapped_column(BigInteger)
    file_reference: Mapped[bytes] = mapped_column(LargeBinary)
    uploaded_at: Mapped[datetime] = _now()


class Template(Base):
    """What is posted, before a campaign freezes it."""

    __tablename__ = "templates"
    __table_args__ = (
        CheckConstraint("parse_mode IN ('HTML', 'MARKDOWN')", name="parse_mode"),
        CheckConstraint("(media_type IS NULL) = (media_url IS NULL AND media_id IS NULL)", name="media"),
        CheckConstraint("media_url IS NULL OR media_id IS NULL", name="media_source"),
        CheckConstraint(
            "media_ids = '{}' OR (cardinality(media_ids) BETWEEN 2 AND 10 AND media_id IS NOT NULL"
            " AND media_ids[1] = media_id)",
            name="media_ids",
        ),
        CheckConstraint("jsonb_typeof(buttons) = 'array'", name="buttons"),
        CheckConstraint(_one_of("link_preview_position", PreviewPosition), name="link_preview_position"),
        CheckConstraint(_one_of("link_preview_size", PreviewSize), name="link_preview_size"),
        Index("templates_media_id_idx", "media_id", postgresql_where=text("media_id IS NOT NULL")),
        _legacy_id_key("templates"),
    )

    id: Mapped[UUID] = _uuid_key()
    name: Mapped[str] = mapped_column(unique=True)
    content: Mapped[str]
    parse_mode: Mapped[str | None]
    """None: plain text, posted as it is."""
    link_preview: Mapped[bool] = mapped_column(server_default=text("true"))
    link_preview_position: Mapped[str] = mapped_column(server_default=PreviewPosition.BELOW.value)
    link_preview_size: Mapped[str | None]
    """None: Telegram chooses."""
    silent: Mapped[bool] = mapped_column(server_default=text("false"))
    protect_content: Mapped[bool] = mapped_column(server_default=text("false"))
    buttons: Mapped[list[list[dict[str, Any]]]] = mapped_column(JSONB, server_default=text("'[]'"))
    """Rows of buttons, each with `text` and `url`."""
    media_type: Mapped[str | None]
    media_url: Mapped[str | None]
    media_id: Mapped[UUID | None] = mapped_column(ForeignKey("media.id", ondelete="RESTRICT"))
    media_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"))
    """The files of an album in their order, the first of them `media_id`; empty for one file and for none.

    Row locks keep them from being deleted (`share_media`, `list_users`)."""
    legacy_id: Mapped[str | None]
    revision: Mapped[int] = _revision()
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class Campaign(Base):
    """Batch + template + rate + retry limit + mode, delivered by exactly one account."""

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint(_one_of("status", CampaignStatus), name="status"),
        CheckConstraint(_one_of("mode", Mode), name="mode"),
        CheckConstraint(_one_of("pause_reason", PauseReason), name="pause_reason"),
        CheckConstraint("(status = 'PAUSED') = (pause_reason IS NOT NULL)", name="paused"),
        CheckConstraint("(mode = 'TEST') = (account_kind = 'SIMULATED')", name="mode_account"),
        CheckConstraint("delivery_rate > 0 AND delivery_rate <= 1000", name="delivery_rate"),
        CheckConstraint("retry_limit BETWEEN 0 AND 20", name="retry_limit"),
        CheckConstraint("max_error_rate > 0 AND max_error_rate <= 1", name="max_error_rate"),
        CheckConstraint("status NOT IN ('RUNNING', 'COMPLETED') OR content IS NOT NULL", name="content"),
        ForeignKeyConstraint(["account_id", "account_kind"], ["accounts.id", "accounts.kind"]),
        UniqueConstraint("id", "account_id"),
        Index("campaigns_running_idx", "account_id", postgresql_where=text("status = 'RUNNING'")),
        Index("campaigns_scheduled_idx", "scheduled_at", postgresql_where=text("status = 'SCHEDULED'")),
        CheckConstraint("status <> 'SCHEDULED' OR scheduled_at IS NOT NULL", name="scheduled"),
        Index("campaigns_created_at_idx", "created_at", "id"),
        Index(
            "campaigns_ending_idx",
            "id",
            postgresql_where=text("status IN ('CANCELLED', 'FAILED') AND ended_at IS NULL"),
        ),
        Index("campaigns_deleted_idx", "id", postgresql_where=text("deleted_at IS NOT NULL")),
        _legacy_id_key("campaigns"),
        Index(
            "campaigns_stuck_idx",
            "updated_at",
            postgresql_where=text(
                "deleted_at IS NULL AND (status IN ('PAUSED', 'FAILED') OR status = 'DRAFT'"
                " AND status_detail IS NOT NULL)"
            ),
        ),
        Index("campaigns_completed_idx", "ended_at", postgresql_where=text("status = 'COMPLETED'")),
    )

    id: Mapped[UUID] = _uuid_key()
    name: Mapped[str]
    account_id: Mapped[UUID]
    account_kind: Mapped[str]
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("batches.id", ondelete="RESTRICT"), index=True)
    template_id: Mapped[UUID] = mapped_column(ForeignKey("templates.id", ondelete="RESTRICT"), index=True)
    mode: Mapped[str] = mapped_column(server_default=Mode.TEST.value)
    status: Mapped[str] = mapped_column(server_default=CampaignStatus.DRAFT.value)
    pause_reason: Mapped[str | None]
    status_detail: Mapped[str | None]
    """One sentence for the operator: why the campaign was paused or failed."""
    delivery_rate: Mapped[Decimal] = mapped_column(Numeric(8, 3))
    """Messages per second."""
    retry_limit: Mapped[int] = mapped_column(SmallInteger, server_default="3")
    """Retries after the first attempt."""
    max_error_rate: Mapped[Decimal] = mapped_column(Numeric(4, 3), server_default="0.100")
    content: Mapped[dict[str, Any] | None]
    """Frozen at the start; written and read by `vestnik.content.frozen`."""
    next_slot_at: Mapped[datetime | None]
    scheduled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    expansion_position: Mapped[int | None] = mapped_column(BigInteger)
    """How far the batch has been turned into jobs (batch_channels.position)."""
    expanded_at: Mapped[datetime | None]
    """When the last job was made; a campaign is never COMPLETED before."""
    ended_at: Mapped[datetime | None]
    """When the last job left the queue; of a large campaign a while after it was cancelled."""
    purged_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    """Nobody sees it any more; the row goes once a worker has deleted its jobs in parts."""
    preflight_id: Mapped[UUID | None]
    """The preflight whose failing channels were left out at the start."""
    legacy_id: Mapped[str | None]
    revision: Mapped[int] = mapped_column(server_default="1")
    """Changes only when a person changes the campaign."""
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class CampaignProgress(Base):
    """Counters of a campaign's jobs, changed in the very statement that changes the jobs."""

    __tablename__ = "campaign_progress"
    __table_args__ = (
        CheckConstraint("total = queued + sending + sent + failed + cancelled", name="sum"),
        CheckConstraint("least(queued, sending, sent, failed, cancelled) >= 0", name="not_negative"),
    )

    campaign_id: Mapped[UUID] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True
    )
    total: Mapped[int] = mapped_column(server_default="0")
    queued: Mapped[int] = mapped_column(server_default="0")
    sending: Mapped[int] = mapped_column(server_default="0")
    sent: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    updated_at: Mapped[datetime] = _now()
    brake_sent: Mapped[int] = mapped_column(server_default="0")
    """`sent` at the last start, resume or retry: the error-rate brake counts from there."""
    brake_failed: Mapped[int] = mapped_column(server_default="0")
    """`failed` at that moment, plus what failed since without having been sent."""
    minute_started_at: Mapped[datetime | None]
    """The minute in which the last post was recorded."""
    minute_sent: Mapped[int] = mapped_column(server_default="0")
    """Posts in that minute."""
    previous_minute_sent: Mapped[int] = mapped_column(server_default="0")
    """Posts in the minute before it."""


class Preflight(Base):
    """What would become of a campaign if it started; `id` is that of the command that finds it out."""

    __tablename__ = "preflights"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), unique=True)
    basis: Mapped[str]
    """Tells whether campaign, template or batch were changed since."""
    requested_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]
    total: Mapped[int] = mapped_column(server_default="0")
    ready: Mapped[int] = mapped_column(server_default="0")
    failing: Mapped[int] = mapped_column(server_default="0")
    waiting: Mapped[int] = mapped_column(server_default="0")
    """Not found out: their addresses are still to be looked up."""
    warned: Mapped[int] = mapped_column(server_default="0")
    """Ready, but for something that somebody may want to know."""


class PreflightChannel(Base):
    """What a preflight found about one channel; those without a finding are ready."""

    __tablename__ = "preflight_channels"
    __table_args__ = (
        CheckConstraint(_one_of("verdict", PreflightVerdict), name="verdict"),
        Index("preflight_channels_position_idx", "preflight_id", "position"),
        Index("preflight_channels_channel_id_idx", "channel_id"),
    )

    preflight_id: Mapped[UUID] = mapped_column(
        ForeignKey("preflights.id", ondelete="CASCADE"), primary_key=True
    )
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    """In the batch."""
    verdict: Mapped[str]
    code: Mapped[str]
    detail: Mapped[str | None]
    at: Mapped[datetime | None]
    """Of what the code is about: a post, the end of a wait."""


class CampaignMinute(Base):
    """Posts of a campaign in a minute that is over; a trigger of `campaign_progress` writes it."""

    __tablename__ = "campaign_minutes"
    __table_args__ = (
        CheckConstraint("sent > 0", name="sent"),
        Index("campaign_minutes_minute_idx", "minute"),
    )

    campaign_id: Mapped[UUID] = mapped_column(
        ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True
    )
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    sent: Mapped[int]


class WorkerProcess(Base):
    """A worker that runs, or did until `seen_at`; accounts are spread over those seen lately."""

    __tablename__ = "workers"

    holder: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[datetime] = _now()
    seen_at: Mapped[datetime] = _now()


class Job(Base):
    """One campaign x channel: the ledger and the queue of messages at once."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(_one_of("status", JobStatus), name="status"),
        # The channel first: so one index tells both which jobs a channel has and whether a campaign has it.
        UniqueConstraint("channel_id", "campaign_id", name="jobs_campaign_id_channel_id_key"),
        # One check instead of two for each of very many rows: the account is the campaign's, which never changes.
        ForeignKeyConstraint(
            ["campaign_id", "account_id"], ["campaigns.id", "campaigns.account_id"], ondelete="RESTRICT"
        ),
        Index("jobs_campaign_id_id_idx", "campaign_id", "id"),
        Index("jobs_failed_idx", "campaign_id", "id", postgresql_where=text("queue_part = 'FAILED'")),
        # An expression, so that a claim cannot walk the primary key past all other campaigns' jobs instead.
        Index("jobs_open_idx", "campaign_id", text("(id + 0)"), postgresql_where=text("queue_part = 'OPEN'")),
        Index(
            "jobs_returned_idx", "campaign_id", "not_before", postgresql_where=text("queue_part = 'RETURNED'")
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    campaign_id: Mapped[UUID]
    channel_id: Mapped[UUID] = mapped_column(ForeignKey("channels.id", ondelete="RESTRICT"))
    account_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=JobStatus.QUEUED.value)
    claims: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    maybe_sent: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    not_before: Mapped[datetime] = _now()
    claim_epoch: Mapped[int | None] = mapped_column(BigInteger)
    random_id: Mapped[int] = mapped_column(BigInteger)
    message_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    rendered_content: Mapped[dict[str, Any] | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    started_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    legacy_id: Mapped[str | None]
    queue_part: Mapped[str | None] = mapped_column(
        Text,
        Computed(
            "CASE WHEN status = 'SENDING' OR status = 'QUEUED' AND claims = 0 THEN 'OPEN'"
            " WHEN status = 'QUEUED' THEN 'RETURNED' WHEN status = 'FAILED' THEN 'FAILED' END",
            persisted=True,
        ),
    )
    """By which partial index the job is found. A claim changes the status and leaves this as it is, so that it
    need not write to any index; half of each page is kept free for its new rows."""


class AuditLog(Base):
    """Who did what; append only, which a trigger enforces."""

    __tablename__ = "audit_logs"
    __table_args__ = (
        CheckConstraint("actor_kind IN ('USER', 'TOKEN', 'CLI', 'SYSTEM')", name="actor_kind"),
        Index("audit_logs_entity_idx", "entity_type", "entity_id", "id"),
        Index("audit_logs_created_at_idx", "created_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    created_at: Mapped[datetime] = _now()
    actor_kind: Mapped[str]
    actor: Mapped[str]
    action: Mapped[str]
    entity_type: Mapped[str]
    entity_id: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    address: Mapped[str | None]


class LegacyAdoption(Base):
    """That the predecessor's tables were taken over; they are kept in the schema `predecessor`."""

    __tablename__ = "legacy_adoptions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    adopted_at: Mapped[datetime] = _now()
    tables: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """Those that were moved out of the way, be they the predecessor's or somebody else's."""
    report: Mapped[dict[str, Any]]
    """What was found and what became of it, in numbers."""


class LegacyReject(Base):
    """A row of the predecessor that our constraints refuse, unchanged."""

    __tablename__ = "legacy_rejects"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    source_table: Mapped[str]
    legacy_id: Mapped[str | None]
    reason: Mapped[str]
    row: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = _now()


class AlertRecord(Base):
    """Something that needs or needed a person; as long as it goes on there is one row of it."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(_one_of("state", AlertState), name="state"),
        CheckConstraint("(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name="resolved"),
        Index("alerts_firing_key", "key", unique=True, postgresql_where=text("state = 'FIRING'")),
        Index("alerts_resolved_at_idx", "resolved_at", postgresql_where=text("resolved_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str]
    kind: Mapped[str]
    """Without a CHECK: the history of a later version may be read by an earlier one."""
    state: Mapped[str] = mapped_column(server_default=AlertState.FIRING.value)
    is_urgent: Mapped[bool]
    subject_id: Mapped[UUID | None]
    name: Mapped[str]
    """Of what it is about, as it was called when it began."""
    title: Mapped[str]
    detail: Mapped[str | None]
    since: Mapped[datetime]
    clear_since: Mapped[datetime | None]
    """Since when it has not been so any more, while that is not certain yet."""
    resolved_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]
    """When messages about it were last put in line."""
    notified_at: Mapped[datetime | None]
    """When one was last delivered."""


class AlertDestination(Base):
    """Where messages about alerts go. What is secret is encrypted, bound to this row (see db/secrets.py)."""

    __tablename__ = "alert_destinations"
    __table_args__ = (
        CheckConstraint(_one_of("kind", DestinationKind), name="kind"),
        CheckConstraint(
            "(kind = 'TELEGRAM') = (account_id IS NOT NULL AND channel_id IS NOT NULL)", name="chat"
        ),
    )

    id: Mapped[UUID] = _uuid_key()
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    language: Mapped[str]
    config: Mapped[dict[str, Any]]
    """What may be shown."""
    secret_ciphertext: Mapped[bytes | None] = mapped_column(LargeBinary)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    channel_id: Mapped[UUID | None] = mapped_column(ForeignKey("channels.id"))
    claim_epoch: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Of the process that delivers to it now: one at a time."""
    claimed_until: Mapped[datetime | None]
    not_before: Mapped[datetime] = _now()
    failures: Mapped[int] = mapped_column(server_default="0")
    """In a row."""
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None]
    last_success_at: Mapped[datetime | None]
    revision: Mapped[int] = _revision()
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()


class AlertNotification(Base):
    """A message about an alert to one destination; sent at least once."""

    __tablename__ = "alert_notifications"
    __table_args__ = (
        CheckConstraint(
            f"occasion IN ({', '.join(repr(str(one)) for one in Occasion if one is not Occasion.TEST)})",
            name="occasion",
        ),
        CheckConstraint(_one_of("status", NotificationStatus), name="status"),
        Index("alert_notifications_alert_id_idx", "alert_id", "id"),
        Index(
            "alert_notifications_pending_idx",
            "destination_id",
            "id",
            postgresql_where=text("status = 'PENDING'"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    alert_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("alerts.id", ondelete="CASCADE"))
    destination_id: Mapped[UUID] = mapped_column(ForeignKey("alert_destinations.id", ondelete="CASCADE"))
    occasion: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=NotificationStatus.PENDING.value)
    attempts: Mapped[int] = mapped_column(server_default="0")
    """Those that failed."""
    error: Mapped[str | None]
    created_at: Mapped[datetime] = _now()
    sent_at: Mapped[datetime | None]
