"""Every line for a shell that pages show, and that is no command of Vestnik's, is run as it stands there.

What cannot be is in lines_not_run.py, with the reason and what runs the same. The lines go to `sh` and, where
there is one, to the real curl: then quotes, variables and options mean what they mean to a reader. Elsewhere
tests/support/curl.py stands in for it (test_curl.py compares the two). The Russian pages show the same lines
(tests/unit/docs/test_both_languages.py).
"""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import create_engine, text

from tests.acceptance.lines_not_run import BY_CI, NAMES, NOT_RUN, TARGETS
from tests.acceptance.page_reader import Reader, Scene, open_reader
from tests.acceptance.page_shell import Place, Shell
from tests.acceptance.test_commands_of_pages import (
    APPLICATION,
    IMPORT,
    MORNING,
    ROOT,
    folder,
    telegram,
)
from tests.integration.cli.conftest import Run, run
from tests.migration.conftest import old_url
from tests.support.older_code import NEEDS_HISTORY
from tests.support.shown_lines import Kind, ShownLine, find_lines

__all__ = ["folder", "old_url", "run", "telegram"]

PAGES: Final = [
    *(path for path in sorted(ROOT.glob("*.md")) if path.name not in {"CHANGELOG.md", "README.ru.md"}),
    *(
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if "ru" not in path.parts and path.name != "command-line.md"
    ),
]
PATIENCE = 60.0
BY_CI_TARGETS: Final = re.compile(r"^make (\S+)$", re.MULTILINE)
ETC_PROMETHEUS: Final = "/etc/prometheus"
NOT_EVERYWHERE: Final = {"openssl", "promtool"}
"""Programs without which Vestnik and its tests do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """What a page's lines take for granted: its scene, what is put in the places of examples, what comes first."""

    scene: Scene = field(default_factory=Scene)
    places: Mapping[str, Place] = field(default_factory=dict)
    files: Callable[[Path], object] | None = None
    where: str = "."
    """In which folder of the reader's they are typed."""


def tell_address(_: Reader) -> str:
    return f"http://127.0.0.1:{os.environ['PORT']}"


def make_token(reader: Reader) -> str:
    token: str = reader.run("token", "create", "--user", "admin@localhost", "--name", "page", "--json").json[
        "token"
    ]
    return token


def set_token(reader: Reader) -> None:
    """For the pages that have it in a variable."""
    reader.monkeypatch.setenv("TOKEN", make_token(reader))


def find_id(table: str, form: str = "{}", *, where: str = "true") -> Place:
    """The newest row of a table, as a page writes it."""
    query = f"SELECT id FROM {table} WHERE {where} ORDER BY created_at DESC LIMIT 1"
    return lambda reader: form.format(reader.execute(query))


def copy_deployment(folder: Path) -> None:
    """What a clone has, and what a system has."""
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    (folder / "etc" / "systemd" / "system").mkdir(parents=True)


def put_prometheus(folder: Path) -> None:
    """What the page says to put there, below a folder of ours."""
    place = folder / ETC_PROMETHEUS.lstrip("/")
    shutil.copytree(ROOT / "deploy" / "prometheus", place)
    (place / "vestnik-token").write_text("TOKEN\n")
    config = place / "prometheus.yml"
    config.write_text(
        config.read_text(encoding="utf-8").replace(ETC_PROMETHEUS, str(place)), encoding="utf-8"
    )


