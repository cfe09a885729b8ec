"""What an examination of an installation found, and how its measurements are judged."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """How it stands with one thing that was examined."""

    OK = "OK"
    WARNING = "WARNING"
    """It works, and somebody should know."""
    FAULT = "FAULT"
    """Something does not work, or will not."""


class Part(StrEnum):
    """The process that an installation is examined for."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line. `check` says what was looked at, `cure` what to do about anything but OK."""

    check: str
    verdict: Verdict
    text: str
    cure: str | None = None

    @classmethod
    def ok(cls, check: str, text: str) -> "Finding":
        """Nothing to do."""
        return cls(check=check, verdict=Verdict.OK, text=text)

    @classmethod
    def warn(cls, check: str, text: str, cure: str) -> "Finding":
        """To be known."""
        return cls(check=check, verdict=Verdict.WARNING, text=text, cure=cure)

    @classmethod
    def fault(cls, check: str, text: str, cure: str) -> "Finding":
        """To be mended."""
        return cls(check=check, verdict=Verdict.FAULT, text=text, cure=cure)


CLOCK_WARNING: Final = timedelta(seconds=5)
CLOCK_FAULT: Final = timedelta(seconds=30)
"""Telegram refuses messages from further in the future (https://core.telegram.org/mtproto/description, msg_id)."""

DISK_FAULT: Final = 100 * 1024**2
DISK_WARNING: Final = 1024**3


def judge_clock(check: str, whose: str, ahead: timedelta, *, uncertainty: timedelta) -> Finding:
    """`ahead` is how far this machine's clock is before the other, whose reading may be off by `uncertainty`."""
    apart = max(abs(ahead) - uncertainty, timedelta(0))
    if apart < CLOCK_WARNING:
        return Finding.ok(check, f"this machine's clock agrees with {whose}")
    direction = "ahead of" if ahead > timedelta(0) else "behind"
    text = f"this machine's clock is {describe_duration(abs(ahead))} {direction} {whose}"
    cure = "set it by a time server: 'timedatectl set-ntp true' on Linux, 'w32tm /resync' on Windows"
    return (Finding.fault if apart >= CLOCK_FAULT else Finding.warn)(check, text, cure)


def judge_space(check: str, where: str, free: int) -> Finding:
    """`free` is in bytes, for an ordinary user."""
    text = f"{describe_size(free)} free {where}"
    cure = (
        "free some: the embedded database, logs and files of media grow there, and a full disk stops sending"
    )
    if free < DISK_FAULT:
        return Finding.fault(check, text, cure)
    return Finding.warn(check, text, cure) if free < DISK_WARNING else Finding.ok(check, text)


def describe_duration(length: timedelta) -> str:
    """In the unit that fits, such as `5.0 min`."""
    seconds = length.total_seconds()
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def describe_size(size: int) -> str:
    """In the unit that fits, such as `3.4 GiB`."""
    for unit, bytes_each in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= bytes_each:
            return f"{size / bytes_each:.1f} {unit}"
    return f"{size} bytes"
