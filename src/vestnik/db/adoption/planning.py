"""What becomes of each row, worked out in temporary tables (`new_jobs`) before anything is changed.

A dry run is this and nothing more, so what it says is what an adoption does.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, column, func, select, table, text, update
from sqlalchemy.dialects.postgresql import JSONB

from vestnik.content import (
    ParseMode,
    Template,
    compile_template,
    frozen_to_json,
    read_content,
    read_parse_mode,
    template_to_json,
)
from vestnik.db.adoption.reading import FIELDS, read_tables
from vestnik.db.statements import load_statement
from vestnik.domain.adoption import AdoptedTable, RateUnit, RejectedRow
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import check_media

_TEMPLATES_AT_ONCE: Final = 200
_LISTED: Final = 100
"""Refused rows that are listed of each table; all of them are in `legacy_rejects`."""
_SETTINGS: Final = {
    "timezone": "UTC",  # times without a zone were written in it
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "work_mem": "64MB",
    "row_security": "off",  # a policy that hides rows of its owner too is an error then, and hides none
}
_UNPOSTABLE: Final = "CONTENT_CANNOT_BE_POSTED"
_PLAIN_INSTEAD: Final = "MARKUP_TO_PLAIN_TEXT"


def plan_adoption(
    connection: Connection, found: Sequence[str], *, schema: str, rate_unit: RateUnit
) -> tuple[AdoptedTable, ...]:
    """Make `new_*` of each of the tables; the numbers."""
    for name, value in _SETTINGS.items():
        connection.execute(select(func.set_config(name, value, True)))
    rows = read_tables(connection, found, schema=schema)
    connection.execute(load_statement("adopt_words"))
    parameters: dict[str, dict[str, Any]] = {"campaigns": {"per": rate_unit.divisor}}
    for name in FIELDS:
        connection.execute(load_statement(f"adopt_{name}"), parameters.get(name, {}))
        if name == "templates":
            _freeze_templates(connection)
        connection.execute(text("ANALYZE new_" + name))
    return tuple(_count(connection, name, number) for name, number in rows.items())


def list_rejected(connection: Connection, found: Sequence[str]) -> tuple[RejectedRow, ...]:
    """The first refused rows of each table."""
    listed: list[RejectedRow] = []
    for name in found:
        planned = table(f"new_{name}", column("place"), column("legacy_id"), column("reason"))
        query = select(planned.c.legacy_id, planned.c.reason).where(planned.c.reason.is_not(None))
        rows = connection.execute(query.order_by(planned.c.place).limit(_LISTED))
        listed += [RejectedRow(table=name, legacy_id=row.legacy_id, reason=row.reason) for row in rows]
    return tuple(listed)


def _count(connection: Connection, name: str, rows: int) -> AdoptedTable:
    planned = table(f"new_{name}", column("reason"), column("changes"))
    by_reason = select(planned.c.reason, func.count().label("number")).group_by(planned.c.reason)
    counted: dict[str | None, int] = {row.reason: row.number for row in connection.execute(by_reason)}
    each = select(func.unnest(planned.c.changes).label("kind")).where(planned.c.reason.is_(None)).subquery()
    by_kind = select(each.c.kind, func.count().label("number")).group_by(each.c.kind).order_by(each.c.kind)
    changes = connection.execute(by_kind)
    adopted = counted.pop(None, 0)
    return AdoptedTable(
        table=name,
        rows=rows,
        adopted=adopted,
        changes={row.kind: row.number for row in changes},
        rejected={reason: counted[reason] for reason in sorted(filter(None, counted))},
    )


# -- what campaigns keep of templates ---------------------------------------------------------------------------


def _freeze_templates(connection: Connection) -> None:
    """Read each template as a start would; what cannot be posted stays as it is, and pauses who tries."""
    planned = table(
        "new_templates", *map(column, ("place", "content", "parse_mode", "media_type", "media_url")),
        column("reason"), column("frozen", JSONB), column("changes"),
    )  # fmt: skip
    store = (
        update(planned)
        .where(planned.c.place == bindparam("at"))
        .values(
            frozen=bindparam("kept", type_=JSONB),
            content=bindparam("source"),
            parse_mode=bindparam("mode"),
            changes=func.array_cat(planned.c.changes, func.string_to_array(bindparam("kinds"), ",")),
        )
    )
    last = 0
    while True:
        query = select(planned).where(planned.c.place > last).order_by(planned.c.place)
        rows = connection.execute(query.limit(_TEMPLATES_AT_ONCE)).all()
        if not rows:
            return
        connection.execute(store, [_freeze(row) for row in rows])
        last = rows[-1].place


def _freeze(row: Row[Any]) -> dict[str, Any]:
    """What is stored of one template; `kinds` are its changes."""
    mode = read_parse_mode(row.parse_mode)
    kinds = []
    if mode is not None and not _is_sound(row.content, mode):
        mode = None
        kinds.append(_PLAIN_INSTEAD)
    try:
        address = None if row.media_url is None else check_media(row.media_type, row.media_url)
        frozen = frozen_to_json(read_content(row.content, mode, address=address))
    except InvalidInputError:
        kinds.append(_UNPOSTABLE)
        frozen = _freeze_anyway(row, mode)
    return {
        "at": row.place,
        "kept": frozen,
        "source": row.content,
        "mode": None if mode is None else mode.value,
        "kinds": ",".join(kinds),
    }


def _is_sound(source: str, mode: ParseMode) -> bool:
    try:
        compile_template(source, mode)
    except InvalidInputError:
        return False
    return True


def _freeze_anyway(row: Row[Any], mode: ParseMode | None) -> dict[str, Any]:
    """As `frozen_to_json` writes it; whoever reads it finds the fault that the template has."""
    if mode is None:
        plain = row.content.replace("{{", "{").replace("}}", "}")
        template = Template(parts=(plain,) if plain else ())
    else:
        template = compile_template(row.content, mode)
    return {
        "template": template_to_json(template),
        "source": row.content,
        "parse_mode": mode,
        "link_preview": True,
    } | ({} if row.media_url is None else {"fetch": {"kind": row.media_type, "url": row.media_url}})