CLONE: Final = Lines(places={"REPOSITORY": str(ROOT)})
LINES: Final[Mapping[str, Lines]] = {
    "README.md": Lines(
        scene=Scene(
            before=[
                IMPORT,
                'vestnik batch create "All editions" --channels-file channels.txt',
                'vestnik template create "Morning" --text "Good morning!"',
                "vestnik up",
            ]
        ),
        places={
            **CLONE.places,
            "http://localhost:3000": tell_address,
            "TOKEN": make_token,
            '"batchId": "…"': find_id("batches", '"batchId": "{}"'),
            '"templateId": "…"': find_id("templates", '"templateId": "{}"'),
            "campaigns/ID/": find_id("campaigns", "campaigns/{}/"),
        },
    ),
    "CONTRIBUTING.md": Lines(where=str(ROOT)),
    "api.md": Lines(
        scene=Scene(before=["vestnik up"]),
        places={
            "http://127.0.0.1:3000": tell_address,
            "TOKEN": make_token,
            '"batchId":"…"': find_id("batches", '"batchId":"{}"'),
            '"templateId":"…"': find_id("templates", '"templateId":"{}"'),
            "campaigns/ID/": find_id("campaigns", "campaigns/{}/"),
        },
    ),
    "channels.md": Lines(
        scene=Scene(variables=APPLICATION, has_telegram=True, before=["vestnik up", set_token]),
        places={
            "http://127.0.0.1:3000": tell_address,
            "accounts/ID/": find_id("accounts", "accounts/{}/", where="name = 'default'"),
        },
    ),
    "deploy.md": Lines(files=copy_deployment, places={"sudo ": "", " /etc/": " etc/"}),
    "first-campaign.md": CLONE,
    "keys.md": Lines(scene=Scene(variables=APPLICATION)),
    "media.md": Lines(
        scene=Scene(before=["vestnik up", set_token]), places={"http://127.0.0.1:3000": tell_address}
    ),
    "monitoring.md": Lines(
        scene=Scene(before=["vestnik up", MORNING, 'vestnik campaign start "Morning"']),
        places={
            "5b1c…": find_id("campaigns"),
            ETC_PROMETHEUS: lambda reader: str(reader.folder / ETC_PROMETHEUS.lstrip("/")),
        },
        files=put_prometheus,
        where="data",
    ),
    "move-from-predecessor.md": Lines(scene=Scene(database="old_url", before=["vestnik db adopt"])),
}
"""By the page's name; the others need nothing."""

ENDLESS: Final[Mapping[str, str]] = {'curl -H "$A" -N $U/campaigns/ID/events': "data: {"}
"""Lines that go on until they are stopped, and how what they are waited for begins."""
LATER: Final = ('grep \'"campaign_id": "5b1c…"\' logs/*.log',)
"""Lines that only work once something has happened that takes its time."""


def check_key(shell: Shell) -> None:
    """A key of the right length, which Vestnik takes."""
    key = shell.said[-1].out.strip()
    assert len(base64.b64decode(key, validate=True)) == 32
    shell.reader.monkeypatch.setenv("VESTNIK_SECRET_KEY", key)
    shell.reader.do(["vestnik account add newsroom", "vestnik secrets status"])


def check_bytes(shell: Shell) -> None:
    """As many as a key has."""
    assert len(bytes.fromhex(shell.said[-1].out)) == 32


def check_event(shell: Shell) -> None:
    """The same JSON as the progress that was asked for before."""
    asked, heard = (json.loads(said.out.removeprefix("data: ")) for said in shell.said[-2:])
    assert set(heard) == set(asked)


AFTER: Final[Mapping[str, Callable[[Shell], object]]] = {
    'python3 -c "import base64, os; print(base64.b64encode(os.urandom(32)).decode())"': check_key,
    'curl -H "$A" -N $U/campaigns/ID/events': check_event,
    "openssl rand -hex 32": check_bytes,
}
"""What is looked at once a line was run."""


def is_left_out(line: str) -> bool:
    return line in NOT_RUN or line in NAMES or line.startswith("make ")


def name_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


SHOWN: Final = {page: find_lines(page.read_text(encoding="utf-8")) for page in PAGES}
PLAN: Final = {
    page: lines
    for page, shown in SHOWN.items()
    if (lines := [line for line in shown if not is_left_out(line.text)])
}
pytestmark = NEEDS_HISTORY
needs_sh = pytest.mark.skipif(shutil.which("sh") is None, reason="the pages' lines are for a POSIX shell")


