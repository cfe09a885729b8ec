"""What a process sees of the machine that it runs on."""

import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vestnik.domain.alerts import Alert, AlertKind, AlertRules
from vestnik.domain.media import MIB
from vestnik.services.alert_records import OwnFindings

STEP: Final = 64
"""MiB."""


def look_at_machine(
    data_dir: Path, rules: AlertRules, *, read_free: Callable[[Path], int] | None = None
) -> OwnFindings:
    """What is wrong here. A disk that cannot be asked is no finding: it may be a folder that is not made yet."""
    host = platform.node()
    try:
        free = (read_free or _read_free)(data_dir)
    except OSError:
        return OwnFindings(host=host)
    if free >= rules.least_free:
        return OwnFindings(host=host)
    alert = Alert(
        kind=AlertKind.DISK_NEARLY_FULL, is_urgent=True, name=host, detail=_describe_space(free, host)
    )
    return OwnFindings(host=host, alerts=[alert])


def _read_free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _describe_space(free: int, host: str) -> str:
    # In steps, so that it is not another sentence every time.
    left = free // MIB
    return f"On {host} there are {left // STEP * STEP or left} MiB left."
