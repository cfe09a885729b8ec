"""Direct sends through real Telethon: at the account's next slot, once, and never during a hold."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from statistics import median

import pytest
from structlog.testing import capture_logs

from tests.integration.delivery.rig import Rig, RunningWorker
from tests.support.sends import SECRET_KEY, Sender
from vestnik.db.secrets import generate_key
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import AccountHeldError, ConflictError, NoWorkerError
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.states import HoldScope
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.options import RandomIdAnswer
from vestnik.simulator.posts import count_most_in_window

SEND = "messages.sendMessage"
FIRST = "@first_00001"


@pytest.fixture
async def channels(rig: Rig) -> list[ChannelId]:
    return await rig.stage.add_channels(40)


@pytest.fixture
def sender(rig: Rig, account_id: AccountId, channels: list[ChannelId]) -> Sender:
    return Sender(rig.stage.engine, account_id)


@pytest.fixture
async def worker(rig: Rig, account_id: AccountId, channels: list[ChannelId]) -> RunningWorker:
    """An idle worker that is connected."""
    worker = await start_worker(rig, lease_seconds=6.0)  # a machine that stands still for 2 s ends none of it
    await until_serving(rig, account_id)
    return worker


async def start_worker(rig: Rig, lease_seconds: float = 2.0) -> RunningWorker:
    return await rig.start_worker(secret_key=SECRET_KEY, lease_seconds=lease_seconds)


async def until_serving(rig: Rig, account_id: AccountId) -> None:
    async def is_serving() -> bool:
        rows = await rig.stage.execute(
            "SELECT FROM account_leases WHERE account_id = :id AND lease_until > clock_timestamp()",
            id=account_id,
        )
        return bool(rows) and rig.server.connection_count > 0

    await rig.until(is_serving)


class TestWithNothingElseToDo:
    async def test_a_post_is_out_at_once_and_its_answer_comes_back(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        await sender.send(FIRST, "to learn the address")
        result = await sender.send(FIRST)
        (_, post) = rig.posts
        assert post.arrived_monotonic - sender.committed_at < 0.3
        assert (result.status, result.message_ids) == (CommandStatus.DONE, (post.message_id,))
        assert (result.message_ids, result.link) == ((post.message_id,), None)  # a rehearsal has no link
        assert (result.error_code, result.maybe_sent) == (None, False)
        assert result.finished_at is not None

    async def test_a_channel_of_no_campaign_is_looked_up_first(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        result = await sender.send(FIRST)
        assert result.status is CommandStatus.DONE
        assert [post.username for post in rig.posts] == ["first_00001"]

    async def test_a_channel_without_a_username_is_found_by_its_id(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        await rig.stage.execute("INSERT INTO channels (tg_id) VALUES (1234567890)")
        result = await sender.send("-1001234567890")
        assert (result.status, result.link) == (CommandStatus.DONE, None)
        assert [post.channel_id for post in rig.posts] == [1234567890]

    @pytest.mark.timed
    async def test_several_channels_are_posted_to_in_order_at_the_accounts_pace(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        names = [f"first_{number:05}" for number in range(1, 41)]
        requested = await sender.request(*names)
        results = await sender.wait(*requested.ids)
        assert {result.status for result in results} == {CommandStatus.DONE}
        assert [post.username for post in rig.posts] == names
        assert rig.most_in_a_second <= 50 * 1.05 + 1
        assert rig.arrivals[-1] - rig.arrivals[0] == pytest.approx(39 / 50, abs=0.1 + rig.lag)

    async def test_a_request_made_just_before_a_stop_is_served_by_the_next_worker(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        requested = await sender.request(FIRST)
        await worker.stop()
        await start_worker(rig)
        (result,) = await sender.wait(*requested.ids)
        assert result.status is CommandStatus.DONE
        rig.check_each_once(1)


class TestBesideACampaign:
    @pytest.mark.timed
    async def test_it_takes_the_next_slot_and_the_campaign_keeps_its_pace(
        self, rig: Rig, account_id: AccountId, channels: list[ChannelId]
    ) -> None:
        """The campaign wants 20/s of the account's 40/s, and commands take up to 10/s."""
        account_id = await rig.stage.add_account(rate=40)
        sender = Sender(rig.stage.engine, account_id)
        await rig.stage.add_channels(80, "second")
        await start_worker(rig)
        campaign_id = await rig.stage.add_campaign(account_id, batch="second", rate=20, words="campaign")
        await rig.wait_for_posts(10)
        delays = []
        for number in range(12):
            text = f"direct {number}"
            assert (await sender.send("second_00001", text)).status is CommandStatus.DONE
            (arrived,) = [post.arrived_monotonic for post in rig.posts if post.text == text]
            delays.append(arrived - sender.committed_at)
            await asyncio.sleep(0.1)
        await rig.finish(campaign_id)
        rig.check_each_once(92)
        own = [post.arrived_monotonic for post in rig.posts if post.text == "campaign"]
        # A busy machine stalls, which is never caught up; between stalls the pace is exact.
        assert median(later - earlier for earlier, later in pairwise(own)) == pytest.approx(1 / 20, rel=0.05)
        assert own[-1] - own[0] == pytest.approx(79 / 20, rel=0.2)
        assert count_most_in_window(own) <= 20 * 1.05 + 2
        assert rig.most_in_a_second <= 40 * 1.05 + 1
        assert max(delays) < 0.3

    @pytest.mark.timed
    async def test_a_full_account_serves_it_before_the_campaign(
        self, rig: Rig, channels: list[ChannelId]
    ) -> None:
        account_id = await rig.stage.add_account(rate=5)
        sender = Sender(rig.stage.engine, account_id)
        await start_worker(rig)
        campaign_id = await rig.stage.add_campaign(account_id, rate=5)
        await rig.wait_for_posts(3)
        result = await sender.send(FIRST, "urgent")
        assert result.status is CommandStatus.DONE
        assert [post.text for post in rig.posts[:6]].count("urgent") == 1
        await rig.wait_for_posts(15)
        assert rig.most_in_a_second <= 5 * 1.05 + 1
        assert rig.arrivals[14] - rig.arrivals[0] == pytest.approx(14 / 5, rel=0.05)
        await rig.stage.cancel(campaign_id)

    async def test_a_refused_text_ends_the_command_and_leaves_the_campaign_running(
        self, rig: Rig, sender: Sender, worker: RunningWorker, account_id: AccountId
    ) -> None:
        campaign_id = await rig.stage.add_campaign(account_id, rate=20)
        await rig.wait_for_posts(3)
        rig.break_sending("MEDIA_CAPTION_TOO_LONG", channel="second_00001", count=1)
        await rig.stage.add_channels(1, "second")
        result = await sender.send("second_00001")
        assert (result.status, result.error_code) == (CommandStatus.FAILED, "MEDIA_CAPTION_TOO_LONG")
        await rig.finish(campaign_id)
        rig.check_each_once(40)


