"""Makes the transports of a worker: Telethon for every account, and a simulator before it for simulated ones.

It makes the connections on which accounts log in as well.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import URL

from vestnik.db.accounts import get_account
from vestnik.db.engine import make_engine, open_session
from vestnik.db.models import Account
from vestnik.db.rehearsals import ChannelName, WantedChannel, list_met_channels, list_wanted_channels
from vestnik.db.secrets import identify_secret, read_key_ring
from vestnik.domain.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    InvalidInputError,
    SecretError,
    SimulatorError,
)
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.media import MediaFile
from vestnik.domain.media_store import MediaReader
from vestnik.domain.states import AccountKind
from vestnik.domain.telegram_login import LoginTransport
from vestnik.domain.transport import (
    ChannelDetails,
    Content,
    ErrorClass,
    Identity,
    KnownChannel,
    Peer,
    Transport,
    TransportError,
    UploadedMedia,
    UploadProgress,
)
from vestnik.settings import Settings
from vestnik.simulator.channels import ChannelSpec
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SIMULATED_DC, SimulatorEndpoint, derive_auth_key
from vestnik.telegram.link import ClientDescription
from vestnik.telegram.login import TelethonLogin
from vestnik.telegram.sessions import FIRST_DATA_CENTRE, DataCentre, ParsedSession, parse_session
from vestnik.telegram.transport import TelethonTransport

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT: Final = timedelta(seconds=10)
SIMULATOR_TIMEOUT: Final = timedelta(seconds=10)
_SIMULATED_API_ID: Final = 1

WANTED_PAGE: Final = 5_000
"""Channels made known to the simulator at once."""

ListChannels = Callable[[], Awaitable[list[ChannelName]]]
ListWanted = Callable[[ChannelId | None], Awaitable[list[WantedChannel]]]


class Transports:
    """A `TransportFactory` and `LoginTransportFactory`.

    SIMULATED accounts are served only if the endpoint of a simulator is given. Keeps at most one database
    connection, for the moments in which a transport is made. The simulator, and only that, is told `holder`, the
    name of this process, so that it can say who sent what. `login_server` is where logins begin: Telegram's own,
    except in tests.
    """

    def __init__(
        self,
        settings: Settings,
        url: URL,
        simulator: SimulatorEndpoint | None,
        *,
        holder: str = "",
        login_server: DataCentre = FIRST_DATA_CENTRE,
    ) -> None:
        self._settings = settings
        self._login_server = login_server
        self._holder = holder
        self._simulator = simulator
        self._engine = make_engine(url, name="transports", pool_size=1)

    async def close(self) -> None:
        """Close the database connection."""
        await self._engine.dispose()

    def serves(self, kind: AccountKind) -> bool:
        """Whether this process can speak for accounts of this kind at all."""
        return kind is not AccountKind.SIMULATED or self._simulator is not None

    async def make(self, account_id: AccountId, kind: AccountKind) -> Transport:
        """A new transport, not yet connected.

        Raises TransportError: ACCOUNT_DEAD without a session, TRANSIENT while database, key or simulator are away.
        """
        if kind is AccountKind.SIMULATED:
            return self._make_rehearsal(account_id)
        try:
            async with open_session(self._engine) as session:
                account = await get_account(session, account_id)
            return self._make_real(account_id, account)
        except DatabaseUnavailableError as exc:
            raise _transient("DATABASE_UNAVAILABLE", exc.message) from exc
        except (SecretError, ConfigurationError) as exc:
            # The session may be perfectly good: the key is what this process lacks.
            raise _transient("SECRET_UNREADABLE", exc.message) from exc

    def make_login(self, *, api_id: int, api_hash: str, session: str | None = None) -> LoginTransport:
        """A connection to log in on, or one on the key of a session string; InvalidInputError for a bad one."""
        return TelethonLogin(
            api_id=api_id,
            api_hash=api_hash,
            call_timeout=self._call_timeout,
            connect_timeout=CONNECT_TIMEOUT,
            server=self._login_server,
            session=parse_session(session) if session is not None else None,
        )

    def _make_real(self, account_id: AccountId, account: Account | None) -> Transport:
        if account is None or account.session_ciphertext is None or account.api_id is None:
            raise TransportError(
                "NO_SESSION",
                ErrorClass.ACCOUNT_DEAD,
                "The account has no Telegram session; log in, or set TELEGRAM_SESSION (NO_SESSION).",
                disconnected=True,
            )
        ring = read_key_ring(self._settings.secret_key, self._settings.data_dir)
        if ring is None:
            raise SecretError("there is no key to read the session with: set VESTNIK_SECRET_KEY")
        text = ring.decrypt(account.session_ciphertext, identify_secret("accounts", account_id, "session"))
        try:
            session = parse_session(text)
        except InvalidInputError as exc:
            raise TransportError(
                "SESSION_MALFORMED", ErrorClass.ACCOUNT_DEAD, exc.message, disconnected=True
            ) from exc
        return TelethonTransport(
            session,
            api_id=account.api_id,
            call_timeout=self._call_timeout,
            connect_timeout=CONNECT_TIMEOUT,
        )

    def _make_rehearsal(self, account_id: AccountId) -> Transport:
        assert self._simulator is not None, "serves() said no"
        name = simulated_name(account_id)
        server = DataCentre(dc_id=SIMULATED_DC, host=self._simulator.host, port=self._simulator.port)
        transport = TelethonTransport(
            ParsedSession.make(server, derive_auth_key(self._simulator.token, name)),
            api_id=_SIMULATED_API_ID,
            call_timeout=self._call_timeout,
            connect_timeout=CONNECT_TIMEOUT,
            description=ClientDescription(device_model=self._holder) if self._holder else None,
        )

        async def list_met() -> list[ChannelName]:
            async with open_session(self._engine) as session:
                return await list_met_channels(session, account_id)

        async def list_wanted(after: ChannelId | None) -> list[WantedChannel]:
            async with open_session(self._engine) as session:
                return await list_wanted_channels(session, account_id, after, WANTED_PAGE)

        return RehearsalTransport(
            transport, self._simulator, name, list_met=list_met, list_wanted=list_wanted
        )

    @property
    def _call_timeout(self) -> timedelta:
        return timedelta(seconds=self._settings.call_timeout_seconds)


def simulated_name(account_id: AccountId) -> str:
    """What the simulator calls an account of ours: its id, because a name may change."""
    return str(account_id)


class RehearsalTransport:
    """A transport to the simulator that first sees to it that the account and its channels are there.

    The simulator is a process of its own and may have started anew: at every connection the account is
    registered, and the channels that it has met before are made again, under the same ids.
    """

    def __init__(
        self,
        transport: Transport,
        endpoint: SimulatorEndpoint,
        name: str,
        *,
        list_met: ListChannels,
        list_wanted: ListWanted,
    ) -> None:
        self._transport = transport
        self._endpoint = endpoint
        self._name = name
        self._list_met = list_met
        self._list_wanted = list_wanted

    @property
    def is_connected(self) -> bool:
        """Whether a call can be made at all."""
        return self._transport.is_connected

    async def connect(self, may_speak: Callable[[], bool] = lambda: True) -> Identity:
        """Register the account, make its channels again, and connect."""
        key = derive_auth_key(self._endpoint.token, self._name)

        async def register(control: SimulatorControl) -> None:
            await control.add_account(self._name, key)

        await self._with_control(register)
        try:
            await self._ensure(await self._list_met())
        except (TransportError, DatabaseUnavailableError) as exc:
            # Not fatal: a channel that is missing there is looked up again when it is its turn.
            log.warning("rehearsal.channels_not_restored", reason=exc.message)
        return await self._transport.connect(may_speak)

    async def send(self, peer: Peer, content: Content, random_id: int) -> tuple[int, ...]:
        """Post once, however often it is called with the same random_id."""
        return await self._transport.send(peer, content, random_id)

    async def upload(
        self,
        file: MediaFile,
        reader: MediaReader,
        progress: UploadProgress,
        *,
        wait_for_turn: Callable[[], Awaitable[None]],
    ) -> UploadedMedia:
        """Hand a file over without posting it."""
        return await self._transport.upload(file, reader, progress, wait_for_turn=wait_for_turn)

    async def list_channels(self) -> AsyncIterator[Sequence[KnownChannel]]:
        """The account's dialogs, after all channels that it is going to post in have been put among them."""
        last: ChannelId | None = None
        while True:
            try:
                wanted = await self._list_wanted(last)
            except DatabaseUnavailableError as exc:
                raise _transient("DATABASE_UNAVAILABLE", exc.message) from exc
            await self._ensure([item.name for item in wanted])
            if len(wanted) < WANTED_PAGE:
                break
            last = wanted[-1].channel_id
        async for page in self._transport.list_channels():
            yield page

    async def resolve(self, username: str) -> KnownChannel:
        """Look one username up; in a rehearsal every channel exists."""
        await self._ensure([(username, None)])
        return await self._transport.resolve(username)

    async def read_details(self, peer: Peer) -> ChannelDetails:
        """What the list of dialogs does not tell of a channel."""
        return await self._transport.read_details(peer)

    async def find_messages(self, peer: Peer, content: Content, since: datetime) -> tuple[int, ...]:
        """The id of our newest message with this text, posted at or after `since`."""
        return await self._transport.find_messages(peer, content, since)

    async def disconnect(self) -> None:
        """Close the connection; returns when nothing more can go out."""
        await self._transport.disconnect()

    async def _ensure(self, names: Iterable[ChannelName]) -> None:
        specs = _make_specs(names)

        async def ensure(control: SimulatorControl) -> None:
            await control.ensure_channels(specs, self._name)

        if specs:
            await self._with_control(ensure)

    async def _with_control(self, action: Callable[[SimulatorControl], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(SIMULATOR_TIMEOUT.total_seconds()):
                async with await SimulatorControl.connect(self._endpoint) as control:
                    await action(control)
        except SimulatorError as exc:
            raise _transient("SIMULATOR_UNAVAILABLE", exc.message) from exc
        except TimeoutError as exc:
            raise _transient("SIMULATOR_UNAVAILABLE", "the simulator does not answer") from exc


def _make_specs(names: Iterable[ChannelName]) -> list[ChannelSpec]:
    """One spec per username and per id: two rows may turn out to be the same channel."""
    usernames: set[str] = set()
    ids: set[int] = set()
    specs: list[ChannelSpec] = []
    for username, tg_id in names:
        if (username is not None and username.lower() in usernames) or tg_id in ids:
            continue
        if username is not None:
            usernames.add(username.lower())
        if tg_id is not None:
            ids.add(tg_id)
        specs.append(ChannelSpec(username=username, tg_id=tg_id))
    return specs


def _transient(name: str, message: str) -> TransportError:
    return TransportError(name, ErrorClass.TRANSIENT, f"{message} ({name})", disconnected=True)
