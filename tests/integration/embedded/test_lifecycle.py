"""Starting, sharing and leaving the embedded server."""

import contextlib
import os
import socket
import stat
import sys
import threading
import time
from pathlib import Path
from random import Random

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.integration.embedded.scene import Scene, ask, copy_data, has_answer, keep_answer, wait_until
from vestnik.db.embedded import EmbeddedPostgres, attach, is_running
from vestnik.db.embedded.state import read_state

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets and modes")


def test_first_start_makes_a_utf8_database_that_sqlalchemy_can_use(empty_scene: Scene):
    with empty_scene.open() as server:
        engine = create_engine(server.url)
        with engine.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT current_database(), current_user, lower('ЁЖ'), current_setting('server_encoding')"
                )
            ).one()
        engine.dispose()
    assert tuple(row) == ("vestnik", "vestnik", "ёж", "UTF8")


@posix_only
def test_only_the_service_reaches_data_and_socket_and_nobody_without_password(scene: Scene):
    with scene.open() as server:
        assert server.address.host == str(scene.layout.socket_dir)
        for private in (scene.layout.socket_dir, scene.layout.cluster, scene.layout.clients_dir):
            assert stat.S_IMODE(os.stat(private).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(scene.layout.password_file).st_mode) == 0o600
        assert ask(server.dsn, "SHOW listen_addresses") == ""
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ask(server.dsn.replace(server.address.password, "wrong"))
        assert (
            ask(server.dsn, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'")
            == 0
        )
        assert server.address.password not in repr(server.address)


def test_durability_is_on_unless_a_test_switches_it_off(scene: Scene):
    with scene.open(fsync=True) as server:
        assert [ask(server.dsn, f"SHOW {name}") for name in ("fsync", "synchronous_commit")] == ["on", "on"]


@pytest.mark.timed
def test_a_second_command_joins_the_same_server_at_once(scene: Scene):
    with scene.open() as first:
        pid = scene.state().server_pid
        durations = []
        for _ in range(5):
            start = time.perf_counter()
            with EmbeddedPostgres(scene.folder) as second:
                durations.append(time.perf_counter() - start)
                assert second.address == first.address
        assert min(durations) < 0.05
        assert scene.state().server_pid == pid
        assert ask(first.dsn) == 1


def test_leaving_last_stops_server_and_guard(scene: Scene):
    with scene.open(stop_on_exit=False):
        assert scene.find_processes()
    scene.wait_until_nothing_runs(5)


def test_leaving_with_stop_on_exit_returns_when_all_is_gone(scene: Scene):
    with scene.open():
        pass
    assert not is_running(scene.folder)
    wait_until(lambda: not scene.find_processes(), "no process", 0.5)


@pytest.mark.timed
def test_leaving_with_stop_on_exit_keeps_the_server_for_others(scene: Scene):
    other = scene.start_client("hurry")
    dsn = other.read_line()
    start = time.perf_counter()
    with scene.open():
        pass
    assert time.perf_counter() - start < 5
    assert ask(dsn) == 1
    assert other.leave() == 0


def test_commands_in_a_row_reuse_the_server(scene: Scene):
    with scene.open(stop_on_exit=False):
        pid = scene.state().server_pid
    with scene.open():
        assert scene.state().server_pid == pid


def test_data_and_address_outlive_a_restart(scene: Scene):
    with scene.open() as server:
        before = server.address
        keep_answer(server.dsn)
    with scene.open() as server:
        assert has_answer(server.dsn)
        if sys.platform != "win32":
            assert server.address == before


def test_attach_joins_only_a_running_server(scene: Scene):
    assert attach(scene.folder) is None
    assert attach(scene.folder / "nowhere") is None
    with scene.open() as server:
        joined = attach(scene.folder)
        assert joined is not None
        with joined:
            assert joined.address == server.address
    assert attach(scene.folder) is None


def test_an_attached_command_keeps_the_server(scene: Scene):
    with scene.open(stop_on_exit=False):
        attached = scene.start_client("attach")
        dsn = attached.read_line()
    scene.layout.hurry_file.touch()
    assert ask(dsn) == 1
    assert attached.leave() == 0
    scene.wait_until_nothing_runs(5)


def test_commands_that_start_together_share_one_server(empty_scene: Scene):
    clients = [empty_scene.start_client() for _ in range(6)]
    addresses = {client.read_line() for client in clients}
    assert len(addresses) == 1
    assert empty_scene.count_guards() == 1
    assert ask(addresses.pop()) == 1


def test_a_command_that_comes_while_the_server_stops_gets_a_working_one(scene: Scene):
    for _ in range(3):
        with scene.open(stop_on_exit=False):
            old = scene.state()
            scene.layout.hurry_file.touch()
        # The guard has just decided: it forgets what it said before it stops the server.
        wait_until(lambda: not scene.layout.state_file.exists(), "the decision")
        with scene.open(stop_on_exit=False) as server:
            assert ask(server.dsn) == 1
            assert scene.state().server_pid != old.server_pid


def test_commands_that_come_and_go_at_random_always_get_a_working_server(scene: Scene):
    problems: list[Exception] = []

    def come_and_go(seed: int) -> None:
        random = Random(seed)
        try:
            for _ in range(5):
                with scene.open(stop_on_exit=random.random() < 0.7) as server:
                    ask(server.dsn)
                pause.wait(random.random() / 5)
        except Exception as error:  # noqa: BLE001 — shown by the test's own thread
            problems.append(error)

    pause = threading.Event()  # never set: a wait of the given length
    threads = [threading.Thread(target=come_and_go, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@posix_only
@pytest.mark.parametrize("name", ["с пробелом и буквами", "comma,quote'\"" * 9])
def test_any_folder_name_works(tmp_path: Path, prepared_data: Path, name: str):
    scene = Scene(tmp_path / name)
    copy_data(prepared_data, scene.folder)
    with scene.open() as server:
        assert ask(server.dsn) == 1
        assert len(os.fsencode(server.address.host)) < 90
        assert stat.S_IMODE(os.stat(server.address.host).st_mode) == 0o700
    scene.dispose()
    if not scene.layout.socket_dir.is_relative_to(scene.folder):
        assert not scene.layout.socket_dir.exists()


@posix_only
def test_terminal_and_session_are_not_shared_with_the_guard(scene: Scene):
    with scene.open():
        guard, server = scene.state().guard_pid, scene.state().server_pid
        assert os.getsid(guard) not in {os.getsid(0), 0}
        assert os.getsid(server) == os.getsid(guard)


def test_another_server_on_the_usual_port_is_no_obstacle(scene: Scene):
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # taken: then a real one is there, which serves as well
            stranger.bind(("127.0.0.1", 5432))
        with scene.open() as server:
            assert ask(server.dsn) == 1


def test_the_state_is_written_again_when_somebody_removed_it(scene: Scene):
    with scene.open():
        scene.layout.state_file.unlink()
        wait_until(lambda: read_state(scene.layout.state_file), "the state")