class TestHolds:
    async def test_a_held_account_is_refused_with_the_time_it_frees(
        self, rig: Rig, sender: Sender, worker: RunningWorker, account_id: AccountId
    ) -> None:
        await rig.stage.ledger.hold(account_id, HoldScope.SEND, timedelta(minutes=5), "FLOOD_WAIT")
        hold = await rig.stage.one("SELECT until FROM account_holds")
        with pytest.raises(AccountHeldError, match="FLOOD_WAIT") as caught:
            await sender.request(FIRST)
        assert caught.value.until == hold.until
        assert await rig.stage.execute("SELECT FROM account_commands") == []

    async def test_a_flood_wait_holds_campaigns_too_and_the_post_goes_out_afterwards(
        self, rig: Rig, sender: Sender, worker: RunningWorker, account_id: AccountId
    ) -> None:
        await sender.send(FIRST, "to learn the address")
        rig.break_sending("FLOOD_WAIT_1", code=420, count=1)
        requested = await sender.request(FIRST)

        async def is_held() -> bool:
            return bool(await rig.stage.execute("SELECT FROM account_holds WHERE until > clock_timestamp()"))

        await rig.until(is_held)
        campaign_id = await rig.stage.add_campaign(account_id)
        await rig.stay_silent(1.5)
        (result,) = await sender.wait(*requested.ids)
        assert result.status is CommandStatus.DONE
        await rig.finish(campaign_id)
        rig.check_each_once(42)

    async def test_during_a_hold_commands_wait_until_they_expire(
        self, rig: Rig, sender: Sender, worker: RunningWorker, account_id: AccountId
    ) -> None:
        await sender.send(FIRST, "to learn the address")
        rig.break_sending("FLOOD_WAIT_30", code=420, count=1)
        first = await sender.request(FIRST, seconds=2)
        (result,) = await sender.wait(*first.ids)
        assert (result.status, result.error_code) == (CommandStatus.EXPIRED, "ACCOUNT_HELD")
        assert "nothing was posted" in (result.error_message or "")
        assert rig.send_calls == 2  # the one before, and the one that was told to wait
        row = await rig.stage.one("SELECT * FROM account_commands WHERE status = 'EXPIRED'")
        assert (row.payload_ciphertext, row.maybe_sent) == (None, False)

    async def test_what_waits_for_its_slot_goes_back_unsent_when_a_hold_begins(
        self, rig: Rig, channels: list[ChannelId]
    ) -> None:
        account_id = await rig.stage.add_account(rate=4)
        sender = Sender(rig.stage.engine, account_id)
        await start_worker(rig)
        await until_serving(rig, account_id)
        await sender.send(FIRST, "to learn the address")
        rig.break_sending("FLOOD_WAIT_30", code=420, skip=1, count=1)
        names = [f"first_{number:05}" for number in range(1, 9)]
        requested = await sender.request(*names, seconds=3)
        results = await sender.wait(*requested.ids)
        assert [result.status for result in results].count(CommandStatus.DONE) == 1
        assert {result.error_code for result in results[1:]} == {"ACCOUNT_HELD"}
        assert rig.send_calls == 3
        rig.check_each_once(2)

    @pytest.mark.timed
    async def test_what_a_slow_account_cannot_start_in_time_never_starts(
        self, rig: Rig, channels: list[ChannelId]
    ) -> None:
        account_id = await rig.stage.add_account(rate=2)
        sender = Sender(rig.stage.engine, account_id)
        await start_worker(rig)
        await until_serving(rig, account_id)
        await sender.send(FIRST, "to learn the address")
        names = [f"first_{number:05}" for number in range(1, 21)]
        requested = await sender.request(*names, seconds=2)
        results = await sender.wait(*requested.ids)
        done = [result for result in results if result.status is CommandStatus.DONE]
        assert {result.status for result in results} == {CommandStatus.DONE, CommandStatus.EXPIRED}
        assert 1 <= len(done) <= 5
        await rig.stay_silent(1.5)
        rig.check_each_once(1 + len(done))
        assert rig.most_in_a_second <= 3


