"""Logins of accounts: the statements of the process that carries one out, and the rows behind requests."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.account_sessions import ReadSessionKey, forget_session, store_session
from vestnik.db.accounts import get_account
from vestnik.db.audit import record_audit
from vestnik.db.commands import PAYLOAD
from vestnik.db.engine import open_session
from vestnik.db.leases import Lease
from vestnik.db.models import Account, AccountCommand, AccountLease, AccountLogin
from vestnik.db.notifications import notify_account
from vestnik.db.secrets import KeyRing, OpenKeys, identify_secret
from vestnik.db.statements import StatementRunner, clean_text, load_statement
from vestnik.domain.account_logins import (
    BROKEN_OFF,
    COMMAND_EXPIRES_AFTER,
    INPUT_WITHIN,
    NOT_TAKEN_UP,
    KnownIdentity,
    LoginChange,
    LoginMethod,
    LoginStep,
    Refusal,
    judge_identity,
)
from vestnik.domain.actors import Actor
from vestnik.domain.commands import LOGIN_KINDS, CommandKind, CommandStatus
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId, CommandId
from vestnik.domain.states import AccountKind, AccountState
from vestnik.domain.transport import Identity

QR_URL = "qr_url"
"""The column's name in the identity that the text of a QR code is bound to."""
_STALE = {"taken_within": COMMAND_EXPIRES_AFTER, "not_taken_up": NOT_TAKEN_UP, "broken_off": BROKEN_OFF}


# ---- the side of the process that carries a login out -------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class TypedCommand:
    """What a person asked for; `payload` is still encrypted, and in the database no more."""

    command_id: CommandId
    kind: CommandKind
    payload: bytes | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLogin:
    """A login that is ours, with what was typed for it since the last look. `is_late`: nobody types any more."""

    login_id: UUID
    method: LoginMethod
    step: LoginStep
    is_late: bool
    commands: Sequence[TypedCommand]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredCredentials:
    """What an account has at Telegram, encrypted."""

    api_id: int | None
    api_hash: bytes | None = field(repr=False)
    session: bytes | None = field(repr=False)


class LoginLedger(StatementRunner):
    """The statements of the lease holder. Every method raises DatabaseUnavailableError."""

    async def claim(self, lease: Lease, login_id: UUID | None) -> OpenLogin | None:
        """The account's open login and what was typed for it; None when it is over or, with an id, another one."""
        rows = await self.fetch(
            "claim_login", account_id=lease.account_id, epoch=lease.epoch, login_id=login_id
        )
        if not rows:
            return None
        first = rows[0]
        return OpenLogin(
            login_id=first.login_id,
            method=LoginMethod(first.method),
            step=LoginStep(first.step),
            is_late=first.is_late,
            commands=[
                TypedCommand(
                    command_id=CommandId(row.id),
                    kind=CommandKind(row.kind),
                    payload=None if row.payload_ciphertext is None else bytes(row.payload_ciphertext),
                )
                for row in rows
                if row.id is not None
            ],
        )

    async def put(self, lease: Lease, login_id: UUID, change: LoginChange) -> bool:
        """Write how far a login is; False when it is over or no longer ours."""
        return bool(
            await self.fetch(
                "put_login",
                account_id=lease.account_id,
                epoch=lease.epoch,
                login_id=login_id,
                step=change.step.value,
                is_final=change.step.is_final,
                attempts=change.attempts,
                hint=clean_text(change.hint),
                code_kind=change.code_kind,
                code_length=change.code_length,
                next_kind=change.next_kind,
                resend_after=change.resend_after,
                qr_ciphertext=change.qr_ciphertext,
                qr_lasts=change.qr_lasts,
                error_code=clean_text(change.error_code),
                error_message=clean_text(change.error_message),
                error_field=change.error_field,
                retry_after=change.retry_after,
                input_within=INPUT_WITHIN if change.extends else None,
            )
        )

    async def end_stale(self) -> None:
        """End what nobody carries out any more, of all accounts."""
        await self.fetch("end_stale_logins", account_id=None, **_STALE)

    async def read_credentials(self, account_id: AccountId) -> StoredCredentials:
        """What the account has at Telegram."""
        async with open_session(self.engine) as session:
            account = await get_account(session, account_id)
        assert account is not None, "accounts are never deleted"
        return StoredCredentials(
            api_id=account.api_id,
            api_hash=account.api_hash_ciphertext,
            session=account.session_ciphertext,
        )

    async def succeed(
        self,
        lease: Lease,
        login_id: UUID,
        *,
        identity: Identity,
        session_text: str,
        open_keys: OpenKeys,
        read_key: ReadSessionKey,
    ) -> Refusal | None:
        """Give the account its session; why not, when another user has logged in.

        Raises ConflictError when the login is not ours any more.
        """

        async def store() -> Refusal | None:
            async with open_session(self.engine) as session:
                return await _store_success(
                    session,
                    lease,
                    login_id,
                    identity=identity,
                    session_text=session_text,
                    open_keys=open_keys,
                    read_key=read_key,
                )

        try:
            return await store()
        except IntegrityError:
            # Another account became this user at the same moment; now it can be seen, and told.
            return await store()

    async def finish_log_out(self, lease: Lease, login_id: UUID) -> None:
        """Telegram has ended the session: forget it. Raises ConflictError when it is not ours to do any more."""
        async with open_session(self.engine) as session:
            account, login = await _lock(session, lease, login_id)
            forget_session(account)
            account.updated_at = func.now()
            _finish(login)
            await record_audit(session, Actor.system("engine"), "account.logged_out", "account", account.id)


