"""What both ways of restoring a backup end with: nothing goes out by itself, and are its secrets readable?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vestnik.cli.context import identify_actor
from vestnik.cli.output import count_of, print_warning
from vestnik.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.db.restore import AfterRestore
    from vestnik.db.secrets import StoredKeys
    from vestnik.settings import Settings

_CURE = (
    "put the key that was in use when the backup was made into that place, behind the newer one if there is another "
    "('vestnik secrets status' tells whether it fits), or log in the accounts anew"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What was made harmless, and how many stored secrets the keys at hand do not open.

    `fault` says why there are no usable keys at all.
    """

    after_restore: "AfterRestore"
    key_source: str
    unreadable_secrets: int
    fault: str | None = None


def settle_restored(url: "URL", settings: "Settings") -> Settled:
    """Make the database of that address harmless, whatever its secrets were encrypted with."""
    from vestnik import bootstrap
    from vestnik.db.engine import make_engine
    from vestnik.db.secrets import StoredKeys

    async def settle() -> Settled:
        engine = make_engine(url, name="command", pool_size=1, may_be_pooled=True)
        try:
            return await _settle(engine, StoredKeys(settings.secret_key, settings.data_dir))
        finally:
            await engine.dispose()

    return bootstrap.run_async(settle())


async def _settle(engine: "AsyncEngine", keys: "StoredKeys") -> Settled:
    from vestnik.db.engine import open_session
    from vestnik.services import restore, secrets

    async with open_session(engine) as session:
        done = await restore.settle_restore(session, identify_actor())
    try:
        status = await secrets.get_secrets_status(engine, keys)
    except ConfigurationError as exc:
        return Settled(after_restore=done, key_source=keys.source, unreadable_secrets=0, fault=exc.message)
    return Settled(after_restore=done, key_source=keys.source, unreadable_secrets=len(status.unreadable))


def warn_of_secrets(settled: Settled) -> None:
    """Say what cannot be read, and what to do about it."""
    if settled.fault is not None:
        print_warning(f"the keys of stored secrets cannot be used: {settled.fault}")
    elif settled.unreadable_secrets:
        print_warning(
            f"{count_of(settled.unreadable_secrets, 'secret')} of the backup (sessions and the like) cannot be opened "
            f"with {settled.key_source}: {_CURE}"
        )


def print_restored(done: "AfterRestore") -> None:
    """What was made harmless, and what comes next."""
    if done.campaigns:
        names = ", ".join(f"'{campaign.name}' (was {campaign.was})" for campaign in done.campaigns)
        print(f"{count_of(len(done.campaigns), 'campaign')} paused (RESTORED): {names}.")
    else:
        print("No campaign was running or scheduled.")
    if done.commands:
        print(f"{count_of(done.commands, 'direct post')} ended with an unknown outcome (UNKNOWN_OUTCOME).")
    print(
        f"The leases of {count_of(done.accounts, 'account')} are free under new epochs: "
        "no worker from before the restore can send any more."
    )
    if done.campaigns:
        print("Next: vestnik campaign resume CAMPAIGN, for each that is to go on")
