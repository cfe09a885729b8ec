"""An upgrade in mid-campaign, from older code of this repository's history to newer; what is refused."""

import time
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.acceptance.running import DEADLINE, iterate_until
from tests.deployment.installation import Installation, name_channels
from tests.support.next_version import next_version
from tests.support.older_code import (
    NEEDS_HISTORY,
    OlderCode,
    export_code_before_newest_expansion,
    export_code_with_newest_expansion,
)
from vestnik.db.schema import read_schema_state, upgrade_schema
from vestnik.simulator.posts import count_most_in_window

CHANNELS = name_channels(1500)
"""More than are posted while the old code runs, however slow the machine is."""
RATE = 10
AT_LAST = 500
"""The rate for what is left when nothing of the old code runs any more."""


@pytest.fixture
def older(tmp_path: Path) -> OlderCode:
    return export_code_before_newest_expansion(tmp_path / "older")


@pytest.fixture
def newer(tmp_path: Path) -> str | None:
    """PYTHONPATH of the code that the newest expanding migration came with; None for that of today."""
    code = export_code_with_newest_expansion(tmp_path / "newer")
    return None if code is None else code.path


@NEEDS_HISTORY
def test_an_upgrade_in_mid_campaign_loses_and_doubles_nothing(
    empty_database_url: URL, tmp_path: Path, older: OlderCode, newer: str | None
) -> None:
    """The order of docs/how-to/upgrade.md, with a worker of the old code that is killed in between."""
    variables = {} if newer is None else {"PYTHONPATH": newer}
    with Installation(
        tmp_path, empty_database_url, RATE_LIMIT_MESSAGES_PER_SECOND=str(AT_LAST)
    ) as installation:
        before = upgrade_by(installation, PYTHONPATH=older.path)
        installation.start_simulator()
        first = installation.start("worker", PYTHONPATH=older.path)
        old_api = installation.start_api(PYTHONPATH=older.path)
        campaign_id = old_api.create_campaign(CHANNELS, rate=RATE)
        old_api.act(campaign_id, "start")
        wait_for_posts(installation, 10)

        after = upgrade_by(installation, **variables)
        assert before != after
        assert read_schema_state(empty_database_url).works_with >= {before, after}
        wait_for_posts(installation, count_posts(installation) + 5)

        second = installation.start_worker(PYTHONPATH=older.path)  # which new schemas do not keep out
        first.process.kill()
        wait_for_posts(installation, count_posts(installation) + 5)
        assert old_api.client.get(f"{old_api.url}/readyz").status_code == 200

        installation.start_worker(None, **variables)
        second.process.terminate()
        assert second.finish() == 0
        old_api.act(campaign_id, "pause")
        old_api.act(campaign_id, "resume")
        wait_for_posts(installation, count_posts(installation) + 5)
        # What was due while nobody sent did not go out at once.
        assert count_most_in_window(installation.summarize()["arrivals"]) < 2 * RATE

        api = installation.start_api(None, **variables)
        old_api.process.process.terminate()
        assert old_api.process.finish() == 0
        api.change(campaign_id, {"deliveryRate": AT_LAST})
        api.wait_until(campaign_id, "COMPLETED")
        assert api.get(f"/campaigns/{campaign_id}/progress")["sent"] == len(CHANNELS)
        assert installation.count_posts() == dict.fromkeys(CHANNELS, 1)


@pytest.mark.parametrize("command", ["worker", "api"])
def test_no_process_starts_on_a_schema_that_may_not_suit_it(
    database_url: URL, tmp_path: Path, command: str
) -> None:
    with next_version(tmp_path / "next", promise="EXPANDS_ONLY = False"):
        upgrade_schema(database_url)
    with Installation(tmp_path, database_url, PORT="0") as installation:
        refused = installation.run(command)
    assert refused.returncode == 1
    assert "a newer version of Vestnik made; update Vestnik" in refused.stderr
    assert "Traceback" not in refused.stderr


def upgrade_by(installation: Installation, **variables: str) -> str:
    """The version that the schema has then."""
    done = installation.run("db", "upgrade", variables=variables)
    assert done.returncode == 0, done.stderr
    current = read_schema_state(installation.url).current
    assert current is not None
    return current


def wait_for_posts(installation: Installation, count: int) -> None:
    for _ in iterate_until(time.monotonic() + DEADLINE):
        if count_posts(installation) >= count:
            return


def count_posts(installation: Installation) -> int:
    return sum(installation.count_posts().values())
