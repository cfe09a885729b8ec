"""Everything a running simulator knows, and the operations on it that scripts and tests use."""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.accounts import Account, derive_user_id
from vestnik.simulator.attempts import Attempt, AttemptLog, Client
from vestnik.simulator.channels import USUAL, Channel, ChannelDirectory, ChannelSpec, How, Right
from vestnik.simulator.endpoint import AUTH_KEY_BYTES, SIMULATED_DC
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.faults import Fault, FaultPlan
from vestnik.simulator.floods import FloodGate, FloodLimit, FloodScope
from vestnik.simulator.logins import LoginDesk, accept_qr_token, make_password, read_qr_url
from vestnik.simulator.options import Options
from vestnik.simulator.posts import Arrival, Post, PostLog, Summary
from vestnik.simulator.sessions import AuthKey, Keyring
from vestnik.simulator.uploads import MediaStore

log = logging.getLogger(__name__)

POSTS_PER_PAGE: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """Where the server takes its times from; a test may put its own in."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def stamp(self) -> Arrival:
        """Now, by both clocks."""
        return Arrival(self.wall(), self.monotonic())


class Simulator:
    """The state behind all connections. Not thread safe: everything happens in the server's event loop."""

    def __init__(self, *, seed: int = 0, options: Options | None = None, clock: Clock | None = None) -> None:
        rng = random.Random(seed)  # noqa: S311 - faults have to be repeatable, not secret
        self.rng = rng
        self.clock = clock if clock is not None else Clock()
        self.options = options if options is not None else Options()
        self.keyring = Keyring(rng)
        self.channels = ChannelDirectory()
        self.accounts: list[Account] = []
        self.faults = FaultPlan(rng)
        self.media = MediaStore()
        self.logins = LoginDesk()
        self.data_centres: dict[int, tuple[str, int]] = {}
        """Where each data centre listens; filled in by the server."""
        self.posts = PostLog()
        self.attempts = AttemptLog()
        self._clients = 0
        self._by_name: dict[str, Account] = {}
        self._by_user_id: dict[int, Account] = {}

    def add_account(self, name: str, auth_key: bytes | None = None, *, is_bot: bool = False) -> int:
        """Make an account, or give one that exists another key; its user id. Without a key it has no session."""
        if not name:
            raise SimulatorError("an account needs a name", field="name")
        if auth_key is not None and len(auth_key) != AUTH_KEY_BYTES:
            raise SimulatorError(
                f"an auth key has {AUTH_KEY_BYTES} bytes, not {len(auth_key)}", field="auth_key"
            )
        account = self._by_name.get(name)
        if account is None:
            user_id = derive_user_id(name)
            while user_id in self._by_user_id:
                user_id += 1
            account = Account(len(self.accounts), name, user_id, is_bot=is_bot)
            self.accounts.append(account)
            self._by_name[name] = account
            self._by_user_id[user_id] = account
        if auth_key is not None:
            self._authorize(account, auth_key)
        return account.user_id

    def _authorize(self, account: Account, key: bytes) -> None:
        entry = self.keyring.add(key, account.dc_id)
        if entry.account is not None and entry.account is not account:
            raise SimulatorError(
                f"the auth key belongs to account {entry.account.name!r} already", field="auth_key"
            )
        entry.account = account
        entry.revoked = None

    def add_phone(
        self,
        number: str,
        account: str,
        *,
        code: str | None = None,
        password: str | None = None,
        hint: str = "",
        is_banned: bool = False,
        dc_id: int = SIMULATED_DC,
    ) -> int:
        """Let an account, made if it is missing, log in with a phone number; its user id.

        The code is the data centre's number five times unless one is given. Asked again it replaces everything.
        """
        user_id = self.add_account(account)
        found = self.find_account(account)
        self._settle(found, dc_id)
        self.logins.add_phone(number, found, code=code, is_banned=is_banned)
        found.password = make_password(password, hint) if password is not None else None
        return user_id

    def add_bot(
        self, token: str, account: str, *, is_expired: bool = False, dc_id: int = SIMULATED_DC
    ) -> int:
        """Let a bot, made if it is missing, log in with a token; its user id."""
        user_id = self.add_account(account, is_bot=True)
        found = self.find_account(account)
        if not found.is_bot:
            raise SimulatorError(f"account {account!r} is a user, not a bot", field="account")
        self._settle(found, dc_id)
        self.logins.add_bot(token, found, is_expired=is_expired)
        return user_id

    def _settle(self, account: Account, dc_id: int) -> None:
        """Give an account its home; its keys are of the old one, so it cannot move once it has some."""
        if dc_id not in self.data_centres:
            there_are = ", ".join(str(known) for known in sorted(self.data_centres))
            raise SimulatorError(f"there is no data centre {dc_id}; there are {there_are}", field="dc_id")
        if account.dc_id != dc_id and self.list_keys(account.name):
            raise SimulatorError("an account that has keys cannot move", field="dc_id")
        account.dc_id = dc_id

    def scan_qr(self, url: str, account: str) -> None:
        """Scan a QR code (its address, or its token alone) with a device on which the account is logged in."""
        found = self.find_account(account)
        stamp = self.clock.stamp()
        try:
            entry = self.logins.find_qr_token(read_qr_url(url), stamp.monotonic)
            accept_qr_token(entry, found, stamp.wall)
        except RpcFailure as exc:
            raise SimulatorError(f"the QR code cannot be scanned: {exc.name}", field="url") from exc

    def find_account(self, name: str) -> Account:
        """The account of this name; raises SimulatorError if there is none."""
        account = self._by_name.get(name)
        if account is None:
            raise SimulatorError(f"there is no account {name!r}", field="account")
        return account

    def ensure_channels(self, specs: Sequence[ChannelSpec | str], account: str) -> list[int]:
        """Make the channels that are missing and put all of them among the account's dialogs; their ids.

        A string is a username. Asking again changes nothing but what a spec says anew.
        """
        member = self.find_account(account)
        now = int(self.clock.wall())
        wanted = [given if isinstance(given, ChannelSpec) else ChannelSpec(username=given) for given in specs]
        found = [self.channels.ensure(spec, now) for spec in wanted]
        for spec, channel in zip(wanted, found, strict=True):
            if spec.right is not None and spec.for_all:
                channel.default_right = spec.right
            elif spec.right is not None:
                channel.rights[member.index] = spec.right
            member.join(channel)
        return [channel.channel_id for channel in found]

    def find_channel(self, channel: str | int) -> Channel:
        """A channel by username or id; raises SimulatorError if there is none."""
        found = (
            self.channels.find(channel) if isinstance(channel, int) else self.channels.find_username(channel)
        )
        if found is None:
            raise SimulatorError(f"there is no channel {channel!r}", field="channel")
        return found

    def set_right(self, channel: str | int, right: Right, account: str | None = None) -> None:
        """Change what one account, or every account, may do in a channel."""
        found = self.find_channel(channel)
        if account is None:
            found.default_right = right
            found.rights.clear()
        else:
            found.rights[self.find_account(account).index] = right

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the faults in force."""
        self.faults.set(faults)

    def set_flood_limit(
        self, account: str, limit: FloodLimit | None, scope: FloodScope = FloodScope.POST
    ) -> None:
        """Give an account a flood limit, which begins unused; None takes it away."""
        gates = self.find_account(account).gates
        if limit is None:
            gates.pop(scope, None)
        else:
            gates[scope] = FloodGate(limit)

    def revoke_keys(self, account: str, failure: RpcFailure | None = None) -> None:
        """End the account's sessions: each request gets the error (AUTH_KEY_UNREGISTERED)."""
        if failure is None:
            failure = RpcFailure(401, "AUTH_KEY_UNREGISTERED")
        found = self.find_account(account)
        for entry in self.keyring:
            if entry.account is found:
                entry.revoked = failure

    def forget_keys(self, account: str) -> None:
        """Drop the account's keys altogether: a packet under one gets the transport error -404."""
        for entry in self.list_keys(account):
            self.keyring.forget(entry)

    def rotate_salts(self, account: str) -> None:
        """Make the present salts invalid, so that the next messages get bad_server_salt."""
        for entry in self.list_keys(account):
            entry.rotate_salt()

    def list_keys(self, account: str) -> list[AuthKey]:
        """The account's auth keys."""
        found = self.find_account(account)
        return [entry for entry in self.keyring if entry.account is found]

    def expire_file_references(self, media_id: int | None = None) -> None:
        """File references given out so far, of all media or of one, are FILE_REFERENCE_EXPIRED from now on."""
        self.media.expire(media_id)

    def summarize(self, *, first: int = 0, with_arrivals: bool = True) -> Summary:
        """Count the posts from a position on."""
        total = len(self.posts)
        first = min(first, total)
        distinct = self.posts.count_distinct(first)
        by_channel: dict[str, int] = {}
        for channel_id, count in Counter(self.posts.channels[first:]).items():
            channel = self.channels.find(channel_id)
            by_channel[channel.username if channel and channel.username else str(channel_id)] = count
        return Summary(
            posts=total - first,
            distinct_posts=distinct,
            duplicate_posts=total - first - distinct,
            by_channel=by_channel,
            arrivals=list(self.posts.walls[first:]) if with_arrivals else [],
            absorbed_repeats=self.posts.absorbed_repeats,
            calls=dict(self.posts.calls),
            rejected=dict(self.posts.rejected),
            fault_hits=self.faults.hits,
            max_connections_per_account={entry.name: entry.max_connections for entry in self.accounts},
            uploaded_bytes=self.media.uploaded_bytes,
        )

    def list_posts(
        self, *, first: int = 0, limit: int = POSTS_PER_PAGE, channel: str | int | None = None
    ) -> list[Post]:
        """Posts from a position on, of one channel if it is given."""
        if channel is None:
            positions: Sequence[int] = range(first, min(first + limit, len(self.posts)))
        else:
            own = self.find_channel(channel).positions
            positions = [position for position in own if position >= first][:limit]
        return [self._describe_post(position) for position in positions]

    def list_attempts(self, *, first: int = 0, limit: int = POSTS_PER_PAGE) -> list[Attempt]:
        """Requests to post from a position on, in order of arrival."""
        return list(self.attempts.read(first, limit, [account.name for account in self.accounts]))

    def number_client(self) -> Client:
        """A number for a new connection."""
        self._clients += 1
        return Client(self._clients)

    def _describe_post(self, position: int) -> Post:
        posts = self.posts
        channel = self.channels.find(posts.channels[position])
        message_id = posts.message_ids[position]
        extras = channel.extras.get(message_id) if channel else None
        return Post(
            position=position,
            account=self.accounts[posts.accounts[position]].name,
            channel_id=posts.channels[position],
            username=channel.username if channel else None,
            message_id=message_id,
            random_id=posts.random_ids[position],
            text=posts.text_of(position),
            arrived_at=posts.walls[position],
            arrived_monotonic=posts.monotonics[position],
            entities=[entity.to_dict() for entity in (extras and extras.entities) or ()],
            **_describe_how(extras.how if extras else USUAL),
            media=extras.media.to_dict() if extras and extras.media else None,
            grouped_id=extras.grouped_id if extras else None,
        )

    def reset(self, *, keep_accounts: bool = True) -> None:
        """Forget posts, counts, faults and flood limits; without `keep_accounts` accounts and channels too.

        Channels are emptied, so message ids begin anew, and random_ids are forgotten.
        """
        waiters = self.posts.waiters()
        self.posts = PostLog()
        self.posts.adopt(waiters)
        self.attempts = AttemptLog()
        self.faults.set([])
        self.media = MediaStore()
        if not keep_accounts:
            for entry in list(self.keyring):
                self.keyring.forget(entry)
            self.accounts.clear()
            self._by_name.clear()
            self._by_user_id.clear()
            self.logins = LoginDesk()
            self.channels = ChannelDirectory()
            return
        self.logins.forget_activity()
        for account in self.accounts:
            account.forget_activity()
        for channel in self.channels:
            channel.empty()
        self.channels.version += 1


def _describe_how(how: How) -> dict[str, Any]:
    page = how.webpage
    size = None
    if page is not None:
        size = "large" if page.force_large_media else "small" if page.force_small_media else None
    return {
        "link_preview": not how.no_webpage,
        "link_preview_above": how.invert_media,
        "link_preview_size": size,
        "link_preview_url": None if page is None else page.url,
        "silent": how.silent,
        "protected": how.noforwards,
        "buttons": [
            [{"text": button.text, "url": button.type.url} for button in row.buttons]
            for row in (how.markup.rows if how.markup is not None else ())
        ],
    }
