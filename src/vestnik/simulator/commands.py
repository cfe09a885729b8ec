"""The commands of the control port: their arguments, checked, and what they do.

Every command is one frozen dataclass whose fields are its arguments; its `run` does the work. A channel is
given as a username or an id.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Protocol, cast

from pydantic import Field, TypeAdapter, ValidationError

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.channels import ChannelSpec, Right
from vestnik.simulator.endpoint import SIMULATED_DC
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.faults import Fault
from vestnik.simulator.floods import FloodLimit, FloodScope
from vestnik.simulator.options import Options, RandomIdAnswer
from vestnik.simulator.state import POSTS_PER_PAGE, Simulator

if TYPE_CHECKING:
    import asyncio

Result = Any
"""What json.dumps takes, or a future of it."""


@dataclass(frozen=True, slots=True)
class ControlTarget:
    """What commands work on."""

    simulator: Simulator
    read_public_key: Callable[[], str]
    drop_connections: Callable[[], int]


class Command(Protocol):
    """One command with its arguments filled in."""

    def run(self, target: ControlTarget) -> Result:
        """Do it; raises SimulatorError."""
        ...


class _Arguments:
    __slots__ = ()
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ping(_Arguments):
    """Nothing but an answer."""

    def run(self, target: ControlTarget) -> Result:  # noqa: ARG002
        """An empty object."""
        return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class AddAccount(_Arguments):
    """Make an account, or give it another key."""

    name: Annotated[str, Field(min_length=1)]
    auth_key: str | None = None
    is_bot: bool = False

    def run(self, target: ControlTarget) -> Result:
        """The user id."""
        try:
            key = bytes.fromhex(self.auth_key) if self.auth_key is not None else None
        except ValueError as exc:
            raise SimulatorError("an auth key is written as hexadecimal digits", field="auth_key") from exc
        return target.simulator.add_account(self.name, key, is_bot=self.is_bot)


@dataclass(frozen=True, kw_only=True, slots=True)
class AddPhone(_Arguments):
    """Let an account log in with a phone number; replaces what was said of it before."""

    number: str
    account: Annotated[str, Field(min_length=1)]
    code: Annotated[str, Field(min_length=1)] | None = None
    password: str | None = None
    hint: str = ""
    is_banned: bool = False
    dc_id: int = SIMULATED_DC

    def run(self, target: ControlTarget) -> Result:
        """The user id."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return target.simulator.add_phone(**given)


