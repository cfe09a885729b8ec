"""Which language a visitor reads, and that its texts are found."""

import pytest

from tests.unit.console.requests import make_request
from vestnik.console.languages import LANGUAGE_COOKIE, NAMES, choose_language, load_language
from vestnik.console.preferences import choose_way_back


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("en-GB,en;q=0.9,ru;q=0.8", "en"),
        ("de-DE,de;q=0.9", "en"),
        ("de, ru;q=0.5", "ru"),
        ("en;q=0.2, ru;q=0.8", "ru"),
        ("ru;q=0, en", "en"),
        ("RU-ru", "ru"),
        ("*", "en"),
        (",;q=1,,;;", "en"),
        ("ru;q=strange", "ru"),
        ("x" * 100_000, "en"),
        ("../../etc/passwd", "en"),
    ],
)
def test_the_browser_tells_which_language_is_preferred(wanted: str, code: str) -> None:
    assert choose_language(make_request(accept_language=wanted)).code == code


def test_without_a_preference_it_is_english() -> None:
    assert choose_language(make_request()).code == "en"


def test_what_somebody_chose_counts_more_than_what_the_browser_prefers() -> None:
    request = make_request(accept_language="ru", cookie=f"{LANGUAGE_COOKIE}=en")
    assert choose_language(request).code == "en"


@pytest.mark.parametrize("chosen", ["de", "", "../ru", "ru\\x00"])
def test_a_choice_that_there_is_not_is_none(chosen: str) -> None:
    request = make_request(accept_language="ru", cookie=f"{LANGUAGE_COOKIE}={chosen}")
    assert choose_language(request).code == "ru"


def test_languages_call_themselves_by_their_own_names() -> None:
    assert NAMES == {"en": "English", "ru": "Русский"}


def test_english_is_the_language_of_the_sources() -> None:
    english = load_language("en")
    assert english.gettext("Campaigns") == "Campaigns"
    assert [english.ngettext("%(num)s post", "%(num)s posts", count) for count in (1, 2)] == [
        "%(num)s post",
        "%(num)s posts",
    ]


def test_texts_of_all_files_are_found() -> None:
    russian = load_language("ru")
    assert russian.gettext("Campaigns") == "Кампании"
    assert russian.gettext("Running") == "Идёт"


def test_a_number_chooses_among_three_forms() -> None:
    ngettext = load_language("ru").ngettext
    forms = [
        ngettext("At least %(num)s character.", "At least %(num)s characters.", count)
        for count in (1, 2, 5, 11, 21)
    ]
    assert forms == [
        "Не меньше %(num)s символа.",
        "Не меньше %(num)s символов.",
        "Не меньше %(num)s символов.",
        "Не меньше %(num)s символов.",
        "Не меньше %(num)s символа.",
    ]


def test_a_text_without_translation_is_shown_in_english() -> None:
    assert load_language("ru").gettext("Nobody has translated this") == "Nobody has translated this"


# -- the way back after a choice -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/campaigns", "/channels?search=a%20b&error=X", "/batches/1#top"])
def test_the_way_back_leads_to_a_page_of_ours(path: str) -> None:
    assert choose_way_back(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "campaigns",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/\t/evil.example",
        "/campaigns\r\nSet-Cookie: a=b",
        " //evil.example",
        "/\u202e/evil",
        "/\ud800",
    ],
)
def test_the_way_back_never_leads_elsewhere(path: str) -> None:
    assert choose_way_back(path) == "/"
