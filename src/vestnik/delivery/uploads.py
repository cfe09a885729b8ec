"""Files that campaigns and commands post: uploaded once by each account, before the first post that needs them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

import structlog

from vestnik.db.leases import Lease
from vestnik.db.media import UploadLedger
from vestnik.delivery.clock import read_clock
from vestnik.delivery.gate import Gate
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.errors import DatabaseUnavailableError, MediaMissingError, MediaStoreError
from vestnik.domain.ids import MediaId
from vestnik.domain.media import MediaFile
from vestnik.domain.media_store import MediaStore
from vestnik.domain.outcomes import compute_backoff
from vestnik.domain.transport import (
    Content,
    ErrorClass,
    Transport,
    TransportError,
    UploadedMedia,
    UploadProgress,
)

log = structlog.get_logger()

MOST_TRIES = 5
"""Answered failures of one upload in a row after which the file is given up."""
FOR_EVER = 86_400.0
SLOW_DOWN = "FLOOD_PREMIUM_WAIT"
"""Telegram slows uploads down for accounts without Premium; posts are not concerned
(https://core.telegram.org/api/errors#420-flood)."""
STALE_NAMES = frozenset({"MEDIA_EMPTY", "MEDIA_INVALID"})
"""What a file may answer that Telegram has forgotten altogether; of a fresh upload they speak of its content."""


class Refusal(Enum):
    """What an error answer to a post with files means for them."""

    UNRELATED = auto()
    AGAIN = auto()
    """They are uploaded again; the post goes out then."""
    FINAL = auto()
    """They were uploaded again for this very reason, and nothing was gained."""


@dataclass(slots=True, kw_only=True)
class _Upload:
    """How the account posts a file. `is_second` says that the one before was refused and none was posted since."""

    uploaded: UploadedMedia
    is_second: bool


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """An upload under way; it goes on over waits and lost connections."""

    progress: UploadProgress
    tries: int = 0
    not_before: float = 0.0


class FileUploader:
    """Knows how the account posts each wanted file, and uploads those that it does not know.

    It works beside the posts, on their connection, one file at a time and the smallest first; whatever closes the
    gate makes it wait. `list_wanted` tells what is needed at this moment. `on_ready` is called for each file that
    can be posted from now on, `on_lost` for one that no longer can, and `on_failed` for one that never will.
    """

    def __init__(
        self,
        ledger: UploadLedger,
        lease: Lease,
        store: MediaStore,
        options: LaneOptions,
        *,
        gate: Gate,
        transport: Callable[[], Transport | None],
        put_action: Callable[[Callable[[], Awaitable[object]]], None],
        list_wanted: Callable[[], Iterable[MediaFile]],
        on_ready: Callable[[MediaFile], None],
        on_lost: Callable[[MediaFile], None],
        on_failed: Callable[[MediaFile, TransportError], None],
        on_error: Callable[[TransportError], None],
    ) -> None:
        self._ledger = ledger
        self._lease = lease
        self._store = store
        self._options = options
        self._gate = gate
        self._transport = transport
        self._put_action = put_action
        self._list_wanted = list_wanted
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._on_failed = on_failed
        self._on_error = on_error
        self._ready: dict[MediaId, _Upload] = {}
        self._refused: set[MediaId] = set()
        self._attempts: dict[MediaId, _Attempt] = {}
        self._asked = asyncio.Event()
        self._log = log.bind(account_id=str(lease.account_id))

    def ask(self) -> None:
        """Something may be wanted, or may be possible that was not."""
        self._asked.set()

    def are_ready(self, files: Iterable[MediaFile]) -> bool:
        """Whether all of them can be posted now."""
        return all(file.media_id in self._ready for file in files)

    def attach(self, content: Content) -> Content | None:
        """The content with its files as the account posts them; None when one of them cannot be posted now."""
        if not content.files:
            return content
        if not self.are_ready(content.files):
            return None
        uploaded = tuple(self._ready[file.media_id].uploaded for file in content.files)
        return replace(content, uploaded=uploaded)

    def note_posted(self, content: Content) -> None:
        """A post with the files is out: if they are refused from now on, they have run out anew."""
        for file, used in zip(content.files, content.uploaded, strict=True):
            upload = self._ready.get(file.media_id)
            if upload is not None and upload.uploaded == used:
                upload.is_second = False

    def note_refused(self, content: Content, error: TransportError) -> Refusal:
        """A post with the files was refused; whoever is the first to learn that they have run out renews them."""
        if not content.files or not (
            error.error_class is ErrorClass.REFRESH_MEDIA or error.name in STALE_NAMES
        ):
            return Refusal.UNRELATED
        posted = list(zip(content.files, content.uploaded, strict=True))
        if error.item is not None and error.item < len(posted):
            posted = [posted[error.item]]  # the others of the album are as good as they were
        current = [
            (file, upload)
            for file, used in posted
            if (upload := self._ready.get(file.media_id)) is not None and upload.uploaded == used
        ]
        for file, _ in current:
            self._log.info("media.reference_refused", media_id=str(file.media_id), error=error.name)
            del self._ready[file.media_id]
            self._refused.add(file.media_id)
            self._on_lost(file)
        self.ask()
        return Refusal.FINAL if any(upload.is_second for _, upload in current) else Refusal.AGAIN

    # -- uploading ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make ready what is wanted, until cancelled."""
        pause = FOR_EVER
        while True:
            await wait_for_event(self._asked, pause)
            try:
                pause = await self._make_ready()
            except DatabaseUnavailableError:
                pause = self._options.poll.total_seconds()

    async def _make_ready(self) -> float:
        """Look up or upload what is missing; the seconds until it is worth trying again."""
        missing = self._list_missing()
        self._attempts = {key: value for key, value in self._attempts.items() if key in missing}
        await self._look_up([file for key, file in missing.items() if key not in self._refused])
        for file in sorted(self._list_missing().values(), key=lambda file: file.size):
            attempt = self._attempts.setdefault(file.media_id, _begin())
            if read_clock() < attempt.not_before:
                continue
            transport = self._transport()
            if transport is None:
                break
            await self._upload(transport, file, attempt)
            self.ask()  # others may be wanted by now
            break
        return self._compute_pause()

    def _list_missing(self) -> dict[MediaId, MediaFile]:
        return {file.media_id: file for file in self._list_wanted() if file.media_id not in self._ready}

    def _compute_pause(self) -> float:
        missing = self._list_missing()
        if not missing:
            return FOR_EVER
        poll = self._options.poll.total_seconds()
        waits = [self._attempts[key].not_before for key in missing if key in self._attempts]
        return max(min(waits, default=0.0) - read_clock(), poll if self._transport() is None else 0.01)

    async def _look_up(self, files: list[MediaFile]) -> None:
        """Take over what was uploaded before: by an earlier campaign, or by a holder before us."""
        if not files:
            return
        found = await self._ledger.list_uploads(self._lease.account_id, [file.media_id for file in files])
        for file in files:
            if (uploaded := found.get(file.media_id)) is not None:
                self._ready[file.media_id] = _Upload(uploaded=uploaded, is_second=False)
                self._on_ready(file)

    async def _upload(self, transport: Transport, file: MediaFile, attempt: _Attempt) -> None:
        began_at = read_clock()
        try:
            async with self._store.open(file.sha256) as reader:
                uploaded = await transport.upload(
                    file, reader, attempt.progress, wait_for_turn=self._wait_for_turn
                )
        except TransportError as error:
            self._judge(file, attempt, error)
            return
        except (MediaMissingError, MediaStoreError) as exc:
            self._give_up(file, _unreadable(file, exc))
            return
        seconds = round(read_clock() - began_at, 3)
        self._log.info("media.uploaded", media_id=str(file.media_id), size=file.size, seconds=seconds)
        self._ready[file.media_id] = _Upload(uploaded=uploaded, is_second=file.media_id in self._refused)
        self._refused.discard(file.media_id)
        self._attempts.pop(file.media_id, None)
        self._put_action(lambda: self._ledger.store_upload(self._lease, file.media_id, uploaded))
        self._on_ready(file)

    async def _wait_for_turn(self) -> None:
        """Returns when the account may speak; the lane ends us if it never may again."""
        while not self._gate.is_open():
            wait = self._gate.held_until - read_clock()
            await asyncio.sleep(min(max(wait, 0.05), self._options.poll.total_seconds()))

    def _judge(self, file: MediaFile, attempt: _Attempt, error: TransportError) -> None:
        """What an upload's failure means; the file stays wanted unless it is given up."""
        self._log.info("media.not_uploaded", media_id=str(file.media_id), error=error.name)
        now = read_clock()
        match error.error_class:
            case ErrorClass.WAIT_ACCOUNT if error.name == SLOW_DOWN:
                attempt.not_before = now + (error.wait or timedelta(seconds=60)).total_seconds()
            case ErrorClass.WAIT_ACCOUNT | ErrorClass.ACCOUNT_DEAD | ErrorClass.ACCOUNT_LIMITED:
                self._on_error(error)
            case ErrorClass.TRANSIENT if error.disconnected:
                self._on_error(error)
                attempt.not_before = now + self._options.poll.total_seconds()
            case ErrorClass.TRANSIENT | ErrorClass.REFRESH_MEDIA | ErrorClass.CONTENT_RETRY:
                self._try_again(file, attempt, error)
            case _:
                self._give_up(file, error)

    def _try_again(self, file: MediaFile, attempt: _Attempt, error: TransportError) -> None:
        """Once more from the beginning where the file is at fault, and later, but not for ever."""
        attempt.tries += 1
        is_patient = error.error_class is ErrorClass.TRANSIENT
        if attempt.tries >= (MOST_TRIES if is_patient else 2):
            self._give_up(file, error)
            return
        attempt.not_before = (
            read_clock() + compute_backoff(attempt.tries, self._options.retry_base).total_seconds()
        )
        if not is_patient:
            attempt.progress = _begin().progress

    def _give_up(self, file: MediaFile, error: TransportError) -> None:
        self._attempts.pop(file.media_id, None)
        self._refused.discard(file.media_id)
        self._log.error("media.given_up", media_id=str(file.media_id), error=error.name, detail=error.message)
        self._on_failed(file, error)


def as_refresh(error: TransportError) -> TransportError:
    """An error that says that a file has run out, whatever Telegram called it."""
    return TransportError(
        error.name,
        ErrorClass.REFRESH_MEDIA,
        error.message,
        definite=error.definite,
        disconnected=error.disconnected,
    )


def _begin() -> _Attempt:
    return _Attempt(progress=UploadProgress(file_id=secrets.randbits(63)))


def _unreadable(file: MediaFile, exc: MediaMissingError | MediaStoreError) -> TransportError:
    return TransportError(
        exc.code,
        ErrorClass.CONTENT,
        f"The {file.kind} '{file.name}' cannot be read by this worker: {exc.message}.",
    )
