"""Data directories for tests of the embedded server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.embedded.scene import Scene, copy_data
from vestnik.db.embedded import EmbeddedPostgres, is_running


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a cluster, made once."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    with EmbeddedPostgres(folder, fsync=False, stop_on_exit=True):
        pass
    assert not is_running(folder)
    return folder


@pytest.fixture
def empty_scene(tmp_path: Path) -> Iterator[Scene]:
    """A data directory that does not exist yet."""
    scene = Scene(tmp_path / "data")
    yield scene
    scene.dispose()


@pytest.fixture
def scene(prepared_data: Path) -> Iterator[Scene]:
    """A data directory with a cluster that nobody serves; used again by the next test."""
    scene = Scene(prepared_data)
    yield scene
    scene.dispose()


@pytest.fixture
def own_scene(tmp_path: Path, prepared_data: Path) -> Iterator[Scene]:
    """A copy of it, to be damaged."""
    scene = Scene(tmp_path / "data")
    copy_data(prepared_data, scene.folder)
    yield scene
    scene.dispose()
