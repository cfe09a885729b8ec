"""Files that campaigns name by an address: fetched once, before the first post, and stored as any other."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from vestnik.content import FrozenContent
from vestnik.db.campaign_content import store_fetched
from vestnik.db.engine import open_session
from vestnik.db.media_intake import ReceivedMedia, receive_media
from vestnik.db.statements import StatementRunner
from vestnik.delivery.campaigns import LaneCampaign
from vestnik.delivery.clock import read_clock
from vestnik.delivery.fetching import FetchError, open_address
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.errors import ConflictError, DatabaseUnavailableError, InvalidInputError, MediaStoreError
from vestnik.domain.ids import CampaignId
from vestnik.domain.media_store import MediaStore
from vestnik.domain.outcomes import compute_backoff
from vestnik.domain.transport import ErrorClass, TransportError

log = structlog.get_logger()

MOST_TRIES = 3
FOR_EVER = 86_400.0


@dataclass(slots=True, kw_only=True)
class _Attempt:
    tries: int = 0
    not_before: float = 0.0


class AddressFetcher:
    """Fetches what running campaigns of a lane still need, one file at a time.

    `on_fetched` is called with what a campaign posts from now on, `on_failed` when its file cannot be had.
    """

    def __init__(
        self,
        runner: StatementRunner,
        store: MediaStore,
        options: LaneOptions,
        *,
        list_wanted: Callable[[], Iterable[LaneCampaign]],
        on_fetched: Callable[[CampaignId, FrozenContent], None],
        on_failed: Callable[[CampaignId, TransportError], None],
    ) -> None:
        self._runner = runner
        self._store = store
        self._options = options
        self._list_wanted = list_wanted
        self._on_fetched = on_fetched
        self._on_failed = on_failed
        self._attempts: dict[CampaignId, _Attempt] = {}
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Something may be wanted."""
        self._asked.set()

    async def run(self) -> None:
        """Fetch what is wanted, until cancelled."""
        pause = FOR_EVER
        while True:
            await wait_for_event(self._asked, pause)
            pause = await self._fetch_next()

    async def _fetch_next(self) -> float:
        """Fetch one file; the seconds until it is worth looking again."""
        wanted = {
            campaign.campaign_id: campaign.content.frozen
            for campaign in self._list_wanted()
            if campaign.content.frozen.address is not None
        }
        self._attempts = {key: self._attempts.get(key, _Attempt()) for key in wanted}
        now = read_clock()
        due = next((key for key in wanted if self._attempts[key].not_before <= now), None)
        if due is not None:
            await self._fetch(due, wanted[due], self._attempts[due])
            return 0.0
        return min((self._attempts[key].not_before - now for key in wanted), default=FOR_EVER)

    async def _fetch(self, campaign_id: CampaignId, frozen: FrozenContent, attempt: _Attempt) -> None:
        address = frozen.address
        assert address is not None
        assert address.url is not None
        try:
            received = await self._receive(address.url, str(address.kind))
            async with open_session(self._runner.engine) as session:
                found = await store_fetched(session, campaign_id, frozen, received)
        except DatabaseUnavailableError:
            attempt.not_before = read_clock() + self._options.poll.total_seconds()
        except (FetchError, InvalidInputError, MediaStoreError, ConflictError) as exc:
            self._judge(campaign_id, attempt, exc)
        else:
            if found is None:  # corrected or ended: the lane looks again
                attempt.not_before = read_clock() + self._options.poll.total_seconds()
                return
            log.info("media.fetched", campaign_id=str(campaign_id), size=received.size)
            self._on_fetched(campaign_id, found)

    async def _receive(self, url: str, kind: str) -> ReceivedMedia:
        async with open_address(url) as fetched:
            return await receive_media(self._store, fetched.chunks, kind=kind, name=fetched.name or kind)

    def _judge(
        self,
        campaign_id: CampaignId,
        attempt: _Attempt,
        exc: FetchError | InvalidInputError | MediaStoreError | ConflictError,
    ) -> None:
        attempt.tries += 1
        log.info("media.not_fetched", campaign_id=str(campaign_id), reason=exc.message)
        is_final = isinstance(exc, InvalidInputError) or (isinstance(exc, FetchError) and exc.is_final)
        if not is_final and attempt.tries < MOST_TRIES:
            wait: timedelta = compute_backoff(attempt.tries, self._options.retry_base)
            attempt.not_before = read_clock() + wait.total_seconds()
            return
        self._attempts.pop(campaign_id, None)
        message = f"The file at the template's address cannot be posted: {exc.message}."
        self._on_failed(campaign_id, TransportError(FetchError.code, ErrorClass.CONTENT, message))
