"""Every `vestnik` command that a page shows exists, with the options that it is shown with."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from tests.support.shown_commands import find_commands, find_shown
from tests.support.shown_lines import Kind, find_lines
from vestnik.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name not in {"CHANGELOG.md", "command-line.md"}
)


def find_fault(line: str) -> str | None:
    """What is wrong with a command; None if it could be typed so, with something sensible in its places."""
    words = shlex.split(line.replace("…", " "))[1:]
    command = typer.main.get_command(app)
    context = command.make_context("vestnik", [], resilient_parsing=True)
    options = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        name = word.split("=")[0]
        if word.startswith("-") and not re.fullmatch(r"-\d.*|-", word):
            if name not in options and name not in {"--help", "-h"}:
                return f"there is no option {name}"
        elif hasattr(command, "get_command"):
            inner = [command.get_command(context, part) for part in word.split("|")]
            if None in inner:
                if options & {words[words.index(word) - 1]}:
                    continue  # the value of an option that stands before the command
                return f"there is no command {word}"
            command = inner[0]
            options |= {name for each in inner for parameter in each.params for name in parameter.opts}
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists(page: Path) -> None:
    faults = {line: find_fault(line) for line in find_commands(page.read_text(encoding="utf-8"))}
    assert not {line: fault for line, fault in faults.items() if fault}


def test_commands_that_do_not_exist_are_noticed() -> None:
    assert find_fault("vestnik campaign start NAME") is None
    assert find_fault("vestnik --data-dir DIR up --port 0") is None
    assert find_fault("vestnik campaign begin NAME") == "there is no command begin"
    assert find_fault("vestnik campaign start NAME --now") == "there is no option --now"


def test_commands_are_read_however_they_are_run() -> None:
    page = """Say `vestnik
up` or `sudo -u vestnik vestnik doctor`, in `docker compose exec worker vestnik health worker`:

    git clone REPOSITORY vestnik && cd vestnik
    make demo
    make demo ARGS="--once --json"        # figures
    make vestnik ARGS="up"
    py -m uv run vestnik drill --json     # figures
    vestnik a | less
    vestnik send --channel @one \\
        --text Hi

1. In a list:

       vestnik b

    sudo useradd --shell /usr/sbin/nologin vestnik
    sudo systemd-run --wait /opt/vestnik/bin/vestnik db upgrade
    docker compose -f deploy/compose.yaml run --rm api user list
"""
    shown = find_shown(page)
    assert [each.line for each in shown if not each.is_block] == [
        "vestnik up",
        "vestnik doctor",
        "vestnik health worker",
    ]
    assert [each.line for each in shown if each.is_block] == [
        "vestnik demo",
        "vestnik demo --once --json",
        "vestnik up",
        "vestnik drill --json",
        "vestnik a",
        "vestnik send --channel @one --text Hi",
        "vestnik b",
        "vestnik db upgrade",
        "vestnik user list",
    ]


def test_every_line_of_a_block_is_for_a_shell_unless_it_is_plainly_something_else() -> None:
    page = """Say `curl --version` and `make\ntest`, but `give up` and `vestnik up`:

    sudo install -D one /two    # with a comment
    something unheard-of --at all
    A='Authorization: Bearer TOKEN'; U=http://127.0.0.1:3000/api
    curl -H "$A" \\
        $U/channels
    {"id": "6f1…", …}          202
    make vestnik ARGS="up"
    docker compose -f deploy/compose.yaml run --rm api user list

    GET    /api/accounts/ID/health
    VESTNIK_S3_BUCKET=vestnik
    TELEGRAM_API_ID=…  TELEGRAM_API_HASH=…

1. In a list, `C:\\Python\\python -m venv C:\\vestnik`:

       pg_dump --file=vestnik.dump
         what it prints further in

    @one_news
    https://t.me/two_news

```mermaid
A --> B
```

```sh
openssl rand -hex 32
```

    SELECT 1;
"""
    shown = find_lines(page)
    assert [line.text for line in shown if line.kind is Kind.SHELL] == [
        "curl --version",
        "make test",
        "sudo install -D one /two",
        "something unheard-of --at all",
        "A='Authorization: Bearer TOKEN'; U=http://127.0.0.1:3000/api",
        'curl -H "$A" $U/channels',
        "C:\\Python\\python -m venv C:\\vestnik",
        "pg_dump --file=vestnik.dump",
        "openssl rand -hex 32",
    ]
    assert [line.text for line in shown if line.kind is Kind.ANSWER] == ['{"id": "6f1…", …}          202']
    assert [line.text for line in shown if line.kind is Kind.QUERY] == ["SELECT 1;"]
