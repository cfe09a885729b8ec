"""Regressions for what the predecessor's design got wrong and no other test names."""

from tests.integration.delivery.rig import SEND, Rig
from vestnik.domain.ids import AccountId
from vestnik.simulator.faults import Fault, FaultKind


async def test_sends_that_fail_are_tried_again_and_never_taken_for_posts(
    rig: Rig, account_id: AccountId
) -> None:
    """There, five of ten sends failed: ten were called completed and none was tried again."""
    await rig.stage.add_channels(10)
    rig.set_faults(
        *(
            Fault(
                method=SEND,
                kind=FaultKind.ERROR,
                code=500,
                name="RPC_CALL_FAIL",
                channel=f"first_{number:05}",
            )
            for number in range(1, 10, 2)
        )
    )
    campaign_id = await rig.stage.add_campaign(account_id, rate=40, retry_limit=2)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.stage.count_jobs(campaign_id) == {"SENT": 5, "FAILED": 5}
    rig.check_each_once(5)
    assert rig.send_calls == 5 + 5 * 3
    rows = await rig.stage.execute("SELECT attempts, error_code, sent_at FROM jobs WHERE status = 'FAILED'")
    assert {tuple(row) for row in rows} == {(3, "RPC_CALL_FAIL", None)}
