"""The predecessor's tables as they are: columns in snake_case or camelCase, some of them missing, of any type.

Each table is read once into a temporary one with the same columns everywhere (`old_jobs`), all values as text but
times and truth values. What is left of it in the tables' own terms is `tid`, by which a row is found again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    insert,
    inspect,
    literal,
    null,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.types import TypeEngine, UserDefinedType

from vestnik.db.statements import load_statement
from vestnik.domain.errors import SchemaVersionError


class Tid(UserDefinedType[str]):
    """Where a row is within its table; PostgreSQL calls it ctid."""

    cache_ok = True

    def get_col_spec(self, **_options: object) -> str:
        """Its name in SQL."""
        return "tid"


@dataclass(frozen=True, slots=True)
class _Field:
    """What is wanted of a table, and under which names it may be there, without regard to case and underscores."""

    name: str
    read: "Callable[[ColumnElement[Any], TypeEngine[Any]], ColumnElement[Any]]"
    type: TypeEngine[Any]
    others: tuple[str, ...] = ()
    is_needed: bool = False

    @property
    def spellings(self) -> list[str]:
        return [_plain(name) for name in (self.name, *self.others)]


def _read_text(found: ColumnElement[Any], _type: TypeEngine[Any]) -> ColumnElement[Any]:
    return cast(found, Text)


def _read_bool(found: ColumnElement[Any], _type: TypeEngine[Any]) -> ColumnElement[Any]:
    word = func.lower(func.btrim(cast(found, Text)))
    return case(
        (word.in_(["true", "t", "1", "yes", "y"]), True),
        (word.in_(["false", "f", "0", "no", "n"]), False),
        else_=null(),
    )


def _read_time(found: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """A time without a zone is in UTC, a number counts milliseconds; what no calendar has is left out."""
    if isinstance(kind, (Integer, Numeric)):
        number = cast(found, Numeric)
        moment = case((number.between(0, 10**14), func.to_timestamp(number / 1000)), else_=null())
    elif isinstance(kind, (DateTime, TIMESTAMP, Date)):
        moment = cast(found, DateTime(timezone=True))  # type: ignore[assignment]
    else:
        moment = func.pg_temp.vestnik_read_time(cast(found, Text))  # type: ignore[assignment]
    first, last = literal("1970-01-01"), literal("9999-01-01")
    is_usual = and_(
        moment >= cast(first, DateTime(timezone=True)), moment < cast(last, DateTime(timezone=True))
    )
    return case((is_usual, moment), else_=null())


def _read_json(found: ColumnElement[Any], kind: TypeEngine[Any]) -> ColumnElement[Any]:
    # What is stored as json may hold what jsonb does not take, such as a zero character.
    is_json = isinstance(kind, JSON) and not isinstance(kind, JSONB)
    return func.to_jsonb(cast(found, Text) if is_json else found)


def _text(name: str, *others: str, needed: bool = False) -> _Field:
    return _Field(name, _read_text, Text(), others, needed)


def _time(name: str, *others: str) -> _Field:
    return _Field(name, _read_time, DateTime(timezone=True), others)


def _bool(name: str, *others: str) -> _Field:
    return _Field(name, _read_bool, Boolean(), others)


_ID: Final = _text("id", needed=True)
_TIMES: Final = (_time("created_at", "created"), _time("updated_at", "updated"))
FIELDS: Final[Mapping[str, Sequence[_Field]]] = {
    "users": (
        _ID,
        _text("email", "mail"),
        _text("name", "full_name", "display_name", "username"),
        _text("role"),
        _text("password_hash", "password"),
        _bool("is_active", "active"),
        _time("last_login_at", "last_login"),
        *_TIMES,
    ),
    "channels": (
        _ID,
        _text("username", "channel_username", "handle"),
        _text("tg_id", "telegram_id", "telegram_channel_id", "chat_id", "channel_id", "peer_id"),
        _text("title", "name", "display_name"),
        _bool("is_active", "active"),
        _text("last_error"),
        _time("deleted_at"),
        *_TIMES,
    ),
    "batches": (_ID, _text("name", "title"), *_TIMES),
    "batch_channels": (
        _text("id"),
        _text("batch_id", needed=True),
        _text("channel_id", needed=True),
        _Field(
            "sort",
            lambda found, _type: case(
                (cast(found, Text).op("~")("^-?[0-9]{1,15}$"), cast(cast(found, Text), BigInteger)),
                else_=null(),
            ),
            BigInteger(),
            ("position", "order", "sort_order"),
        ),
        _TIMES[0],
    ),
    "templates": (
        _ID,
        _text("name", "title"),
        _text("content", "text", "body", "message"),
        _text("parse_mode"),
        _text("media_type"),
        _text("media_url"),
        *_TIMES,
    ),
    "campaigns": (
        _ID,
        _text("name", "title"),
        _text("batch_id", needed=True),
        _text("template_id", needed=True),
        _text("mode"),
        _text("status", needed=True),
        _text("delivery_rate", "rate"),
        _text("retry_limit", "max_retries"),
        _time("scheduled_at", "scheduled_for"),
        _time("started_at"),
        _time("completed_at", "finished_at", "ended_at"),
        *_TIMES,
    ),
    "jobs": (
        _text("id"),
        _text("campaign_id", needed=True),
        _text("channel_id", needed=True),
        _text("status", needed=True),
        _text("attempts"),
        _text("message_id", "telegram_message_id", "tg_message_id"),
        _text("error_code"),
        _text("error_message", "error", "last_error"),
        _time("started_at"),
        _time("sent_at"),
        _time("failed_at"),
        *_TIMES,
    ),
    "audit_logs": (
        _text("id"),
        _text("user_id"),
        _text("action"),
        _text("entity_type", "entity", "resource", "resource_type"),
        _text("entity_id", "resource_id", "target_id"),
        _Field("details", _read_json, JSONB(), ("metadata", "changes", "data")),
        _text("address", "ip_address", "ip"),
        _TIMES[0],
    ),
}
"""The predecessor's tables, in the order in which they are taken over, and what is read of each."""


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def read_tables(connection: Connection, found: Sequence[str], *, schema: str) -> dict[str, int]:
    """Make `old_*` of each table, empty for those that are not there; how many rows each has.

    Raises SchemaVersionError for a table without which nothing could be told of its rows.
    """
    connection.execute(load_statement("adopt_read_time"))
    rows: dict[str, int] = {}
    for name, fields in FIELDS.items():
        old = _make_old(connection, name, fields)
        if name not in found:
            continue
        wanted = _choose_columns(connection, name, fields, schema)
        query = select(
            func.row_number().over(), column("ctid", Tid()), *(read for _, read in wanted)
        ).select_from(table(name, schema=schema))
        names = ["place", "tid", *(field for field, _ in wanted)]
        connection.execute(insert(old).from_select(names, query))
        rows[name] = connection.scalar(select(func.count()).select_from(old)) or 0
        connection.execute(text("ANALYZE old_" + name))
    return rows


def _make_old(connection: Connection, name: str, fields: Sequence[_Field]) -> Table:
    old = Table(
        f"old_{name}",
        MetaData(),
        Column("place", BigInteger),
        Column("tid", Tid),
        *(Column(field.name, field.type) for field in fields),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    old.create(connection)
    return old


def _choose_columns(
    connection: Connection, name: str, fields: Sequence[_Field], schema: str
) -> list[tuple[str, ColumnElement[Any]]]:
    """What is read into each field that the table has a column for."""
    there = {_plain(found["name"]): found for found in inspect(connection).get_columns(name, schema=schema)}
    chosen: list[tuple[str, ColumnElement[Any]]] = []
    for field in fields:
        match = next((there[spelling] for spelling in field.spellings if spelling in there), None)
        if match is not None:
            chosen.append((field.name, field.read(column(match["name"], match["type"]), match["type"])))
        elif field.is_needed:
            raise SchemaVersionError(
                f"the table {name} has no column {field.name}, so it is not the predecessor's; nothing was changed"
            )
    return chosen
