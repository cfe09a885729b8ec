"""Instants as texts."""

from datetime import UTC, datetime


def format_time(moment: datetime) -> str:
    """ISO 8601 in UTC with a Z, as everything that Vestnik writes for programs has it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