class TestAnswers:
    @pytest.mark.parametrize(
        ("name", "code", "pair_is_active"),
        [
            ("CHAT_WRITE_FORBIDDEN", 403, False),
            ("USER_BANNED_IN_CHANNEL", 400, False),
            ("CHAT_SEND_PLAIN_FORBIDDEN", 403, True),
            ("MESSAGE_TOO_LONG", 400, True),
            ("SOMETHING_NEW", 400, True),
        ],
    )
    async def test_a_refusal_comes_back_by_name_and_is_kept_with_the_channel(
        self,
        rig: Rig,
        sender: Sender,
        worker: RunningWorker,
        channels: list[ChannelId],
        name: str,
        code: int,
        pair_is_active: bool,
    ) -> None:
        rig.break_sending(name, code=code)
        result = await sender.send(FIRST)
        assert (result.status, result.error_code, result.link) == (CommandStatus.FAILED, name, None)
        assert result.error_message
        peer = await rig.stage.read_peer(sender.account_id, channels[0])
        assert peer.is_active is pair_is_active
        rig.set_faults()
        if not pair_is_active:
            assert peer.inactive_reason == name
            with pytest.raises(ConflictError, match=f"inactive .*{name}"):
                await sender.request(FIRST)
        else:
            assert (await sender.send(FIRST)).status is CommandStatus.DONE

    async def test_slow_mode_ends_the_command_and_is_respected_by_the_next(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        rig.break_sending("SLOWMODE_WAIT_60", code=420, count=1)
        result = await sender.send(FIRST)
        assert (result.status, result.error_code) == (CommandStatus.FAILED, "SLOWMODE_WAIT")
        with pytest.raises(ConflictError, match="slow mode until"):
            await sender.request(FIRST)
        assert (await sender.send("first_00002")).status is CommandStatus.DONE

    async def test_a_passing_error_is_tried_again(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        rig.break_sending("RPC_CALL_FAIL", code=500, count=1)
        result = await sender.send(FIRST)
        assert (result.status, result.error_code) == (CommandStatus.DONE, None)
        rig.check_each_once(1)

    async def test_a_lasting_error_ends_after_the_retries(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        rig.break_sending("RPC_CALL_FAIL", code=500)
        requested = await sender.request(FIRST, seconds=4)
        (result,) = await sender.wait(*requested.ids)
        assert result.error_code == "RPC_CALL_FAIL"
        assert 2 <= rig.send_calls <= 4
        assert rig.posts == []

    async def test_an_address_that_went_stale_is_looked_up_again(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        rig.break_sending("CHANNEL_INVALID", count=1)
        assert (await sender.send(FIRST)).status is CommandStatus.DONE

    @pytest.mark.parametrize(
        ("name", "code", "state"),
        [("AUTH_KEY_UNREGISTERED", 401, "NEEDS_LOGIN"), ("PEER_FLOOD", 400, "LIMITED")],
    )
    async def test_an_account_that_may_not_post_is_stopped(
        self, rig: Rig, sender: Sender, worker: RunningWorker, name: str, code: int, state: str
    ) -> None:
        rig.break_sending(name, code=code)
        result = await sender.send(FIRST)
        assert (result.status, result.error_code) == (CommandStatus.FAILED, name)
        assert (await rig.read_account(sender.account_id)).state == state
        with pytest.raises(ConflictError, match=state):
            await sender.request(FIRST)

    async def test_a_name_that_is_nobodys_fails_with_telegrams_reason(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        rig.set_faults(
            Fault(
                method="messages.getDialogs", kind=FaultKind.ERROR, code=500, name="RPC_CALL_FAIL", count=1
            ),
            Fault(
                method="contacts.resolveUsername",
                kind=FaultKind.ERROR,
                code=400,
                name="USERNAME_NOT_OCCUPIED",
            ),
        )
        rig.server.simulator.set_faults(
            [
                Fault(
                    method="contacts.resolveUsername",
                    kind=FaultKind.ERROR,
                    code=400,
                    name="USERNAME_NOT_OCCUPIED",
                ),
                Fault(method=SEND, kind=FaultKind.ERROR, code=400, name="CHANNEL_INVALID"),
            ]
        )
        result = await sender.send(FIRST)
        assert result.status is CommandStatus.FAILED
        assert result.error_code in {"USERNAME_NOT_OCCUPIED", "CHANNEL_INVALID"}
        assert rig.posts == []

    async def test_a_worker_without_the_key_says_so(
        self, rig: Rig, sender: Sender, account_id: AccountId
    ) -> None:
        await rig.start_worker(secret_key=generate_key())
        await until_serving(rig, account_id)
        result = await sender.send(FIRST)
        assert (result.status, result.error_code) == (CommandStatus.FAILED, "SECRET_UNREADABLE")
        assert "VESTNIK_SECRET_KEY" in (result.error_message or "")


class TestNeverTwice:
    @pytest.mark.parametrize(
        "answer",
        [RandomIdAnswer.ORIGINAL, RandomIdAnswer.DUPLICATE, RandomIdAnswer.DUPLICATE_WHILE_RUNNING],
    )
    async def test_a_connection_lost_after_the_post_is_settled_by_the_same_random_id(
        self, rig: Rig, sender: Sender, worker: RunningWorker, answer: RandomIdAnswer
    ) -> None:
        rig.server.simulator.options = replace(rig.server.simulator.options, random_id=answer)
        await sender.send(FIRST, "to learn the address")
        rig.set_faults(Fault(method=SEND, kind=FaultKind.DROP_AFTER, count=1))
        result = await sender.send(FIRST)
        (_, post) = rig.posts
        assert (result.status, result.message_ids) == (CommandStatus.DONE, (post.message_id,))
        rig.check_each_once(2)
        assert rig.server.simulator.posts.absorbed_repeats >= 1

    @pytest.mark.parametrize("kind", [FaultKind.SILENCE_AFTER, FaultKind.SILENCE])
    async def test_a_holder_that_dies_before_the_answer_is_succeeded_by_one_that_asks(
        self, rig: Rig, sender: Sender, worker: RunningWorker, kind: FaultKind
    ) -> None:
        await sender.send(FIRST, "to learn the address")
        rig.set_faults(Fault(method=SEND, kind=kind, count=1))
        requested = await sender.request(FIRST, seconds=2)
        await self._until_called(rig, 2)
        await worker.kill()
        assert (await sender.read(requested.ids[0])).status is CommandStatus.STARTED
        await start_worker(rig)
        (result,) = await sender.wait(*requested.ids)
        assert result.status is CommandStatus.DONE
        rig.check_each_once(2)

    async def test_a_lease_lost_before_the_answer_changes_nothing_about_the_post(
        self, rig: Rig, sender: Sender, worker: RunningWorker, account_id: AccountId
    ) -> None:
        await sender.send(FIRST, "to learn the address")
        rig.set_faults(Fault(method=SEND, kind=FaultKind.DELAY, delay=0.5, count=1))
        requested = await sender.request(FIRST)
        await self._until_called(rig, 2)
        await rig.stage.execute(
            "UPDATE account_leases SET holder = 'thief', epoch = epoch + 1,"
            " lease_until = clock_timestamp() + interval '3 s' WHERE account_id = :id",
            id=account_id,
        )
        (result,) = await sender.wait(*requested.ids)
        assert result.status is CommandStatus.DONE
        rig.check_each_once(2)

    async def test_what_cannot_be_settled_ends_unknown_and_is_not_sent_again(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        await sender.send(FIRST, "to learn the address")
        rig.set_faults(Fault(method=SEND, kind=FaultKind.SILENCE_AFTER, count=1))
        requested = await sender.request(FIRST, seconds=2)
        await self._until_called(rig, 2)
        await worker.kill()
        await rig.stage.execute(
            "UPDATE account_commands SET expires_at = clock_timestamp() - interval '11 minutes'"
            " WHERE status = 'STARTED'"
        )
        await start_worker(rig)
        (result,) = await sender.wait(*requested.ids)
        assert (result.status, result.error_code) == (CommandStatus.FAILED, "UNKNOWN_OUTCOME")
        assert result.maybe_sent
        await rig.stay_silent(0.5)

    async def test_a_repeated_key_posts_once_also_when_asked_at_the_same_time(
        self, rig: Rig, sender: Sender, worker: RunningWorker
    ) -> None:
        both = await asyncio.gather(
            *(sender.request(FIRST, "first_00002", idempotency_key="morning") for _ in range(5))
        )
        assert len({requested.ids for requested in both}) == 1
        assert sorted(requested.is_repeat for requested in both) == [False, True, True, True, True]
        results = await sender.wait(*both[0].ids)
        again = await sender.request(FIRST, "first_00002", idempotency_key="morning")
        assert await sender.wait(*again.ids) == results
        rig.check_each_once(2)

    async def _until_called(self, rig: Rig, number: int) -> None:
        async def was_called() -> bool:
            return rig.send_calls >= number

        await rig.until(was_called)


async def test_without_a_worker_there_is_an_error_and_nothing_stored(rig: Rig, sender: Sender) -> None:
    with pytest.raises(NoWorkerError, match="vestnik up"):
        await sender.request(FIRST)
    assert await rig.stage.execute("SELECT FROM account_commands") == []


async def test_a_worker_that_went_away_leaves_an_expired_request(
    rig: Rig, sender: Sender, worker: RunningWorker
) -> None:
    requested = await sender.request("first_00002", seconds=1)
    await worker.kill()
    await rig.stage.execute("UPDATE account_leases SET lease_until = clock_timestamp()")
    (result,) = await sender.wait(*requested.ids)
    if result.status is CommandStatus.EXPIRED:
        assert result.error_code in {"NO_WORKER", "CHANNEL_UNRESOLVED"}
        assert rig.posts == []


async def test_the_text_appears_in_no_log_and_no_table_whatever_happens(
    rig: Rig, sender: Sender, worker: RunningWorker, caplog: pytest.LogCaptureFixture
) -> None:
    canary = "canary-of-a-secret-announcement"
    with capture_logs() as logs:
        assert (await sender.send(FIRST, canary)).status is CommandStatus.DONE
        rig.break_sending("CHAT_SEND_PLAIN_FORBIDDEN", code=403, count=1)
        assert (await sender.send(FIRST, canary)).status is CommandStatus.FAILED
        rig.set_faults(Fault(method=SEND, kind=FaultKind.DROP_AFTER, count=1))
        assert (await sender.send(FIRST, canary)).status is CommandStatus.DONE
        rig.break_sending("FLOOD_WAIT_30", code=420, count=1)
        assert (await sender.send(FIRST, canary, seconds=1)).status is CommandStatus.EXPIRED
    assert rig.count_posts(canary) == 2
    assert [entry["event"] for entry in logs].count("command.answered") >= 4
    assert canary not in str(logs) + caplog.text
    for table in ("account_commands", "audit_logs", "channel_peers", "account_holds"):
        rows = await rig.stage.execute(f"SELECT t::text AS all FROM {table} t")
        assert canary not in str(rows)
        assert canary.encode().hex() not in str(rows)
