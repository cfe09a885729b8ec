"""Messages as posts of one of our accounts, at its next slot as any direct send."""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db.accounts import get_account
from vestnik.db.engine import open_session
from vestnik.db.secrets import OpenKeys
from vestnik.domain.actors import Actor
from vestnik.domain.alerts import DeliveryError, Message, TelegramRoute
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind, Mode
from vestnik.services.direct_send import NewSend, RequestedSend, request_send, wait_for_results

ACTOR: Final = Actor.system("alerts")
LONGEST_TEXT: Final = 4000
"""Of 4096 UTF-16 units, so that what counts two of them fits as a rule; the rest is cut off."""
WITHIN: Final = timedelta(seconds=45)


async def post_in_chat(
    engine: AsyncEngine, open_keys: OpenKeys, route: TelegramRoute, message: Message
) -> str:
    """Post it and wait for Telegram's answer. Raises DeliveryError, DatabaseUnavailableError.

    A process that is killed meanwhile leaves a request that the next one finds again by its key: nothing is posted
    twice. Only an attempt that is known to have failed is followed by another request.
    """
    try:
        async with open_session(engine) as session:
            requested = await _request(session, open_keys, route, message)
    except DatabaseUnavailableError:
        raise
    except VestnikError as exc:
        raise DeliveryError(exc.message) from exc
    (result,) = await wait_for_results(engine, requested.ids, timeout=WITHIN)
    if result.status is CommandStatus.DONE:
        return result.link or "posted"
    if not result.status.is_final:
        raise DeliveryError("Telegram has not answered yet", is_open=True)
    raise DeliveryError(result.error_message or f"the post ended as {result.error_code}")


async def _request(
    session: AsyncSession, open_keys: OpenKeys, route: TelegramRoute, message: Message
) -> RequestedSend:
    account = await get_account(session, AccountId(route.account_id))
    if account is None:
        raise DeliveryError("the account is gone")
    is_simulated = AccountKind(account.kind) is AccountKind.SIMULATED
    text = message.text
    new = NewSend(
        channels=[str(route.channel_id)],
        # A plain text has variables, too.
        text=cut(f"{text.subject}\n\n{text.rest}").replace("{", "{{").replace("}", "}}"),
        mode=(Mode.TEST if is_simulated else Mode.LIVE).value,
        account=str(route.account_id),
        idempotency_key=f"{message.id} {message.attempts}",
        key_owner="alerts",
        expires_in=WITHIN,
        link_preview=False,
    )
    return await request_send(session, ACTOR, new, open_keys=open_keys)


def cut(text: str) -> str:
    """As much as fits into one post."""
    units = text.encode("utf-16-le")[: 2 * LONGEST_TEXT]
    return units.decode("utf-16-le", errors="ignore")
