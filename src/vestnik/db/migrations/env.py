"""How Alembic runs here: always on the connection that vestnik.db.schema hands over."""

from alembic import context
from sqlalchemy import Connection

from vestnik.db.models import Base


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()


_run(context.config.attributes["connection"])
