"""Addresses: from the dialogs first, by name for the rest, and one post for entries that lead to one channel."""

import pytest

from tests.integration.delivery.rig import Rig, RunningWorker
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.simulator.faults import Fault, FaultKind

RESOLVE = "contacts.resolveUsername"


@pytest.fixture
def member(rig: Rig, account_id: AccountId) -> str:
    """The account's name in the simulator, and one of another account that has the channels ours has not."""
    rig.server.simulator.add_account(str(account_id))
    rig.server.simulator.add_account("stranger")
    return str(account_id)


async def test_only_what_the_dialogs_do_not_have_is_looked_up_by_name(
    rig: Rig, account_id: AccountId, member: str
) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(10)
    simulator.ensure_channels([f"first_{number:05}" for number in range(1, 9)], member)
    simulator.ensure_channels(["first_00009"], "stranger")  # and nobody has first_00010
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(plain=True)
    await rig.finish(campaign_id)
    rig.check_each_once(9)
    assert simulator.posts.calls[RESOLVE] == 2
    assert await rig.read_errors(campaign_id) == ["CHANNEL_INACTIVE"]
    row = await rig.stage.one("SELECT * FROM channels WHERE NOT is_active")
    assert (row.username, row.inactive_reason) == ("first_00010", "USERNAME_NOT_OCCUPIED")


async def test_a_private_channel_that_is_not_among_the_dialogs_is_given_up(
    rig: Rig, account_id: AccountId, member: str
) -> None:
    channels = await rig.stage.add_channels(3)
    rig.server.simulator.ensure_channels(["first_00001", "first_00003"], member)
    await rig.stage.execute(
        "UPDATE channels SET username = NULL, tg_id = 4711 WHERE id = :id", id=channels[1]
    )
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(plain=True)
    await rig.finish(campaign_id)
    rig.check_each_once(2)
    peer = await rig.stage.read_peer(account_id, channels[1])
    assert (peer.is_active, peer.inactive_reason) == (False, "PEER_NOT_FOUND")


async def test_a_name_that_leads_to_a_channel_already_posted_to_gets_no_second_post(
    rig: Rig, account_id: AccountId, member: str
) -> None:
    """The channel was renamed between its post and the look-up of an older entry."""
    simulator = rig.server.simulator
    await rig.stage.add_channels(3)
    simulator.ensure_channels(["first_00002", "first_00003"], member)
    rig.set_faults(Fault(method=RESOLVE, kind=FaultKind.ERROR, count=1))
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(plain=True)
    await rig.wait_for_posts(2)
    channel = simulator.find_channel("first_00003")
    simulator.channels._by_username["first_00001"] = channel
    channel.username = "first_00001"
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["DUPLICATE_CHANNEL"]
    rig.check_each_once(2)