@pytest.fixture
def shell(
    request: pytest.FixtureRequest, page: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shell]:
    lines = LINES.get(page.name, Lines())
    if lines.files is not None:
        lines.files(folder)
    with open_reader(
        lines.scene, {}, request=request, folder=folder, run=run, monkeypatch=monkeypatch
    ) as reader:
        yield Shell(reader=reader, folder=folder / lines.where, places=lines.places)


def do(shell: Shell, line: ShownLine) -> None:
    """What a line is for."""
    if line.kind is Kind.ANSWER:
        shell.compare(line.text)
    elif line.kind is Kind.QUERY:
        query(shell.reader, line.text)
    elif (sign := ENDLESS.get(line.text)) is not None:
        shell.listen(line.text, sign)
    elif line.text in LATER:
        shell.type_until(line.text)
    else:
        shell.type_in(line.text)
    if check := AFTER.get(line.text):
        check(shell)


def query(reader: Reader, statement: str) -> None:
    """What it is about is there."""
    assert reader.database is not None
    engine = create_engine(reader.database)
    with engine.connect() as connection:
        assert connection.execute(text(statement)).all()
    engine.dispose()


@needs_sh
@pytest.mark.parametrize("page", PLAN, ids=name_page)
def test_the_lines_of_a_page_work_as_they_stand_there(page: Path, shell: Shell) -> None:
    missing = set()
    for line in PLAN[page]:
        program = line.text.split()[0]
        if program in NOT_EVERYWHERE and shutil.which(program) is None:
            missing.add(program)
        else:
            do(shell, line)
    if missing:
        pytest.skip(f"the rest of the page works; there is no {' and no '.join(sorted(missing))}")


@needs_sh
@pytest.mark.parametrize(
    "line", sorted({line.text for lines in SHOWN.values() for line in lines if line.text.startswith("make ")})
)
def test_make_knows_what_it_is_asked_for(line: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{line} --dry-run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert line.split()[1] in TARGETS


@needs_sh
@pytest.mark.parametrize("page", [ROOT / "docs" / "how-to" / "api.md"], ids=["api"])
def test_a_line_that_does_not_work_is_noticed(shell: Shell) -> None:
    shell.type_in("A='Authorization: Bearer TOKEN'; U=http://127.0.0.1:3000/api")
    shell.type_in('curl -H "$A" $U/campaigns')
    with pytest.raises(AssertionError, match="of the kind"):
        shell.compare('{"nothing": "of the kind", …}')
    with pytest.raises(AssertionError, match="nextCursor"):
        shell.compare('{"items": []}')
    with pytest.raises(AssertionError, match="401"):
        shell.type_in('curl -H "$A-or-another" $U/campaigns')
    with pytest.raises(AssertionError, match="404"):
        shell.type_in('curl -H "$A" $U/champagnes')
    with pytest.raises(AssertionError, match="there-is-no"):
        shell.type_in("there-is-no-such-program")
    for line in ("sudo true", "true && docker compose ls"):
        with pytest.raises(AssertionError, match="would change the machine"):
            shell.type_in(line)


def test_everything_that_is_said_of_a_line_is_said_of_one_that_is_shown() -> None:
    shown = {line.text for lines in SHOWN.values() for line in lines}
    assert {*NOT_RUN, *NAMES, *ENDLESS, *LATER, *AFTER} - shown == set()
    assert set(TARGETS) == {line.split()[1] for line in shown if line.startswith("make ")}
    assert not {*NOT_RUN, *NAMES} & {*ENDLESS, *LATER, *AFTER}
    for each in (*NOT_RUN.values(), *TARGETS.values()):
        assert (ROOT / each.test).is_file(), each
        assert each.reason
    by_ci = BY_CI_TARGETS.findall((ROOT / BY_CI.test).read_text(encoding="utf-8"))
    assert {target for target, each in TARGETS.items() if each is BY_CI} <= set(by_ci)
    planned = {page.name: [line.text for line in lines] for page, lines in PLAN.items()}
    assert set(LINES) - set(planned) == set()
    assert [
        (name, place)
        for name, lines in LINES.items()
        for place in lines.places
        if not any(place in line for line in planned[name])
    ] == []
