"""Hot and locking SQL lives in files of its own, one statement a file, and is read once."""

from functools import cache
from pathlib import Path

from sqlalchemy import TextClause, text

_FOLDER = Path(__file__).parent / "sql"


@cache
def load_statement(name: str) -> TextClause:
    """The statement in `sql/<name>.sql`; its leading comment says what it does and why it is written so."""
    return text((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