@pytest.mark.timed
async def test_a_wait_for_look_ups_holds_nothing_else(rig: Rig, account_id: AccountId, member: str) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(30)
    simulator.ensure_channels([f"first_{number:05}" for number in range(1, 30)], member)
    simulator.ensure_channels(["first_00030"], "stranger")
    rig.set_faults(Fault(method=RESOLVE, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_1", count=1))
    campaign_id = await rig.stage.add_campaign(account_id, rate=30)
    await rig.start_worker(plain=True)
    await rig.wait_for_posts(29)
    rig.check_pace(28 / 30, slack=0.1)
    (hold,) = await rig.stage.execute("SELECT scope FROM account_holds")
    assert hold.scope == "RESOLVE"
    await rig.finish(campaign_id)
    rig.check_each_once(30)


@pytest.fixture
async def press(rig: Rig) -> AccountId:
    """A real account, as far as the database knows; rehearsals change no channel."""
    row = await rig.stage.one(
        "INSERT INTO accounts (name, kind, rate) VALUES ('press', 'USER', 500) RETURNING id"
    )
    rig.server.simulator.add_account(str(row.id))
    rig.server.simulator.add_account("stranger")
    return AccountId(row.id)


async def start_live(rig: Rig, press: AccountId, *, rate: float = 40) -> CampaignId:
    campaign_id = await rig.stage.add_campaign(await rig.stage.add_account(), rate=rate, start=False)
    await rig.stage.execute(
        "UPDATE campaigns SET mode = 'LIVE', account_kind = 'USER', account_id = :account WHERE id = :id",
        account=press,
        id=campaign_id,
    )
    await rig.stage.start(campaign_id)
    return campaign_id


async def test_a_thousand_channels_cost_no_look_up_the_second_time(rig: Rig, press: AccountId) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(1_000)
    simulator.ensure_channels([f"first_{number:05}" for number in range(1, 998)], str(press))
    simulator.ensure_channels([f"first_{number:05}" for number in range(998, 1_001)], "stranger")
    first = await start_live(rig, press, rate=500)
    await rig.start_worker(plain=True)
    await rig.finish(first, patience=60)
    assert simulator.posts.calls[RESOLVE] == 3
    second = await start_live(rig, press, rate=500)
    await rig.finish(second, patience=60)
    rig.check_each_once(2_000)
    assert simulator.posts.calls[RESOLVE] == 3


class TestTheBudgetOfLookUps:
    """Counted in the database, whoever speaks for the account."""

    @pytest.fixture
    async def campaign_id(self, rig: Rig, press: AccountId) -> CampaignId:
        """Six channels of which two are among the dialogs."""
        await rig.stage.add_channels(6)
        rig.server.simulator.ensure_channels(["first_00001", "first_00002"], str(press))
        rig.server.simulator.ensure_channels([f"first_{number:05}" for number in range(3, 7)], "stranger")
        return await start_live(rig, press)

    @staticmethod
    async def read_lookups(rig: Rig, press: AccountId) -> tuple[int, int]:
        row = await rig.stage.one("SELECT * FROM account_lookups WHERE account_id = :id", id=press)
        return row.used, row.daily_limit

    async def test_what_it_does_not_cover_waits_and_the_rest_is_posted(
        self, rig: Rig, press: AccountId, campaign_id: CampaignId
    ) -> None:
        await rig.start_worker(plain=True, resolves_per_day=2)
        await rig.until_counts(campaign_id, SENT=4, QUEUED=2)
        assert await self.read_lookups(rig, press) == (2, 2)
        assert await rig.stage.execute("SELECT FROM account_holds") == []
        await rig.stay_silent(1.5)
        assert rig.server.simulator.posts.calls[RESOLVE] == 2

    async def test_neither_a_restart_nor_a_takeover_gives_a_new_one_but_the_next_day_does(
        self, rig: Rig, press: AccountId, campaign_id: CampaignId
    ) -> None:
        worker = await rig.start_worker(plain=True, resolves_per_day=2)
        await rig.until_counts(campaign_id, SENT=4, QUEUED=2)
        await worker.kill()
        worker = await rig.start_worker(plain=True, resolves_per_day=3)
        await rig.until_counts(campaign_id, SENT=5, QUEUED=1)
        assert await self.read_lookups(rig, press) == (3, 3)
        await worker.stop()
        await rig.stage.execute("UPDATE account_lookups SET day = day - 1")
        await rig.start_worker(plain=True, resolves_per_day=3)
        await rig.finish(campaign_id)
        assert await self.read_lookups(rig, press) == (1, 3)
        rig.check_each_once(6)

    async def test_none_at_all_asks_telegram_for_no_name(
        self, rig: Rig, press: AccountId, campaign_id: CampaignId
    ) -> None:
        await rig.start_worker(plain=True, resolves_per_day=0)
        await rig.until_counts(campaign_id, SENT=2, QUEUED=4)
        await rig.stay_silent(0.5)
        assert rig.server.simulator.posts.calls[RESOLVE] == 0
        assert await self.read_lookups(rig, press) == (0, 0)

    async def test_a_private_channel_is_given_up_although_the_budget_is_used_up(
        self, rig: Rig, press: AccountId, campaign_id: CampaignId
    ) -> None:
        await rig.stage.execute(
            "UPDATE channels SET username = NULL, tg_id = 4711 WHERE username = 'first_00006'"
        )
        await rig.start_worker(plain=True, resolves_per_day=0)
        await rig.until_counts(campaign_id, SENT=2, QUEUED=3, FAILED=1)


class TestNamesThatChange:
    """The id that an account knows a channel by counts for more than its name."""

    @pytest.fixture
    async def worker(self, rig: Rig, press: AccountId) -> RunningWorker:
        await rig.stage.add_channels(3)
        rig.server.simulator.ensure_channels([f"first_{number:05}" for number in range(1, 4)], str(press))
        campaign_id = await start_live(rig, press)
        worker = await rig.start_worker(plain=True)
        await rig.finish(campaign_id)
        return worker

    @staticmethod
    def rename(rig: Rig, old: str, new: str | None, *aliases: str) -> None:
        directory = rig.server.simulator.channels
        directory.rename(rig.server.simulator.find_channel(old), new, aliases)

    @staticmethod
    async def read_names(rig: Rig) -> list[str | None]:
        rows = await rig.stage.execute("SELECT username FROM channels ORDER BY username NULLS LAST")
        return [row.username for row in rows]

    async def list_again(self, rig: Rig, press: AccountId) -> None:
        """A new channel makes the account look at its dialogs again."""
        await rig.stage.add_channels(1, prefix="later")
        rig.server.simulator.ensure_channels(["later_00001"], str(press))
        campaign_id = await rig.stage.add_campaign(await rig.stage.add_account(), batch="later", start=False)
        await rig.stage.execute(
            "UPDATE campaigns SET mode = 'LIVE', account_kind = 'USER', account_id = :account WHERE id = :id",
            account=press,
            id=campaign_id,
        )
        await rig.stage.start(campaign_id)
        await rig.finish(campaign_id)

    async def test_the_channel_is_posted_to_and_gets_the_name_that_telegram_shows(
        self, rig: Rig, press: AccountId, worker: RunningWorker
    ) -> None:
        self.rename(rig, "first_00002", "evening_news")
        campaign_id = await start_live(rig, press)
        await rig.finish(campaign_id)
        assert len(rig.posts) == 6
        await self.list_again(rig, press)
        assert await self.read_names(rig) == ["evening_news", "first_00001", "first_00003", "later_00001"]
        entry = await rig.stage.one("SELECT * FROM audit_logs WHERE action = 'channel.renamed'")
        assert (entry.actor_kind, entry.actor) == ("SYSTEM", "engine")
        assert (entry.before, entry.after) == ({"username": "first_00002"}, {"username": "evening_news"})
        assert rig.server.simulator.posts.calls[RESOLVE] == 0

    async def test_a_channel_that_lost_its_name_goes_by_its_id(
        self, rig: Rig, press: AccountId, worker: RunningWorker
    ) -> None:
        tg_id = rig.server.simulator.find_channel("first_00001").channel_id
        self.rename(rig, "first_00001", None)
        await self.list_again(rig, press)
        row = await rig.stage.one("SELECT tg_id FROM channels WHERE username IS NULL")
        assert row.tg_id == tg_id
        campaign_id = await start_live(rig, press)
        await rig.finish(campaign_id)
        rig.check_each_once(7)

    async def test_another_of_its_names_is_no_change(
        self, rig: Rig, press: AccountId, worker: RunningWorker
    ) -> None:
        self.rename(rig, "first_00003", "front_page", "first_00003")
        await self.list_again(rig, press)
        assert "first_00003" in await self.read_names(rig)
        assert await rig.stage.execute("SELECT FROM audit_logs WHERE action = 'channel.renamed'") == []

    async def test_a_name_that_another_channel_of_ours_has_is_not_given_twice(
        self, rig: Rig, press: AccountId, worker: RunningWorker
    ) -> None:
        await rig.stage.execute("INSERT INTO channels (username) VALUES ('evening_news')")
        self.rename(rig, "first_00002", "evening_news")
        await self.list_again(rig, press)
        assert await self.read_names(rig) == [
            "evening_news", "first_00001", "first_00002", "first_00003", "later_00001",
        ]  # fmt: skip


async def test_two_names_of_one_channel_get_one_post(rig: Rig, press: AccountId) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(3)
    simulator.ensure_channels(["first_00001", "first_00003"], str(press))
    simulator.channels.rename(simulator.find_channel("first_00001"), "first_00001", ["first_00002"])
    campaign_id = await start_live(rig, press)
    await rig.start_worker(plain=True)
    await rig.finish(campaign_id)
    rig.check_each_once(2)
    assert await rig.read_errors(campaign_id) == ["DUPLICATE_CHANNEL"]
    assert simulator.posts.calls[RESOLVE] == 0
