"""An upgrade in mid-campaign: the schema grows under running processes, and a worker is killed meanwhile."""

import time
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.acceptance.running import DEADLINE, iterate_until
from tests.deployment.installation import Installation, name_channels
from tests.support.next_version import REVISION, next_version
from vestnik.db.schema import read_schema_state, upgrade_schema

CHANNELS = name_channels(60)


def test_a_campaign_goes_on_while_the_schema_grows_and_workers_come_and_go(
    database_url: URL, tmp_path: Path
) -> None:
    """Before and after runs the code of this version, on a schema that gets one migration ahead of it."""
    with Installation(tmp_path, database_url) as installation:
        installation.start_simulator()
        old = installation.start_worker()
        api = installation.start_api()
        campaign_id = api.create_campaign(CHANNELS, rate=10)
        api.act(campaign_id, "start")
        wait_for_posts(installation, 10)
        with next_version(tmp_path / "next", promise="EXPANDS_ONLY = True"):
            upgrade_schema(database_url)
        assert read_schema_state(database_url).current == REVISION
        assert api.client.get(f"{api.url}/readyz").status_code == 200
        new = installation.start("worker")
        old.process.kill()
        new.wait_for("ready")
        late = installation.start_api()
        api.process.process.terminate()
        assert api.process.finish() == 0
        late.wait_until(campaign_id, "COMPLETED")
        assert late.get(f"/campaigns/{campaign_id}/progress")["sent"] == len(CHANNELS)
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


def wait_for_posts(installation: Installation, count: int) -> None:
    for _ in iterate_until(time.monotonic() + DEADLINE):
        if sum(installation.count_posts().values()) >= count:
            return