@dataclass(frozen=True, kw_only=True, slots=True)
class AddBot(_Arguments):
    """Let a bot log in with a token."""

    token: Annotated[str, Field(min_length=1)]
    account: Annotated[str, Field(min_length=1)]
    is_expired: bool = False
    dc_id: int = SIMULATED_DC

    def run(self, target: ControlTarget) -> Result:
        """The user id."""
        return target.simulator.add_bot(
            self.token, self.account, is_expired=self.is_expired, dc_id=self.dc_id
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanQr(_Arguments):
    """Scan a QR code with a device of an account."""

    url: str
    account: str

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.scan_qr(self.url, self.account)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpireCodes(_Arguments):
    """Make every login code and QR code given out so far too old."""

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.logins.expire_codes()


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsureChannels(_Arguments):
    """Make channels and put them among an account's dialogs."""

    account: str
    channels: list[ChannelSpec | str]

    def run(self, target: ControlTarget) -> Result:
        """Their ids, in order."""
        return target.simulator.ensure_channels(self.channels, self.account)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetRight(_Arguments):
    """Change what an account, or everyone, may do in a channel."""

    channel: str | int
    right: Right
    account: str | None = None

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.set_right(self.channel, self.right, self.account)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetFaults(_Arguments):
    """Replace the faults in force."""

    faults: list[Fault]

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.set_faults(self.faults)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetFloodLimit(_Arguments):
    """Give an account a flood limit, or take it away."""

    account: str
    limit: FloodLimit | None = None
    scope: FloodScope = FloodScope.POST

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.set_flood_limit(self.account, self.limit, self.scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetOptions(_Arguments):
    """Change the options that are given; the others stay."""

    random_id: RandomIdAnswer | None = None
    latency: Annotated[float, Field(ge=0, le=3600)] | None = None
    latency_jitter: Annotated[float, Field(ge=0, le=3600)] | None = None
    gzip_above: Annotated[int, Field(ge=0)] | None = None
    one_connection_per_key: bool | None = None

    def run(self, target: ControlTarget) -> Result:
        """All options as they are now."""
        given = {field.name: getattr(self, field.name) for field in fields(Options)}
        changes = {name: value for name, value in given.items() if value is not None}
        target.simulator.options = replace(target.simulator.options, **changes)
        return asdict(target.simulator.options)


@dataclass(frozen=True, kw_only=True, slots=True)
class RevokeKeys(_Arguments):
    """End an account's sessions with an error, or forget its keys altogether (-404)."""

    account: str
    code: int = 401
    name: Annotated[str, Field(min_length=1)] = "AUTH_KEY_UNREGISTERED"
    forget: bool = False

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        if self.forget:
            target.simulator.forget_keys(self.account)
        else:
            target.simulator.revoke_keys(self.account, RpcFailure(self.code, self.name))


@dataclass(frozen=True, kw_only=True, slots=True)
class RotateSalts(_Arguments):
    """Make an account's salts invalid."""

    account: str

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.rotate_salts(self.account)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpireFileReferences(_Arguments):
    """Make file references given out so far invalid: all, or those of one medium."""

    media_id: int | None = None

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.expire_file_references(self.media_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class DropConnections(_Arguments):
    """Cut every client's connection."""

    def run(self, target: ControlTarget) -> Result:
        """How many there were."""
        return target.drop_connections()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetPublicKey(_Arguments):
    """What a client without a key has to trust."""

    def run(self, target: ControlTarget) -> Result:
        """The RSA key as PKCS#1 PEM."""
        return target.read_public_key()


@dataclass(frozen=True, kw_only=True, slots=True)
class GetSummary(_Arguments):
    """Count the posts from a position on."""

    first: Annotated[int, Field(ge=0)] = 0
    with_arrivals: bool = True

    def run(self, target: ControlTarget) -> Result:
        """A Summary as an object."""
        return asdict(target.simulator.summarize(first=self.first, with_arrivals=self.with_arrivals))


@dataclass(frozen=True, kw_only=True, slots=True)
class GetPosts(_Arguments):
    """A page of posts."""

    first: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=POSTS_PER_PAGE)] = POSTS_PER_PAGE
    channel: str | int | None = None

    def run(self, target: ControlTarget) -> Result:
        """Posts as objects."""
        posts = target.simulator.list_posts(first=self.first, limit=self.limit, channel=self.channel)
        return [asdict(post) for post in posts]


@dataclass(frozen=True, kw_only=True, slots=True)
class GetAttempts(_Arguments):
    """A page of requests to post."""

    first: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=POSTS_PER_PAGE)] = POSTS_PER_PAGE

    def run(self, target: ControlTarget) -> Result:
        """Attempts as objects."""
        return [
            asdict(attempt) for attempt in target.simulator.list_attempts(first=self.first, limit=self.limit)
        ]


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitPosts(_Arguments):
    """Wait until there are so many posts; the caller sets the deadline."""

    count: Annotated[int, Field(ge=0)]

    def run(self, target: ControlTarget) -> "asyncio.Future[int]":
        """How many there are."""
        return target.simulator.posts.wait_for(self.count)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reset(_Arguments):
    """Forget posts, counts, faults and flood limits."""

    keep_accounts: bool = True

    def run(self, target: ControlTarget) -> Result:
        """Nothing."""
        target.simulator.reset(keep_accounts=self.keep_accounts)


_COMMANDS: Final[dict[str, TypeAdapter[Command]]] = {
    name: cast("TypeAdapter[Command]", TypeAdapter(command))
    for name, command in {
        "ping": Ping,
        "add_account": AddAccount,
        "add_phone": AddPhone,
        "add_bot": AddBot,
        "scan_qr": ScanQr,
        "expire_codes": ExpireCodes,
        "ensure_channels": EnsureChannels,
        "set_right": SetRight,
        "set_faults": SetFaults,
        "set_flood_limit": SetFloodLimit,
        "set_options": SetOptions,
        "revoke_keys": RevokeKeys,
        "rotate_salts": RotateSalts,
        "expire_file_references": ExpireFileReferences,
        "drop_connections": DropConnections,
        "public_key": GetPublicKey,
        "summary": GetSummary,
        "posts": GetPosts,
        "attempts": GetAttempts,
        "wait_posts": WaitPosts,
        "reset": Reset,
    }.items()
}


def read_command(message: dict[str, Any]) -> Command:
    """Check a command line; raises SimulatorError naming the field at fault."""
    unknown = sorted(message.keys() - {"id", "command", "arguments"})
    if unknown:
        raise SimulatorError(f"unknown member {unknown[0]!r}", field=unknown[0])
    name, arguments = message.get("command"), message.get("arguments", {})
    adapter = _COMMANDS.get(name) if isinstance(name, str) else None
    if adapter is None:
        raise SimulatorError(
            f"unknown command {name!r}; there are {', '.join(sorted(_COMMANDS))}", field="command"
        )
    if not isinstance(arguments, dict):
        raise SimulatorError("arguments have to be an object", field="arguments")
    try:
        return adapter.validate_python(arguments)
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in error["loc"])
        raise SimulatorError(f"{field}: {error['msg']}", field=field) from exc
