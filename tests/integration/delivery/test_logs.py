"""Lines that other parts write while a lane works say whose work it is."""

from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from tests.integration.delivery.rig import Rig
from tests.support.sends import SECRET_KEY, Sender
from vestnik.domain.ids import AccountId
from vestnik.telegram.transport import TelethonTransport


async def test_whatever_is_logged_while_a_post_is_made_names_account_campaign_and_message(
    rig: Rig, account_id: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    send = TelethonTransport.send

    async def note(self: TelethonTransport, *arguments: Any) -> tuple[int, ...]:
        seen.append(dict(get_contextvars()))
        return await send(self, *arguments)

    monkeypatch.setattr(TelethonTransport, "send", note)
    await rig.stage.add_channels(3)
    await rig.start_worker(secret_key=SECRET_KEY)
    campaigns = [await rig.stage.add_campaign(account_id, rate=20) for _ in range(2)]
    await rig.finish(*campaigns)
    rows = await rig.stage.execute("SELECT id, campaign_id FROM jobs")
    expected = {(row.id, str(row.campaign_id), str(account_id)) for row in rows}
    assert {(each["job_id"], each["campaign_id"], each["account_id"]) for each in seen} == expected
    seen.clear()
    answered = await Sender(rig.stage.engine, account_id).send("@first_00001", "direct")
    assert [each.keys() & {"job_id", "campaign_id"} for each in seen] == [set()]
    assert (seen[0]["command_id"], seen[0]["account_id"]) == (str(answered.id), str(account_id))
