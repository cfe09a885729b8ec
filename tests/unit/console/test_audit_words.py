"""Every action that the sources record has words."""

import re
from pathlib import Path

import vestnik
from vestnik.console.audit_words import ACTIONS, NOUNS

SOURCES = Path(vestnik.__file__).parent
ACTION = re.compile(r'record_audit\(\s*session,\s*[\w.()"]+(?:\([^)]*\))?,\s*"([a-z_]+\.[a-z_]+)"')


IN_SQL = re.compile(r"'([a-z_]+\.[a-z_]+)'")


def list_actions() -> set[str]:
    in_statements = {
        action
        for file in (SOURCES / "db" / "sql").glob("*.sql")
        if "INSERT INTO public.audit_logs" in (statement := file.read_text(encoding="utf-8"))
        for action in IN_SQL.findall(statement)
    }
    return in_statements | {
        action
        for room in ("services", "db", "delivery", "worker")
        for file in (SOURCES / room).rglob("*.py")
        for action in ACTION.findall(file.read_text(encoding="utf-8"))
    }


def test_every_recorded_action_has_words() -> None:
    found = list_actions()
    assert len(found) > 20  # the pattern still finds them
    assert found - ACTIONS.keys() == set()


def test_every_action_can_be_chosen_by_its_noun() -> None:
    assert {action.split(".")[0] for action in ACTIONS} == NOUNS.keys()
