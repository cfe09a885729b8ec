"""Giving the predecessor its tables back, which is possible until something was posted from ours."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from psycopg import sql
from sqlalchemy import URL, Connection, func, inspect, or_, select, text

from vestnik.db.accounts import WORKER_APPLICATION
from vestnik.db.adoption import PREDECESSOR
from vestnik.db.adoption.storing import ADOPTED, change_schema, move_tables, refuse_busy
from vestnik.db.models import (
    Account,
    AuditLog,
    Base,
    Batch,
    Campaign,
    Channel,
    Job,
    LegacyAdoption,
    Template,
    User,
)
from vestnik.db.schema import open_schema, read_schema, refuse_newer
from vestnik.domain.adoption import UndoneAdoption
from vestnik.domain.errors import ConflictError
from vestnik.domain.states import AccountKind, CampaignStatus

_BEGINNINGS: Final = ("campaign.started", "campaign.resumed", "campaign.retried")
_MADE: Final[tuple[type[Batch | Campaign | Channel | Template | User], ...]] = (
    User,
    Channel,
    Batch,
    Template,
    Campaign,
)
_STRANGERS: Final = """
    SELECT c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND c.relname <> ALL (:tables)
    UNION ALL
    SELECT p.proname FROM pg_catalog.pg_proc p WHERE p.pronamespace = CAST(:schema AS regnamespace)
    ORDER BY 1
"""
_FUNCTIONS: Final = (
    "SELECT proname FROM pg_catalog.pg_proc "
    "WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'vestnik\\_%' ORDER BY oid"
)


def preview_undo(url: URL) -> UndoneAdoption:
    """What `undo_adoption` would give back and what would be lost. Raises as it does."""
    with open_schema(url, "the database could not be read") as connection:
        found = _require_adoption(connection)
        undone = UndoneAdoption(tables=tuple(found), lost=_count_lost(connection))
        connection.rollback()
    return undone


def undo_adoption(url: URL) -> UndoneAdoption:
    """Drop our tables and give the predecessor's back as they were.

    Raises ConflictError when there is nothing to undo, when it is too late, and while something of ours runs.
    """
    with open_schema(url, "the adoption could not be undone") as connection:
        connection.execute(select(func.set_config("lock_timeout", "5s", True)))
        found = _require_adoption(connection)
        undone = UndoneAdoption(tables=tuple(found), lost=_count_lost(connection))
        with refuse_busy():
            _drop_ours(connection)
        move_tables(connection, found, source=PREDECESSOR, target="public")
        change_schema(connection, sql.SQL("DROP SCHEMA {}").format(sql.Identifier(PREDECESSOR)))
    return undone


def _require_adoption(connection: Connection) -> list[str]:
    """The tables that can be given back."""
    state = read_schema(connection)
    refuse_newer(state)
    adoption = None
    if inspect(connection).has_table(LegacyAdoption.__tablename__, schema="public"):
        latest = select(LegacyAdoption.tables, LegacyAdoption.adopted_at).order_by(LegacyAdoption.id.desc())
        adoption = connection.execute(latest.limit(1)).one_or_none()
    if adoption is None:
        raise ConflictError("nothing was taken over from the predecessor in this database; nothing to undo")
    there = set(inspect(connection).get_table_names(schema=PREDECESSOR))
    missing = sorted(set(adoption.tables) - there)
    if missing:
        raise ConflictError(
            f"the predecessor's tables are not in the schema predecessor any more ({missing[0]} is missing), so "
            "they cannot be given back; restore a backup instead"
        )
    if strangers := _list_strangers(connection, adoption.tables):
        raise ConflictError(
            f"the schema predecessor holds what did not come from the adoption ({', '.join(strangers)}), and it goes "
            "when that is undone; move it to another schema or drop it, and try again"
        )
    _refuse_begun(connection, adoption.adopted_at)
    _refuse_running(connection)
    return list(adoption.tables)


def _list_strangers(connection: Connection, tables: Sequence[str]) -> list[str]:
    """What somebody else put into the schema that is to go."""
    return list(connection.scalars(text(_STRANGERS), {"schema": PREDECESSOR, "tables": list(tables)}))


def _refuse_begun(connection: Connection, adopted_at: datetime) -> None:
    """Whatever a campaign did leaves a trace: of a deleted one in the audit log, of a kept one in its jobs.

    Retention removes both, the audit log's after 30 days at least and from its beginning on.
    """
    begun = select(Campaign.name).where(
        or_(
            Campaign.status == CampaignStatus.RUNNING,
            Campaign.id.in_(select(Job.campaign_id).where(Job.claims > 0)),
        )
    )
    name = connection.scalar(begun.order_by(Campaign.created_at).limit(1))
    noted = select(AuditLog.created_at).where(
        AuditLog.action.in_(_BEGINNINGS), AuditLog.created_at >= adopted_at
    )
    when = connection.scalar(noted.order_by(AuditLog.id).limit(1))
    if name is None and when is None:
        _refuse_forgotten(connection, adopted_at)
        return
    what = f"campaign '{name}' was started" if name is not None else "a campaign was started"
    raise ConflictError(
        f"{what} since the adoption, so posts may be out that the predecessor's tables know nothing of: it would "
        "post them again; the adoption cannot be undone any more"
    )


def _refuse_forgotten(connection: Connection, adopted_at: datetime) -> None:
    first = connection.scalar(
        select(AuditLog.id).where(AuditLog.action == ADOPTED, AuditLog.created_at >= adopted_at).limit(1)
    )
    if first is None:
        raise ConflictError(
            "the audit log does not reach back to the adoption (VESTNIK_AUDIT_RETENTION_DAYS), so nobody can tell "
            "whether a campaign was started since; the adoption cannot be undone any more"
        )


def _refuse_running(connection: Connection) -> None:
    running = connection.scalar(
        text(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name = ANY (:names)"
        ),
        {"names": [WORKER_APPLICATION, "vestnik-api"]},
    )
    if running:
        raise ConflictError("a worker or an API of Vestnik runs on this database; stop it first")


def _count_lost(connection: Connection) -> dict[str, int]:
    """What was made here since; it goes with our tables."""
    lost: dict[str, int] = {}
    for model in _MADE:
        made = select(func.count()).select_from(model).where(model.legacy_id.is_(None))
        lost[model.__tablename__] = connection.scalar(made) or 0
    with_session = select(func.count(Account.id)).where(
        Account.kind != AccountKind.SIMULATED, Account.session_ciphertext.is_not(None)
    )
    lost["accounts"] = connection.scalar(with_session) or 0
    return {name: number for name, number in lost.items() if number}


def _drop_ours(connection: Connection) -> None:
    ours = [sql.Identifier("public", name) for name in (*Base.metadata.tables, "alembic_version")]
    change_schema(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.SQL(", ").join(ours)))
    for name in connection.scalars(text(_FUNCTIONS)).all():
        change_schema(connection, sql.SQL("DROP FUNCTION {}").format(sql.Identifier("public", name)))
