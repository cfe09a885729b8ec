"""The lines of a page's blocks that are not Vestnik's own commands: other programs, and what those answer.

In a block everything is a line for the shell that is not plainly something else, so that no command goes unseen.
Within sentences a command is what begins with one of PROGRAMS.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from markdown_it import MarkdownIt

from tests.support.shown_commands import find_commands
from vestnik.settings import known_variables

PROGRAMS: Final = {
    "chmod",
    "chown",
    "cp",
    "curl",
    "docker",
    "git",
    "grep",
    "icacls",
    "journalctl",
    "make",
    "npm",
    "openssl",
    "pg_dump",
    "pg_restore",
    "pip",
    "pm2",
    "promtool",
    "psql",
    "py",
    "python",
    "python3",
    "sudo",
    "systemctl",
    "systemd-analyze",
    "uv",
}
_NOT_FOR_A_SHELL: Final = (
    re.compile(r"\s"),  # goes on with what an earlier line began
    re.compile(r"(GET|POST|PUT|PATCH|DELETE) +/api/"),
    re.compile(r"@\w+(:.*)?$|https://t\.me/\w+$"),  # channels, and what became of them
    re.compile(r"\{"),  # the first line of a longer document
)
_ANSWER: Final = re.compile(r'\{".*\}')
_QUERY: Final = re.compile(r"SELECT .+;$")
_SETTING: Final = re.compile(r"(\w+)=")
_COMMENT: Final = re.compile(r"\s+#\s.*")
_SHELLS: Final = {"", "sh", "shell", "bash", "console"}


class Kind(Enum):
    """What a line is for."""

    SHELL = auto()
    ANSWER = auto()
    """What the line before it prints."""
    QUERY = auto()
    """SQL."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownLine:
    """A line as it is typed, without its comment."""

    text: str
    kind: Kind = Kind.SHELL


def find_lines(page: str) -> list[ShownLine]:
    """All of them, in the order of the page."""
    found: list[ShownLine] = []
    for token in MarkdownIt("commonmark").parse(page):
        if token.type == "code_block" or (token.type == "fence" and token.info.strip() in _SHELLS):
            found += _read_block(token.content)
        for child in token.children or ():
            words = child.content.split()
            if (
                child.type == "code_inline"
                and len(words) > 1
                and re.split(r"[\\/]", words[0])[-1] in PROGRAMS
            ):
                found.append(ShownLine(text=child.content))
    return [line for line in found if line.kind is not Kind.SHELL or not _is_ours(line.text)]


def _read_block(block: str) -> Iterator[ShownLine]:
    for line in re.sub(r" *\\\n *", " ", block).splitlines():
        if not line.strip() or _is_setting(line):
            continue
        if _ANSWER.match(line):
            yield ShownLine(text=line, kind=Kind.ANSWER)
        elif _QUERY.match(line):
            yield ShownLine(text=line, kind=Kind.QUERY)
        elif not any(shape.match(line) for shape in _NOT_FOR_A_SHELL):
            yield ShownLine(text=_COMMENT.sub("", line))


def _is_setting(line: str) -> bool:
    """For the environment or the file .env, not for a shell."""
    found = _SETTING.match(line)
    return found is not None and found[1] in known_variables()


def _is_ours(line: str) -> bool:
    """Whether another test runs it, which reads Vestnik's commands out of whatever stands around them."""
    return bool(find_commands(f"    {line}") or find_commands(f"`{line}`"))
