"""The texts of the console, as the sources have them and as the catalogues have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import vestnik.console
from vestnik.console.languages import ERRORS

CONSOLE = Path(vestnik.console.__file__).parent
LOCALE = CONSOLE / "locale"
FRAME = (
    "formats.py",
    "labels.py",
    "navigation.py",
    "notices.py",
    "templates/base.html",
    "templates/failure",
    "templates/outside.html",
    "templates/parts/",
)
_KEYWORDS: Mapping[str, tuple[int, ...] | None] = {
    "gettext": None,
    "_": None,
    "mark": None,
    "ngettext": (1, 2),
    "mark_plural": (1, 2),
}
_TEMPLATE_OPTIONS = {"extensions": "jinja2.ext.do", "trimmed": "true", "silent": "false"}

Key = str | tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a text is used first: the file that its page belongs to."""

    path: str
    line: int


@cache
def read_used() -> Mapping[Key, Source]:
    """Every text that a page can show, by what the catalogues know it under."""
    found: dict[Key, Source] = {}
    for path in sorted(CONSOLE.rglob("*"), key=_rank):
        method = {".py": "python", ".html": "jinja2.ext:babel_extract"}.get(path.suffix)
        if method is None:
            continue
        options = _TEMPLATE_OPTIONS if path.suffix == ".html" else {}
        with path.open("rb") as file:
            for line, key, _comments, _context in extract(
                method, file, keywords=dict(_KEYWORDS), options=options
            ):
                source = Source(path=path.relative_to(CONSOLE).as_posix(), line=line)
                found.setdefault(key if isinstance(key, str) else tuple(key), source)
    return found


def _rank(path: Path) -> tuple[bool, str]:
    """What several pages say belongs to the frame if it says so too."""
    name = path.relative_to(CONSOLE).as_posix()
    return not name.startswith(FRAME), name


def list_entries(code: str, *, errors: bool = False) -> Iterator[tuple[str, Message]]:
    """Every entry of a language with the file that it is in; those of errors, or all others."""
    for path in sorted((LOCALE / code).glob("*.po")):
        if (path.name == ERRORS) == errors:
            for entry in read_catalogue(path):
                if entry.id:
                    yield path.name, entry


def read_catalogue(path: Path) -> Catalog:
    """One file; raises for what Babel cannot read."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.name, abort_invalid=True)


def make_key(entry: Message) -> Key:
    """Under what an entry is asked for."""
    return entry.id if isinstance(entry.id, str) else tuple(entry.id)


def write_entry(key: Key) -> str:
    """An entry without its texts, to be filled in."""
    if isinstance(key, str):
        return f'msgid {_quote(key)}\nmsgstr ""\n'
    texts = "".join(f'msgstr[{number}] ""\n' for number in range(3))
    return f"msgid {_quote(key[0])}\nmsgid_plural {_quote(key[1])}\n{texts}"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
