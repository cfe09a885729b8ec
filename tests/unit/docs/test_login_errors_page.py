"""The reference page of login errors says what the code does.

`python -m tests.unit.docs.test_login_errors_page` writes it.
"""

from pathlib import Path

from vestnik.telegram.login_errors import SAME_AS, SENTENCES, refuse

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "login-errors.md"

HEAD = """# What can go wrong when an account logs in

Each answer of Telegram by its name, in the words of the console, the API and the command line. Where "again" says yes,
the same step can be taken once more, after the wait if there is one; elsewhere the login goes back to its first step. A
name that is not here is shown as it is, with "Telegram refused the login for a reason that Vestnik does not know".
Errors that say nothing about the login (no connection, no answer, a server in trouble) are in
[Telegram's errors](telegram-errors.md).

| name | field | again | what it says |
|---|---|---|---|
"""

TAIL = """
These mean the same to whoever logs in:

| Telegram says | shown as |
|---|---|
"""


def write_page() -> str:
    """The page, out of the tables in the code."""
    lines = []
    for name in sorted(SENTENCES):
        error = refuse(name)
        says = SENTENCES[name].format(wait="n") + "."
        lines.append(f"| `{name}` | {error.field or ''} | {'yes' if error.can_retry else ''} | {says} |")
    same = [f"| `{name}` | `{SAME_AS[name]}` |" for name in sorted(SAME_AS)]
    return HEAD + "\n".join(lines) + "\n" + TAIL + "\n".join(same) + "\n"


def test_the_page_is_what_the_code_does() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page()


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
