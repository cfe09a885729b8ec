"""Taking over the predecessor's tables: what becomes of each row, and that every row is kept."""

from tests.integration.cli.conftest import Run
from sqlalchemy import URL
from tests.migration.predecessor import *


def test_smoke(vestnik: Run, old_url: URL) -> None:
    outs=[]
    outs.append(vestnik("db", "adopt", "--dry-run"))
    before = describe_database(old_url)
    outs.append(vestnik("db", "adopt"))
    outs.append(vestnik("db", "check"))
    outs.append(vestnik("campaign", "list"))
    outs.append(vestnik("db", "adopt", "--undo", "--yes"))
    after = describe_database(old_url)
    for k in before:
        assert before[k] == after[k], k
    assert before == after
    print(*[o.out+o.err for o in outs],sep='-----\n'); assert 0
