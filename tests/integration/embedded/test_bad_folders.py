"""Data directories that cannot be used: one clear message, nothing changed."""

import sys
from pathlib import Path

import pytest

from tests.integration.embedded.scene import Scene, ask
from vestnik.db.embedded import attach, is_running
from vestnik.domain.errors import ConfigurationError, DatabaseUnavailableError


def open_and_fail(scene: Scene, kind: type[Exception], words: str, **options: object) -> None:
    with pytest.raises(kind, match=words), scene.open(**options):
        pass
    assert not is_running(scene.folder)


def test_a_file_in_place_of_the_data_directory_is_refused(empty_scene: Scene):
    empty_scene.folder.write_text("mine")
    open_and_fail(empty_scene, ConfigurationError, "is not a folder.*VESTNIK_DATA_DIR")
    assert empty_scene.folder.read_text() == "mine"
    assert attach(empty_scene.folder) is None


def test_a_file_in_place_of_a_parent_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    open_and_fail(Scene(tmp_path / "file" / "data"), ConfigurationError, "is not a folder")


def test_another_major_version_is_refused_with_both_numbers(own_scene: Scene):
    (own_scene.layout.cluster / "PG_VERSION").write_text("17\n")
    open_and_fail(own_scene, ConfigurationError, "PostgreSQL 17, this program uses PostgreSQL 18")
    assert (own_scene.layout.cluster / "PG_VERSION").read_text() == "17\n"


def test_postgresql_16_can_be_chosen_but_its_server_not_joined_as_18(empty_scene: Scene):
    with empty_scene.open(major=16) as server:
        assert str(ask(server.dsn, "SHOW server_version")).startswith("16.")
        with pytest.raises(ConfigurationError, match="PostgreSQL 16"), empty_scene.open(major=18):
            pass


def test_a_folder_that_is_no_database_is_refused(empty_scene: Scene):
    empty_scene.layout.cluster.mkdir(parents=True)
    (empty_scene.layout.cluster / "letters").write_text("mine")
    open_and_fail(empty_scene, ConfigurationError, "is not a PostgreSQL database")
    assert (empty_scene.layout.cluster / "letters").read_text() == "mine"


def test_somebody_elses_cluster_is_refused(own_scene: Scene):
    own_scene.layout.password_file.unlink()
    open_and_fail(own_scene, ConfigurationError, "was not made by Vestnik")


def test_a_damaged_cluster_fails_with_the_servers_own_words(own_scene: Scene):
    (own_scene.layout.cluster / "global" / "pg_control").unlink()
    open_and_fail(own_scene, DatabaseUnavailableError, "does not start.*pg_control")
    # The guard left with its verdict; the next try asks again instead of repeating it.
    open_and_fail(own_scene, DatabaseUnavailableError, "does not start.*pg_control")


def test_an_unknown_major_version_names_the_known_ones(empty_scene: Scene):
    open_and_fail(empty_scene, ConfigurationError, "there are 16, 18", major=17)
    assert not empty_scene.folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX links")
def test_a_link_planted_for_a_file_of_ours_is_not_followed(own_scene: Scene, tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    own_scene.layout.server_dir.mkdir(exist_ok=True)
    own_scene.layout.guard_log.unlink(missing_ok=True)
    own_scene.layout.guard_log.symlink_to(victim)
    open_and_fail(own_scene, DatabaseUnavailableError, "guard of the embedded PostgreSQL did not start")
    assert victim.read_text() == "mine"
