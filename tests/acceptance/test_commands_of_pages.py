"""Every command that a page shows is run as it stands there, on an installation as the page takes it for granted.

The tutorial's commands are run by test_tutorial.py, lines for other programs by test_lines_of_pages.py. The
Russian pages show the same commands as the English ones (tests/unit/docs/test_both_languages.py).
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.page_reader import WEBHOOK, NotRun, Reader, Scene, Step, Typed, open_reader
from tests.acceptance.running import Running
from tests.integration.cli.conftest import Run, run, vestnik
from tests.integration.cli.test_alerts import webhook
from tests.migration.conftest import old_url
from tests.support.pictures import make_jpeg
from tests.support.session_strings import make_session
from tests.support.shown_commands import find_shown

__all__ = ["old_url", "run", "vestnik", "webhook"]

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(
        path
        for room in ("how-to", "reference", "explanation")
        for path in sorted((ROOT / "docs" / room).glob("*.md"))
        if path.name != "command-line.md"
    ),
]
CHANNELS = ("one_news", "two_news", "three_news")
PASSWORD = "correct horse battery staple"


LOGIN: Final = NotRun(
    reason="a worker would dial Telegram itself; that test's worker dials a simulator instead",
    test="tests/integration/logins/test_cli.py",
)
DEMO: Final = NotRun(
    reason="each start costs seconds, two others of the page are run; that test gives a demo these options",
    test="tests/acceptance/test_demo.py",
)
NOT_RUN: Final[Mapping[str, NotRun]] = {
    "vestnik demo": DEMO,
    "vestnik demo --channels 2000 --rate 200": DEMO,
    "vestnik drill": NotRun(
        reason="it breaks things for two minutes; that test plans fewer faults",
        test="tests/acceptance/test_drill.py",
    ),
    "vestnik account login newsroom": LOGIN,
    "vestnik account login newsroom --qr": LOGIN,
    "vestnik account login newsbot --bot": LOGIN,
    "vestnik account login default": LOGIN,
    "vestnik account logout newsroom": LOGIN,
}
NAMES: Final = (
    "vestnik account add",
    "vestnik account login",
    "vestnik campaign show",
    "vestnik channels import",
    "vestnik send",
)
"""Sentences that name a command; what it needs is in a block elsewhere."""

TYPED: Final[Mapping[str, Typed]] = {
    "vestnik session inspect -": Typed(lines=(make_session(),)),
    "vestnik account add newsroom --session": Typed(lines=(make_session(),)),
    "vestnik account session newsroom": Typed(lines=(make_session(),)),
    f"vestnik alerts add desk --kind webhook --url {WEBHOOK}": Typed(lines=("a signing key of mine",)),
    "vestnik alerts add mail --kind email --host smtp.news.example --username vestnik"
    " --from vestnik@news.example --to desk@news.example --to night@news.example": Typed(lines=("secret",)),
    "vestnik user create --email admin@localhost --role ADMIN": Typed(lines=(PASSWORD,)),
    "vestnik user create --email editor@news.example --role OPERATOR": Typed(lines=(PASSWORD,)),
    "vestnik user create --email you@news.example --role ADMIN": Typed(lines=(PASSWORD,)),
    "vestnik user create --email prometheus@news.example --role VIEWER": Typed(lines=(PASSWORD,)),
    "vestnik user password EMAIL": Typed(lines=(PASSWORD,)),
    "vestnik restore tuesday.dump": Typed(lines=("y",), by_a_person=True),
    "vestnik db after-restore": Typed(lines=("y",), by_a_person=True),
    "vestnik db adopt --undo": Typed(lines=("y",), by_a_person=True),
}
"""What is asked for unseen comes from a program here, what is to be confirmed from a person."""

BETWEEN: Final[Mapping[str, Sequence[Step]]] = {
    "vestnik account add newsroom --session": ["vestnik account rename newsroom earlier"],
    "vestnik account disable newsroom": ["vestnik account rename desk newsroom"],
    "vestnik account release newsroom": [
        "vestnik account enable newsroom",
        lambda reader: reader.execute("UPDATE accounts SET state = 'LIMITED' WHERE name = 'newsroom'"),
    ],
    "vestnik secrets rotate --prune": [Reader.let_a_minute_pass],
    "vestnik send --result ID": [
        lambda reader: reader.places.update(ID=reader.execute("SELECT id FROM account_commands LIMIT 1")),
    ],
}
"""What happens before a command: some block lists alternatives, and some page has its reader wait."""


APPLICATION: Final = {"TELEGRAM_API_ID": "17", "TELEGRAM_API_HASH": "0123456789abcdef0123456789abcdef"}
IMPORT: Final = "vestnik channels import channels.txt"
MORNING: Final = (
    'vestnik campaign create --name "Morning" --channels-file channels.txt --text "Good morning!" --rate 20'
)
SCENES: Final[Mapping[str, Scene]] = {
    "accounts.md": Scene(variables=APPLICATION),
    "alerts.md": Scene(
        variables={**APPLICATION, "VESTNIK_ALERT_PRIVATE_WEBHOOKS": "true"},
        has_webhook=True,
        before=[IMPORT, "vestnik account add newsroom"],
    ),
    "api.md": Scene(before=["vestnik user create --email admin@localhost --role ADMIN"]),
    "backup.md": Scene(
        database=None,
        before=[MORNING, 'vestnik campaign start "Morning"'],
        places={"/media/usb": "usb", "NAME": "Morning"},
    ),
    "channels.md": Scene(
        variables=APPLICATION,
        has_telegram=True,
        before=["vestnik up", f"{MORNING} --mode LIVE --account default"],
    ),
    "deploy.md": Scene(before=["vestnik up"]),
    "direct-send.md": Scene(before=["vestnik up"]),
    "keys.md": Scene(variables=APPLICATION, before=["vestnik account add newsroom --session"]),
    "media.md": Scene(
        before=["vestnik up", IMPORT, "vestnik batch create news --channels-file channels.txt"],
    ),
    "move-from-predecessor.md": Scene(database="old_url", places={"EMAIL": "chief@news.example"}),
    "supabase.md": Scene(database="empty_database_url", names_it_by="SUPABASE_DIRECT_URL"),
}
"""By the page's name; the others need a database and nothing else."""


