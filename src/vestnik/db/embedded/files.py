"""Files that we make in a data directory: private, and its owner's even when root makes them."""

import os
import sys
from pathlib import Path


def open_private(path: Path, flags: int) -> int:
    """Open a file for us alone (0600 when it is made) and return its descriptor; never through a link."""
    descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        _inherit_owner(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_log(path: Path) -> int:
    """Open a log for appending; may be handed to children."""
    return open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def write_private(path: Path, text: str) -> None:
    """Write a whole file, replacing what it held."""
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
        file.write(text)


def make_folder(path: Path, mode: int) -> None:
    """Make a folder unless it is there already."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    if sys.platform != "win32" and os.geteuid() == 0:
        folder = os.stat(path.parent)
        os.lchown(path, folder.st_uid, folder.st_gid)


def _inherit_owner(path: Path, descriptor: int) -> None:
    """As root in somebody's folder, leave him what we make, or he could not go on without root."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    folder, file = os.stat(path.parent), os.fstat(descriptor)
    if file.st_uid == 0 and folder.st_uid != 0:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
