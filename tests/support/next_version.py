"""A version of Vestnik that is one migration ahead of this one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vestnik.db import schema

REVISION = "from_tomorrow"
MIGRATION = '''"""What a later version might add."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None
{promise}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("jobs", sa.Column("tomorrow", sa.Text(), server_default="", nullable=False))
    op.add_column("campaigns", sa.Column("tomorrow", sa.Text()))
    op.create_table("tomorrows", sa.Column("id", sa.BigInteger(), primary_key=True))
'''


@contextmanager
def next_version(folder: Path, *, promise: str) -> Iterator[None]:
    """What runs inside has a migration more; `promise` is a line of it."""
    migrations = folder / "migrations"
    shutil.copytree(schema.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    text = MIGRATION.format(revision=REVISION, before=schema.head_revision(), promise=promise)
    (migrations / "versions" / "tomorrow.py").write_text(text)
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(schema, "MIGRATIONS", migrations)
        yield
