"""As whom the server runs: as root, as root of a container, as an ordinary user, and when none of it works.

Commands of other accounts and with fewer rights are processes of their own, so most of this needs root.
"""

import os
import stat
import sys
from pathlib import Path

import psutil
import pytest

from tests.integration.embedded.scene import Client, Scene, ask, has_answer, keep_answer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="switching accounts needs root, capabilities Linux"
)

# What containers leave root by default: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, …
CONTAINER_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
SETUID = 7
CAP_DAC_READ_SEARCH = 1 << 2

# Takes an account and capabilities away from itself, then becomes the command. An ordinary user keeps the right
# to read, because the interpreter of the tests may lie in a folder that is closed to him.
_WRAPPER = """
import ctypes, os, sys
from vestnik.db.embedded.privileges import Runner
kind, value, *command = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
if kind == "user":
    Runner(uid=int(value), gid=int(value), capability=2).become(libc)
elif kind == "capabilities":
    keep = {int(number) for number in value.split(",")}
    for number in range(64):
        if number not in keep:
            libc.prctl(24, number, 0, 0, 0)
elif kind in ("small_disk", "full_disk"):
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None):
        sys.exit(77)
    if libc.mount(b"tmpfs", value.encode(), b"tmpfs", 0, b"size=24m,mode=700"):
        sys.exit(77)
    if kind == "full_disk":
        with open(value + "/filling", "wb", buffering=0) as file:
            while os.statvfs(value).f_bfree:
                file.write(bytes(4096))
os.execv(command[0], command)
"""


def start_as(scene: Scene, kind: str, value: object) -> Client:
    return scene.start_client("hurry", prefix=[sys.executable, "-c", _WRAPPER, kind, str(value)])


def make_users_folder(scene: Scene, uid: int) -> None:
    scene.folder.mkdir(mode=0o700)
    os.chown(scene.folder, uid, uid)


def find_nobody() -> int:
    import pwd

    return pwd.getpwnam("nobody").pw_uid


def read_rights(pid: int) -> set[int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {int(fields[1], 16) for fields in lines if fields[0] in {"CapEff:", "CapPrm:", "CapAmb:"}}


def list_modes(path: Path) -> list[int]:
    return [stat.S_IMODE(os.stat(folder).st_mode) for folder in path.parents]


def test_as_root_the_server_runs_under_a_number_without_account_and_changes_no_permission(empty_scene: Scene):
    import pwd

    accounts, modes = pwd.getpwall(), list_modes(empty_scene.folder)
    with empty_scene.open() as server:
        assert ask(server.dsn) == 1
        process = psutil.Process(empty_scene.state().server_pid)
        assert {process.uids().real, process.uids().effective} == {os.stat(empty_scene.layout.cluster).st_uid}
        assert read_rights(process.pid) <= {0, CAP_DAC_READ_SEARCH}
        with pytest.raises(KeyError):
            pwd.getpwuid(process.uids().real)
    assert pwd.getpwall() == accounts
    assert list_modes(empty_scene.folder) == modes


def test_root_of_a_container_is_enough(empty_scene: Scene):
    client = start_as(empty_scene, "capabilities", ",".join(map(str, CONTAINER_CAPABILITIES)))
    assert ask(client.read_line()) == 1
    assert client.leave() == 0


def test_root_that_cannot_become_somebody_else_is_told_what_to_do(empty_scene: Scene):
    client = start_as(empty_scene, "capabilities", ",".join(map(str, CONTAINER_CAPABILITIES - {SETUID})))
    line = client.read_line()
    assert line.startswith("ConfigurationError: PostgreSQL refuses to run as root")
    assert "ordinary user" in line
    assert "DATABASE_URL" in line
    assert client.leave() == 1


def test_an_ordinary_user_needs_nobody_else(empty_scene: Scene):
    uid = find_nobody()
    make_users_folder(empty_scene, uid)
    client = start_as(empty_scene, "user", uid)
    dsn = client.read_line()
    keep_answer(dsn)
    old = empty_scene.state()
    assert psutil.Process(old.guard_pid).uids().real == psutil.Process(old.server_pid).uids().real == uid
    empty_scene.kill_server()
    empty_scene.wait_for_new_server(old)
    old = empty_scene.state()
    empty_scene.kill_guard()
    empty_scene.wait_for_new_server(old)
    assert has_answer(dsn)
    assert client.leave() == 0


def test_root_in_an_ordinary_users_folder_leaves_it_usable_for_him(empty_scene: Scene):
    uid = find_nobody()
    make_users_folder(empty_scene, uid)
    with empty_scene.open() as server:
        keep_answer(server.dsn)
    client = start_as(empty_scene, "user", uid)
    assert has_answer(client.read_line())
    assert client.leave() == 0


def test_a_user_without_account_is_told_what_is_missing(empty_scene: Scene):
    make_users_folder(empty_scene, 61999)
    client = start_as(empty_scene, "user", 61999)
    line = client.read_line()
    assert line.startswith("ConfigurationError: User number 61999 has no entry")
    assert client.leave() == 1


def test_a_folder_that_may_not_be_written_is_refused(empty_scene: Scene):
    client = start_as(empty_scene, "user", find_nobody())
    line = client.read_line()
    assert line.startswith(f"ConfigurationError: The data directory {empty_scene.folder} cannot be written")
    assert not empty_scene.folder.exists()


def test_a_folder_of_another_user_is_refused(scene: Scene):
    client = start_as(scene, "user", find_nobody())
    assert "cannot be written: Permission denied" in client.read_line()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("small_disk", "initdb failed"),
        ("full_disk", "The guard of the embedded PostgreSQL ended without a word"),
    ],
)
def test_a_full_disk_is_named(empty_scene: Scene, kind: str, words: str):
    empty_scene.folder.mkdir()
    client = start_as(empty_scene, kind, empty_scene.folder)
    line = client.read_line()
    if client.leave() == 77:
        pytest.skip("no right to mount")
    assert line.startswith(f"DatabaseUnavailableError: {words}: the disk is full")
