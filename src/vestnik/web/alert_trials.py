"""Trying a destination of alerts from a request: no transaction is open while the other side is waited for."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.alerting.trial import TrialResult
from vestnik.domain.actors import Actor
from vestnik.domain.alerts import OpenDestination
from vestnik.domain.errors import ConflictError
from vestnik.services.alert_destinations import read_for_test, record_test
from vestnik.web.state import WebState


async def try_destination(state: WebState, actor: Actor, destination_id: UUID) -> TrialResult:
    """Send a test message, and note what came of it.

    Raises NotFoundError, SecretError, ConflictError where the process cannot try any.
    """
    trial = state.alert_trial
    if trial is None:
        raise ConflictError("destinations cannot be tried in this process")

    async def read(session: AsyncSession) -> OpenDestination:
        return await read_for_test(session, destination_id, await state.open_keys(session))

    destination = await state.database.run(read)
    result = await trial.run(destination)
    error = None if result.is_delivered else result.answer
    await state.database.run(lambda session: record_test(session, actor, destination_id, error))
    return result