async def _store_success(
    session: AsyncSession,
    lease: Lease,
    login_id: UUID,
    *,
    identity: Identity,
    session_text: str,
    open_keys: OpenKeys,
    read_key: ReadSessionKey,
) -> Refusal | None:
    """What `LoginLedger.succeed` does, in one transaction."""
    account, login = await _lock(session, lease, login_id)
    refusal = judge_identity(await _read_known(session, account, identity), identity)
    if refusal is not None:
        return refusal
    ring = await open_keys(session)
    await store_session(session, account, session_text, keys=ring, read_key=read_key)
    account.tg_user_id, account.tg_name = identity.tg_id, clean_text(identity.name)
    kind = AccountKind.BOT if identity.is_bot else AccountKind.USER
    await session.execute(load_statement("settle_kind"), {"account_id": account.id, "kind": kind.value})
    if account.state != AccountState.LIMITED:  # what Telegram has against the user it still has
        account.state, account.state_reason = AccountState.ACTIVE, None
    _finish(login)
    after = {"method": login.method, "state": account.state}
    await record_audit(
        session, Actor.system("engine"), "account.logged_in", "account", account.id, after=after
    )
    await notify_account(session, lease.account_id)
    return None


async def _lock(session: AsyncSession, lease: Lease, login_id: UUID) -> tuple[Account, AccountLogin]:
    held = await session.scalar(
        select(AccountLease.epoch)
        .where(
            AccountLease.account_id == lease.account_id,
            AccountLease.epoch == lease.epoch,
            AccountLease.lease_until > func.clock_timestamp(),
        )
        .with_for_update(read=True)
    )
    account = await get_account(session, lease.account_id, for_update=True)
    login = await get_login(session, lease.account_id, for_update=True)
    is_ours = login is not None and (login.login_id, login.epoch) == (login_id, lease.epoch)
    if held is None or account is None or login is None or not is_ours or login.finished_at is not None:
        raise ConflictError("the login was ended meanwhile")
    return account, login


async def _read_known(session: AsyncSession, account: Account, identity: Identity) -> KnownIdentity:
    namesake = await session.scalar(
        select(Account.name).where(
            Account.tg_user_id == identity.tg_id,
            Account.id != account.id,
            Account.kind != AccountKind.SIMULATED,
        )
    )
    return KnownIdentity(
        account=account.name, tg_id=account.tg_user_id, tg_name=account.tg_name, namesake=namesake
    )


