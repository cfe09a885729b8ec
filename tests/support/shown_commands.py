"""The `vestnik` commands that a page shows, in blocks of their own and within sentences."""

import re
from dataclasses import dataclass

_SHOWN = re.compile(
    r"`(?:sudo -u vestnik\s|docker compose exec \w+\s)?(?P<inline>vestnik\s[^`]+)`"
    r"|^(?: {4,}|\$ )(?:sudo .*?/bin/|py -m uv run )?(?P<block>vestnik .+)$"
    r"|^ {4,}docker compose .*?run --rm api (?P<service>.+)$"
    r'|^ {4,}make vestnik ARGS="(?P<made>[^"]+)"'
    r'|^ {4,}make demo(?: ARGS="(?P<demo>[^"]+)"|(?=\s|$))',
    re.MULTILINE,
)
_REST = re.compile(r"\s+#\s|\s[|>]\s")
"""Where a comment begins, or what the output is handed to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownCommand:
    """A command as it is typed, however the page runs it: by make, by uv, in a container, by its path."""

    line: str
    is_block: bool


def find_shown(text: str) -> list[ShownCommand]:
    """All of them as they stand there; comments and what is piped away are left out."""
    return [
        ShownCommand(line=_read_line(found), is_block=found["inline"] is None)
        for found in _SHOWN.finditer(" ".join(text.split("\\\n")))
    ]


def find_commands(text: str) -> list[str]:
    """Their lines alone."""
    return [shown.line for shown in find_shown(text)]


def _read_line(found: re.Match[str]) -> str:
    if (line := found["inline"] or found["block"]) is None:
        command = found["service"] or found["made"] or f"demo {found['demo'] or ''}"
        line = f"vestnik {command}"
    return _REST.split(" ".join(line.split()))[0].strip()
