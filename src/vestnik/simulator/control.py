"""The client of the control port, for other processes."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.attempts import Attempt
from vestnik.simulator.channels import ChannelSpec, Right
from vestnik.simulator.control_server import MAX_LINE
from vestnik.simulator.endpoint import SIMULATED_DC, SimulatorEndpoint
from vestnik.simulator.faults import Fault
from vestnik.simulator.floods import FloodLimit, FloodScope
from vestnik.simulator.options import Options, RandomIdAnswer
from vestnik.simulator.posts import Post, Summary


class SimulatorControl:
    """One connection to a simulator's control port.

    Commands of several tasks take turns, so while `wait_for_posts` waits the others wait too: use a second
    connection for that. Every method raises SimulatorError, also when the simulator is gone; after that, or
    after a cancelled call, make a new one.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = asyncio.Lock()
        self._number = 0
        self._broken = False

    @classmethod
    async def connect(cls, endpoint: SimulatorEndpoint) -> Self:
        """Open a connection and show the token."""
        try:
            reader, writer = await asyncio.open_connection(
                endpoint.host, endpoint.control_port, limit=MAX_LINE
            )
        except OSError as exc:
            raise SimulatorError(
                f"no simulator answers at {endpoint.host}:{endpoint.control_port}: {exc}"
            ) from exc
        control = cls(reader, writer)
        try:
            await control._exchange({"token": endpoint.token})
        except BaseException:
            await control.close()
            raise
        return control

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; may be called twice."""
        self._broken = True
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return

    async def ping(self) -> None:
        """Find out whether the simulator is there."""
        await self.call("ping")

    async def add_account(self, name: str, auth_key: bytes | None = None, *, is_bot: bool = False) -> int:
        """Make an account, or give it another key; its user id."""
        key = auth_key.hex() if auth_key is not None else None
        return int(await self.call("add_account", name=name, auth_key=key, is_bot=is_bot))

    async def add_phone(
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
        """Let an account, made if it is missing, log in with a phone number (digits only); its user id.

        The code is the data centre's number five times, 22222, unless one is given. A number that was never added
        gets a code too, and has to sign up.
        """
        result = await self.call(
            "add_phone",
            number=number,
            account=account,
            code=code,
            password=password,
            hint=hint,
            is_banned=is_banned,
            dc_id=dc_id,
        )
        return int(result)

    async def add_bot(
        self, token: str, account: str, *, is_expired: bool = False, dc_id: int = SIMULATED_DC
    ) -> int:
        """Let a bot, made if it is missing, log in with a token; its user id."""
        result = await self.call("add_bot", token=token, account=account, is_expired=is_expired, dc_id=dc_id)
        return int(result)

    async def scan_qr(self, url: str, account: str) -> None:
        """Scan a QR code, by the address in it, with a device on which the account is logged in."""
        await self.call("scan_qr", url=url, account=account)

    async def expire_codes(self) -> None:
        """Make every login code and QR code given out so far too old."""
        await self.call("expire_codes")

    async def ensure_channels(self, channels: Sequence[ChannelSpec | str], account: str) -> list[int]:
        """Make the channels that are missing and put all among the account's dialogs; their ids in order."""
        given = [spec if isinstance(spec, str) else asdict(spec) for spec in channels]
        ids = await self.call("ensure_channels", channels=given, account=account)
        return [int(channel_id) for channel_id in ids]

    async def set_right(self, channel: str | int, right: Right, account: str | None = None) -> None:
        """Change what one account, or everyone, may do in a channel."""
        await self.call("set_right", channel=channel, right=right, account=account)

    async def set_faults(self, faults: Sequence[Fault]) -> None:
        """Replace the faults in force; counting begins anew."""
        await self.call("set_faults", faults=[asdict(fault) for fault in faults])

    async def clear_faults(self) -> None:
        """From now on nothing goes wrong."""
        await self.call("set_faults", faults=[])

    async def set_flood_limit(
        self, account: str, limit: FloodLimit | None, scope: FloodScope = FloodScope.POST
    ) -> None:
        """Give an account a flood limit; None takes it away."""
        given = asdict(limit) if limit is not None else None
        await self.call("set_flood_limit", account=account, limit=given, scope=scope)

    async def set_options(
        self,
        *,
        random_id: RandomIdAnswer | None = None,
        latency: float | None = None,
        latency_jitter: float | None = None,
        gzip_above: int | None = None,
        one_connection_per_key: bool | None = None,
    ) -> Options:
        """Change the options that are given; all options as they are now."""
        result = await self.call(
            "set_options",
            random_id=random_id,
            latency=latency,
            latency_jitter=latency_jitter,
            gzip_above=gzip_above,
            one_connection_per_key=one_connection_per_key,
        )
        return Options(**{**result, "random_id": RandomIdAnswer(result["random_id"])})

    async def revoke_keys(
        self, account: str, *, code: int = 401, name: str = "AUTH_KEY_UNREGISTERED", forget: bool = False
    ) -> None:
        """End an account's sessions with an error; with `forget` its keys get the transport error -404."""
        await self.call("revoke_keys", account=account, code=code, name=name, forget=forget)

    async def rotate_salts(self, account: str) -> None:
        """Make the next messages of an account get bad_server_salt."""
        await self.call("rotate_salts", account=account)

    async def expire_file_references(self, media_id: int | None = None) -> None:
        """Make file references given out so far FILE_REFERENCE_EXPIRED: all, or those of one medium."""
        await self.call("expire_file_references", media_id=media_id)

    async def drop_connections(self) -> int:
        """Cut every client's connection; how many there were."""
        return int(await self.call("drop_connections"))

    async def read_public_key(self) -> str:
        """The RSA key as PEM, for telethon.crypto.rsa.add_key."""
        return str(await self.call("public_key"))

    async def summarize(self, *, first: int = 0, with_arrivals: bool = True) -> Summary:
        """Count the posts from a position on."""
        return Summary(**await self.call("summary", first=first, with_arrivals=with_arrivals))

    async def list_posts(
        self, *, first: int = 0, limit: int = 10_000, channel: str | int | None = None
    ) -> list[Post]:
        """At most 10,000 posts from a position on."""
        posts = await self.call("posts", first=first, limit=limit, channel=channel)
        return [Post(**post) for post in posts]

    async def list_attempts(self, *, first: int = 0, limit: int = 10_000) -> list[Attempt]:
        """At most 10,000 requests to post from a position on, whatever became of them."""
        return [Attempt(**attempt) for attempt in await self.call("attempts", first=first, limit=limit)]

    async def wait_for_posts(self, count: int) -> int:
        """Wait until there are so many; wrap it in asyncio.timeout. How many there are."""
        return int(await self.call("wait_posts", count=count))

    async def reset(self, *, keep_accounts: bool = True) -> None:
        """Forget posts, counts, faults and flood limits; without `keep_accounts` everything."""
        await self.call("reset", keep_accounts=keep_accounts)

    async def call(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Any command with its arguments as JSON values; its result as JSON."""
        async with self._lock:
            self._number += 1
            return await self._exchange({"id": self._number, "command": command, "arguments": arguments})

    async def _exchange(self, message: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        if self._broken:
            raise SimulatorError("the connection to the simulator is closed")
        self._broken = True
        try:
            self._writer.write(json.dumps(message).encode() + b"\n")
            await self._writer.drain()
            line = await self._reader.readline()
        except (OSError, ValueError) as exc:
            raise SimulatorError(f"the connection to the simulator is lost: {exc}") from exc
        if not line.endswith(b"\n"):
            raise SimulatorError("the simulator has closed the connection")
        self._broken = False
        answer = json.loads(line)
        if not answer["ok"]:
            error = answer["error"]
            raise SimulatorError(error["message"], field=error["field"])
        return answer["result"]