def plan_pages() -> dict[Path, list[str]]:
    """The lines to run on each page, in its order: those of its blocks, and whatever stands in sentences alone."""
    shown = {page: find_shown(page.read_text(encoding="utf-8")) for page in PAGES}
    known = {each.line for commands in shown.values() for each in commands if each.is_block}
    plan = {}
    for page, commands in shown.items():
        lines = dict.fromkeys(each.line for each in commands if each.is_block or each.line not in known)
        known.update(lines)
        plan[page] = [line for line in lines if line not in NOT_RUN and line not in NAMES]
    return plan


PLAN = plan_pages()


@pytest.fixture
def telegram(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Telegram in which the account of the session may post; the variables that lead to it."""
    arguments = ("--session-account", "desk", "--channels-file", "channels.txt")
    with Running("simulator", "--json", *arguments, folder=tmp_path) as running:
        yield {"TELEGRAM_SESSION": running.wait_for("ready")["session"]}
        running.process.terminate()
        assert running.finish() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the files that pages mention."""
    names = (*CHANNELS, "our_alerts")
    (tmp_path / "channels.txt").write_text("".join(f"@{name}\n" for name in names))
    (tmp_path / "morning.jpg").write_bytes(make_jpeg())
    (tmp_path / "usb").mkdir()
    return tmp_path


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, page: Path, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    """Somebody before whom the page lies, and who has done what it takes for granted."""
    scene = SCENES.get(page.name, Scene())
    with open_reader(
        scene, TYPED, request=request, folder=folder, run=run, monkeypatch=monkeypatch
    ) as reader:
        yield reader


@pytest.mark.parametrize(
    "page", [page for page, lines in PLAN.items() if lines], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_commands_of_a_page_work_as_they_stand_there(page: Path, reader: Reader) -> None:
    for line in PLAN[page]:
        reader.do([*BETWEEN.get(line, ()), line])


@pytest.mark.parametrize("page", [ROOT / "docs" / "how-to" / "doctor.md"], ids=["doctor"])
def test_a_command_that_does_not_work_is_noticed(reader: Reader) -> None:
    for line in ('vestnik campaign start "Evening"', "vestnik token create --user nobody@news.example"):
        with pytest.raises(AssertionError, match="vestnik: error"):
            reader.do([line])


@pytest.mark.parametrize("line", NAMES)
def test_a_name_without_the_rest_says_what_is_missing(line: str, vestnik: Run) -> None:
    done = vestnik(*shlex.split(line)[1:])
    assert done.code in {1, 2}, done
    assert "Traceback" not in done.err


def test_everything_that_is_said_of_a_command_is_said_of_one_that_is_shown() -> None:
    shown = {each.line for page in PAGES for each in find_shown(page.read_text(encoding="utf-8"))}
    before = {step for scene in SCENES.values() for step in scene.before}
    assert {*NOT_RUN, *NAMES, *BETWEEN} - shown == set()
    assert set(TYPED) - shown - before == set()
    assert not {*NOT_RUN, *NAMES} & {*TYPED, *BETWEEN}
    assert all((ROOT / each.test).is_file() and each.reason for each in NOT_RUN.values())
    assert shown - {*NOT_RUN, *NAMES} == {line for lines in PLAN.values() for line in lines}
    assert len(shown) > 60


def test_every_scene_belongs_to_a_page_with_the_words_that_it_replaces() -> None:
    lines = {page.name: " ".join(commands).split() for page, commands in PLAN.items() if commands}
    assert set(SCENES) - set(lines) == set()
    assert [
        (name, place) for name, scene in SCENES.items() for place in scene.places if place not in lines[name]
    ] == []