def _finish(login: AccountLogin) -> None:
    login.step = LoginStep.DONE
    login.hint = login.qr_ciphertext = login.qr_expires_at = login.resend_at = None
    login.error_code = login.error_message = login.error_field = None
    login.finished_at = func.clock_timestamp()


# ---- the side of those who ask ------------------------------------------------------------------------------


async def get_login(
    session: AsyncSession, account_id: AccountId, *, for_update: bool = False
) -> AccountLogin | None:
    """The last login of an account, or None; `for_update` locks its row."""
    query = (
        select(AccountLogin)
        .where(AccountLogin.account_id == account_id)
        .execution_options(populate_existing=True)
    )
    return await session.scalar(query.with_for_update() if for_update else query)


async def end_stale_logins(session: AsyncSession, account_id: AccountId | None) -> None:
    """As `LoginLedger.end_stale`, of one account or of all, when no worker may be left to do it."""
    await session.execute(load_statement("end_stale_logins"), {"account_id": account_id, **_STALE})


async def list_starts(session: AsyncSession) -> Sequence[datetime]:
    """When logins of any account began lately."""
    found = await session.scalars(select(func.unnest(AccountLogin.recent_starts)))
    return found.all()


async def replace_login(session: AsyncSession, account_id: AccountId, method: LoginMethod) -> AccountLogin:
    """Begin a login in the place of the one before, which is over, and so is what was still typed for that one.

    The starts of the last hour stay, and so does a wait that Telegram asked for and that is not over.
    """
    await wipe_login_commands(session, account_id)
    now = func.clock_timestamp()
    fresh = {
        "login_id": uuid4(), "method": method, "step": LoginStep.STARTING, "epoch": None, "attempts": 0,
        "hint": None, "code_kind": None, "code_length": None, "next_kind": None, "resend_at": None,
        "qr_ciphertext": None, "qr_expires_at": None, "error_code": None, "error_message": None,
        "error_field": None, "started_at": now, "expires_at": now + INPUT_WITHIN,
        "finished_at": None,
    }  # fmt: skip
    await session.execute(
        insert(AccountLogin)
        .values(account_id=account_id, **fresh)
        .on_conflict_do_update(
            index_elements=[AccountLogin.account_id],
            set_={**fresh, "retry_at": case((AccountLogin.retry_at > now, AccountLogin.retry_at))},
        )
    )
    login = await get_login(session, account_id, for_update=True)
    assert login is not None
    return login


async def insert_login_command(
    session: AsyncSession, account_id: AccountId, kind: CommandKind, payload: str | None, keys: KeyRing | None
) -> None:
    """Hand something to the process that carries the login out; a payload is encrypted for this one command."""
    command_id = uuid4()
    sealed = None
    if payload is not None:
        assert keys is not None, "what is secret needs keys"
        sealed = keys.encrypt(payload, identify_secret("account_commands", command_id, PAYLOAD))
    now = func.clock_timestamp()
    await session.execute(
        insert(AccountCommand).values(
            id=command_id,
            account_id=account_id,
            kind=kind,
            payload_ciphertext=sealed,
            created_at=now,
            expires_at=now + COMMAND_EXPIRES_AFTER,
        )
    )


async def wipe_login_commands(session: AsyncSession, account_id: AccountId) -> None:
    """Nobody is to take up any more what was typed for a login."""
    await session.execute(
        update(AccountCommand)
        .where(
            AccountCommand.account_id == account_id,
            AccountCommand.kind.in_(LOGIN_KINDS),
            AccountCommand.status == CommandStatus.PENDING,
        )
        .values(status=CommandStatus.EXPIRED, payload_ciphertext=None, finished_at=func.clock_timestamp())
    )
