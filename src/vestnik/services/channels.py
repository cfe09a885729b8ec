"""Channels: taking lists of them over."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.audit import record_audit
from vestnik.db.channels import store_channels
from vestnik.domain.actors import Actor
from vestnik.domain.channels import InvalidLine, parse_channel_list
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import ChannelId

_QUOTED_LINES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResult:
    """What became of a list. `channels` are all it names, in its order; imported ones are new or were deleted."""

    channels: tuple[ChannelId, ...]
    imported: int
    existing: int
    duplicates: int
    """Lines that name a channel a second time."""
    invalid: tuple[InvalidLine, ...]


async def import_channels(session: AsyncSession, actor: Actor, data: bytes) -> ImportResult:
    """Take over a list of channels, one a line (see domain.channels); bad lines are left out and reported.

    Raises InvalidInputError, nothing being stored, when it is no text, too long or names no channel at all.
    """
    channels = parse_channel_list(data)
    if not channels.names:
        raise InvalidInputError(_describe_empty(channels.invalid), field="channels")
    stored = await store_channels(session, channels.names)
    result = ImportResult(
        channels=stored.ids,
        imported=stored.inserted + stored.revived,
        existing=stored.existing,
        duplicates=channels.duplicates,
        invalid=channels.invalid,
    )
    if result.imported:
        await record_audit(
            session,
            actor,
            "channels.imported",
            "channels",
            "import",
            after={"imported": result.imported, "existing": result.existing, "invalid": len(result.invalid)},
        )
    return result


def _describe_empty(invalid: tuple[InvalidLine, ...]) -> str:
    if not invalid:
        return "the list names no channel; give one a line, such as @name or https://t.me/name"
    first = "; ".join(f"line {bad.line} '{bad.text}': {bad.reason}" for bad in invalid[:_QUOTED_LINES])
    more = f"; and {len(invalid) - _QUOTED_LINES} more" if len(invalid) > _QUOTED_LINES else ""
    return f"the list names no channel: {first}{more}"
