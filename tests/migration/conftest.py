"""Databases of the predecessor for each test."""

import pytest
from sqlalchemy import URL

from tests.integration.cli.conftest import Run, run
from tests.migration import predecessor

__all__ = ["run"]


@pytest.fixture
def old_url(empty_database_url: URL) -> URL:
    """The predecessor's last version, with a campaign in each status."""
    predecessor.build(empty_database_url, predecessor.BY_UUID)
    predecessor.fill_by_uuid(empty_database_url)
    return empty_database_url


@pytest.fixture
def prisma_url(empty_database_url: URL) -> URL:
    """The tables of its first version, empty."""
    predecessor.build(empty_database_url, predecessor.BY_TEXT)
    return empty_database_url


@pytest.fixture
def vestnik(run: Run, empty_database_url: URL, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the database of the test."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url.render_as_string(hide_password=False))
    return run
