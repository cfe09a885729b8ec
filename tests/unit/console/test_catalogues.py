"""Every text of the console is there in every language, once, and fits.

`python -m tests.unit.console.test_catalogues` prints what is missing, ready to be pasted.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Sequence

import pytest
from babel.messages.catalog import Message
from babel.messages.plurals import get_plural

from tests.support.catalogues import (
    LOCALE,
    Key,
    list_entries,
    make_key,
    read_catalogue,
    read_used,
    write_entry,
)
from vestnik.console.labels import TEXTS, TONES
from vestnik.console.languages import NAMES, SOURCE_LANGUAGE, load_language

OTHERS = [code for code in NAMES if code != SOURCE_LANGUAGE]
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|(?<!%)\{(\w*)\}")
_MARKUP = re.compile(r"</?(\w+)")


def list_missing(code: str) -> list[Key]:
    """Texts that are used, and have none in this language."""
    known = {make_key(entry) for _, entry in list_entries(code) if all(_texts(entry))}
    return [key for key in read_used() if key not in known]


def _texts(entry: Message) -> Sequence[str]:
    return [entry.string] if isinstance(entry.string, str) else [str(text) for text in entry.string or ()]


def _sources(entry: Message) -> Sequence[str]:
    return [entry.id] if isinstance(entry.id, str) else [str(text) for text in entry.id]


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_is_translated(code: str) -> None:
    missing = [f"{read_used()[key].path}: {key}" for key in list_missing(code)]
    assert not missing, "python -m tests.unit.console.test_catalogues prints them ready to be pasted"


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_is_translated_that_no_page_uses(code: str) -> None:
    used = read_used()
    assert [
        (name, make_key(entry)) for name, entry in list_entries(code) if make_key(entry) not in used
    ] == []


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("errors", [False, True])
def test_every_text_stands_in_one_file_once(code: str, errors: bool) -> None:
    places = defaultdict(list)
    for path in sorted((LOCALE / code).glob("*.po")):
        if (path.name == "errors.po") == errors:
            text = path.read_text(encoding="utf-8")
            for found in re.findall(r'^msgid ((?:".*"\n)+)', text, re.MULTILINE):
                said = "".join(re.findall(r'"(.*)"', found))
                if said:
                    places[said].append(path.name)
    assert {said: names for said, names in places.items() if len(names) > 1} == {}


@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_fuzzy_or_left_from_before(code: str) -> None:
    for path in sorted((LOCALE / code).glob("*.po")):
        catalogue = read_catalogue(path)
        assert not catalogue.obsolete, path.name
        assert [entry.id for entry in catalogue if entry.id and entry.fuzzy] == [], path.name


@pytest.mark.parametrize("code", OTHERS)
def test_every_form_of_a_number_is_there(code: str) -> None:
    for path in sorted((LOCALE / code).glob("*.po")):
        forms = read_catalogue(path).num_plurals
        assert forms == get_plural(code).num_plurals, path.name
        for entry in read_catalogue(path):
            if not isinstance(entry.id, str):
                assert len(_texts(entry)) == forms, (path.name, entry.id)
                assert all(_texts(entry)), (path.name, entry.id)


@pytest.mark.parametrize("code", OTHERS)
def test_placeholders_and_elements_are_those_of_the_source(code: str) -> None:
    wrong = []
    for name, entry in list_entries(code):
        wanted = [_read_inserts(text) for text in _sources(entry)]
        for text in _texts(entry):
            found = _read_inserts(text)
            # One form of a number may leave the number out, as English does: "one channel".
            if found not in wanted:
                wrong.append((name, make_key(entry), text))
    assert wrong == []


def _read_inserts(text: str) -> tuple[list[str], list[str]]:
    return sorted(found[0] for found in _PLACEHOLDER.finditer(text)), sorted(_MARKUP.findall(text))


@pytest.mark.parametrize("code", OTHERS)
def test_a_percent_sign_stands_for_nothing_but_a_value(code: str) -> None:
    # Templates fill in every text as a format, those without values too: a % of its own is the end of the page.
    wrong = [
        (name, text)
        for name, entry in list_entries(code)
        for text in (*_sources(entry), *_texts(entry))
        if "%" in re.sub(r"%\(\w+\)[sd]", "", text)
    ]
    assert wrong == []


@pytest.mark.parametrize("code", OTHERS)
def test_blanks_at_the_ends_are_those_of_the_source(code: str) -> None:
    wrong = [
        (name, text)
        for name, entry in list_entries(code)
        for text in _texts(entry)
        if (text != text.strip()) != (_sources(entry)[0] != _sources(entry)[0].strip())
    ]
    assert wrong == []


def test_no_russian_text_is_written_in_latin_letters() -> None:
    latin = [
        (name, text)
        for name, entry in list_entries("ru")
        for text in _texts(entry)
        if re.search(r"[^\W\d_]{3,}", _sources(entry)[0]) and not re.search("[а-яё]", text.lower())
    ]
    assert [
        text for _, text in latin if text not in {"Vestnik", "HTML", "Markdown", "Telegram Premium"}
    ] == []


@pytest.mark.parametrize("code", list(NAMES))
def test_every_state_has_a_name(code: str) -> None:
    gettext = load_language(code).gettext
    for states, texts in TEXTS.items():
        assert set(texts) == set(states), states
        assert all(gettext(text) for text in texts.values())


def test_every_tone_is_of_a_state() -> None:
    members = {member.value for states in TEXTS for member in states}
    assert set(TONES) <= members


def print_missing() -> int:
    """Group what is missing by the file that it belongs to; how many texts there are."""
    lines = []
    count = 0
    for code in OTHERS:
        grouped: dict[str, list[Key]] = defaultdict(list)
        for key in list_missing(code):
            grouped[read_used()[key].path].append(key)
        for path in sorted(grouped):
            lines.append(f"# ---- {code}: {path}\n")
            lines += [write_entry(key) for key in grouped[path]]
            count += len(grouped[path])
    sys.stdout.write("\n".join([*lines, f"# {count} missing\n"]))
    return count


if __name__ == "__main__":
    sys.exit(1 if print_missing() else 0)
