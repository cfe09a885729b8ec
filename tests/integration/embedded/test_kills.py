"""kill -9 of every process, and what an earlier life left behind."""

import os
import subprocess
import sys
import time
from datetime import timedelta

import psycopg
import pytest

from tests.integration.embedded.scene import Scene, ask, has_answer, keep_answer, wait_until
from vestnik.db.embedded import is_running
from vestnik.db.embedded.binaries import find_binaries
from vestnik.db.embedded.postmaster import Postmaster
from vestnik.db.embedded.privileges import choose_runner
from vestnik.db.embedded.state import GuardState, Phase, write_state

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_killing_the_last_command_stops_everything(scene: Scene):
    client = scene.start_client()
    assert ask(client.read_line()) == 1
    client.kill()
    scene.wait_until_nothing_runs(5)
    assert not list(scene.layout.clients_dir.iterdir())


def test_killing_one_command_leaves_the_others_their_server(scene: Scene):
    with scene.open() as server:
        client = scene.start_client()
        client.read_line()
        old = scene.state()
        client.kill()
        wait_until(lambda: ask(server.dsn) == 1, "an answer")
        assert scene.state() == old


def test_killing_the_guard_gives_living_commands_a_new_one(scene: Scene):
    with scene.open() as server:
        keep_answer(server.dsn)
        address, old = server.address, scene.state()
        scene.kill_guard()
        scene.wait_for_new_server(old)
        assert has_answer(server.dsn)
        assert server.address == address


@pytest.mark.skipif(sys.platform != "linux", reason="parent-death signal")
def test_killing_guard_and_command_leaves_no_server(scene: Scene):
    client = scene.start_client()
    client.read_line()
    state = scene.state()
    client.kill()
    os.kill(state.guard_pid, 9)
    scene.wait_until_nothing_runs(5)


def test_killing_the_server_restarts_it_at_the_same_address(scene: Scene):
    with scene.open() as server, psycopg.connect(server.dsn) as session:
        keep_answer(server.dsn)
        address, old = server.address, scene.state()
        scene.kill_server()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT pg_sleep(20)")
        scene.wait_for_new_server(old)
        assert has_answer(server.dsn)
        assert server.address == address


def test_killing_the_server_does_not_wait_for_a_session_that_hangs_on(scene: Scene):
    with scene.open() as server, psycopg.connect(server.dsn, autocommit=True) as session:
        backend = session.info.backend_pid
        old = scene.state()
        # Stopped, it cannot notice that the server is gone and keeps the shared memory.
        assert backend in scene.find_processes()
        os.kill(backend, 19)
        scene.kill_server()
        scene.wait_for_new_server(old)
        assert ask(server.dsn) == 1
        assert backend not in scene.find_processes()


def test_killing_a_session_lets_postgres_recover(scene: Scene):
    with scene.open() as server:
        with psycopg.connect(server.dsn, autocommit=True) as session:
            scene.kill_server(session.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT pg_sleep(20)")

        def answers() -> bool:
            try:
                return bool(ask(server.dsn))
            except psycopg.OperationalError:
                return False

        wait_until(answers, "recovery")


def test_killing_all_at_once_costs_nothing_that_was_committed(scene: Scene):
    client = scene.start_client()
    dsn = client.read_line()
    keep_answer(dsn)
    state = scene.state()
    os.kill(state.guard_pid, 19)
    scene.kill_server()
    os.kill(state.guard_pid, 9)
    client.kill()
    with scene.open() as server:
        assert has_answer(server.dsn)


def test_killing_everything_during_the_first_start_leaves_nothing_half_made(empty_scene: Scene):
    client = empty_scene.start_client()
    folder = empty_scene.folder
    wait_until(lambda: list(folder.glob("postgres.new-*/global")), "initdb at work")
    empty_scene.kill_guard()
    client.kill()
    empty_scene.wait_until_nothing_runs(5)
    assert not empty_scene.layout.cluster.exists()
    with empty_scene.open() as server:
        assert ask(server.dsn) == 1
    assert not list(folder.glob("postgres.new-*"))


def test_killing_the_guard_during_the_first_start_only_delays_the_command(empty_scene: Scene):
    client = empty_scene.start_client()
    wait_until(lambda: list(empty_scene.folder.glob("postgres.new-*/global")), "initdb at work")
    empty_scene.kill_guard()
    assert ask(client.read_line()) == 1


def test_a_number_in_postmaster_pid_that_is_a_strangers_by_now_is_no_obstacle(scene: Scene):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        cluster = scene.layout.cluster
        (cluster / "postmaster.pid").write_text(
            f"{stranger.pid}\n{cluster}\n1700000000\n5432\n\n\n 1 1\nready   \n"
        )
        scene.layout.socket_dir.mkdir(exist_ok=True)
        (scene.layout.socket_dir / ".s.PGSQL.5432.lock").write_text(f"{stranger.pid}\n{cluster}\n")
        with scene.open() as server:
            assert ask(server.dsn) == 1
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_what_a_dead_guard_said_is_not_believed(scene: Scene):
    write_state(
        scene.layout.state_file,
        GuardState(phase=Phase.READY, guard_pid=os.getpid(), server_pid=1, host="/nowhere", port=5432),
    )
    scene.layout.hurry_file.touch()
    (scene.layout.clients_dir / "1-dead.lock").touch()
    assert not is_running(scene.folder)
    with scene.open() as server:
        assert server.address.host == str(scene.layout.socket_dir)
        assert not scene.layout.hurry_file.exists()
        assert ask(server.dsn) == 1


def test_a_server_that_lost_its_guard_is_replaced(scene: Scene):
    binaries = find_binaries()
    runner = choose_runner(scene.layout, binaries.program("postgres"))
    orphan = Postmaster(layout=scene.layout, binaries=binaries, runner=runner, fsync=False)
    orphan.start()
    wait_until(orphan.is_ready, "the server")
    with scene.open() as server:
        assert scene.state().server_pid != orphan.pid
        assert not orphan.is_running()
        assert ask(server.dsn) == 1


@pytest.mark.timed
def test_a_command_that_cannot_wait_any_longer_quotes_the_log(scene: Scene):
    from vestnik.domain.errors import DatabaseUnavailableError

    with scene.open(stop_on_exit=False):
        os.kill(scene.state().server_pid, 19)
        old = scene.state()
        write_state(scene.layout.state_file, GuardState(phase=Phase.STARTING, guard_pid=old.guard_pid))
        start = time.monotonic()
        with (
            pytest.raises(DatabaseUnavailableError, match="ready to accept connections"),
            scene.open(timeout=timedelta(seconds=0.3)),
        ):
            pass
        assert time.monotonic() - start < 5
        os.kill(old.server_pid, 18)
