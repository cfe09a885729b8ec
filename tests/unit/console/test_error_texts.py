"""Every message that the sources can show a person has a text in every language, and is found by it.

`python -m tests.unit.console.test_error_texts` prints the sentences that have none, ready to be pasted.
"""

import sys
import time
from collections.abc import Mapping

import pytest

from tests.support.catalogues import list_entries, write_entry
from tests.support.error_sentences import (
    SKIPPED,
    SKIPPED_KINDS,
    SKIPPED_PLACES,
    list_sentences,
    read_sentences,
)
from tests.support.source_reading import PACKAGE
from tests.support.text_evaluator import HOLE
from vestnik.console.error_texts import ErrorTexts, fill
from vestnik.console.languages import NAMES, SOURCE_LANGUAGE, load_language
from vestnik.content import compile_template, read_parse_mode
from vestnik.domain.channel_lists import parse_channel_list
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.domain.lifecycle import CampaignAction, next_campaign_status
from vestnik.domain.names import check_name
from vestnik.domain.states import CampaignStatus
from vestnik.telegram.errors import connect_failed_error, timeout_error

OTHERS = [code for code in NAMES if code != SOURCE_LANGUAGE]
SAMPLES = ("17", "Утро, вечер", "it's (a; b): 3/4")


def read_texts(code: str) -> Mapping[str, str]:
    """The sentences of a language by the English ones."""
    return {str(entry.id): str(entry.string) for _, entry in list_entries(code, errors=True)}


def list_missing(code: str) -> list[str]:
    """Sentences without a text."""
    known = read_texts(code)
    return [sentence for sentence in list_sentences() if not known.get(sentence)]


# -- the catalogue ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", OTHERS)
def test_every_message_has_a_text(code: str) -> None:
    missing = {sentence: list_sentences()[sentence] for sentence in list_missing(code)}
    assert missing == {}, "python -m tests.unit.console.test_error_texts prints them ready to be pasted"


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_is_left_of_a_message_that_is_no_more(code: str) -> None:
    assert [sentence for sentence in read_texts(code) if sentence not in list_sentences()] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_takes_every_value_of_its_message(code: str) -> None:
    wrong = []
    for sentence, text in read_texts(code).items():
        values = [f"<{place}>" for place in range(sentence.count(HOLE))]
        shown = fill(text, [*values, *["<too many>"] * 9])
        if any(shown.count(value) != 1 for value in values) or "<too many>" in shown:
            wrong.append((sentence, text))
    assert wrong == []


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("value", SAMPLES)
def test_a_message_is_found_by_its_own_sentence(code: str, value: str) -> None:
    texts = ErrorTexts(read_texts(code))
    wrong = {}
    for sentence in read_texts(code):
        values = tuple(value for _ in range(sentence.count(HOLE)))
        message = fill(sentence.replace("{channel_title}", "{ channel_title }"), values)
        found = texts.find(message.replace("{ channel_title }", "{channel_title}"))
        if found is None or not _is_meant(found[0], sentence, value):
            wrong[sentence] = found
    assert wrong == {}


def _is_meant(found: str, sentence: str, value: str) -> bool:
    """Whether it is the sentence, or one that says the same and more: with a value of it written out."""
    if found == sentence:
        return True
    says_more = len(found.replace(HOLE, "")) > len(sentence.replace(HOLE, ""))
    return (
        says_more and ErrorTexts({sentence: ""}).find(fill(found, (value,) * found.count(HOLE))) is not None
    )


def test_what_is_skipped_is_there() -> None:
    reader = read_sentences()
    everything = {sentence.text for sentence in reader.collect(lambda path: True)}
    kinds = {sentence.kind for sentence in reader.collect(lambda path: True)}
    assert set(SKIPPED) <= everything
    assert set(SKIPPED_KINDS) <= kinds
    assert all((PACKAGE / place).exists() for place in SKIPPED_PLACES)


# -- reading the sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        "this has to be a whole number",  # a constant
        "there is a batch '{}' already; choose another name",  # a value
        "batch '{}' is used by the campaigns {} and others; delete those first",  # conditional parts
        "there is no template '{}'; the newest are {}",  # a part that was assigned before
        "campaign '{}' has no failed message to retry",  # a function that returns the message
        "the media address cannot be read",  # a function that returns a part
        "links with {}: are not allowed; use https://, http://, tg://, mailto: or tel:",  # handed on twice
        "names the same channel as line {}",  # no error, but a line of a list
        "Its turn did not come in time; nothing was posted.",  # a table
        "Telegram asks this account to wait {} s",  # a table of templates
        "Another entry of this campaign is the same Telegram channel.",  # a statement of SQL
        "custom emoji need an account with Telegram Premium; others post the plain emoji",  # a warning
        "account '{}' is {}: {}",  # a view
    ],
)
def test_the_reader_of_the_sources_finds(sentence: str) -> None:
    assert sentence in list_sentences()


# -- what a person reads --------------------------------------------------------------------------------------


def translate(message: str) -> str:
    return load_language("ru").errors.translate(message)


def test_names_that_people_gave_stay_as_they_are() -> None:
    with pytest.raises(ConflictError) as error:
        next_campaign_status("text", CampaignStatus.COMPLETED, CampaignAction.PAUSE)
    assert translate(error.value.message) == (
        "состояние кампании «text» — «Завершено»; чтобы выполнить действие «пауза», нужно состояние «Идёт»"
    )


def test_values_that_are_words_of_ours_are_translated() -> None:
    assert translate("this needs the role OPERATOR; you have VIEWER") == (
        "для этого нужна роль «Оператор»; ваша роль — «Наблюдатель»"
    )


def test_large_numbers_are_written_as_the_language_does() -> None:
    message = "the text has 1,234,567 characters with its markup; 65,536 is the most"
    assert (
        translate(message)
        == "в тексте вместе с разметкой символов: 1\xa0234\xa0567, а можно не больше 65\xa0536"
    )


def test_fractions_are_written_as_the_language_does() -> None:
    message = "the rate is 0.0001; it must be from 0.001 to 1000 messages per second"
    assert translate(message) == "скорость — 0,0001; она может быть от 0,001 до 1000 сообщений в секунду"


def test_lists_of_names_get_the_quotes_of_the_language() -> None:
    message = "batch 'Утро' is used by the campaigns 'one', 'two' and others; delete those first"
    assert translate(message) == "подборка «Утро» нужна кампаниям «one», «two» и другим; сначала удалите их"


def test_a_message_within_a_message_is_translated_too() -> None:
    with pytest.raises(InvalidInputError) as error:
        compile_template("<b>", read_parse_mode("HTML", field="parse_mode"))
    assert (
        translate(error.value.message)
        == "строка 1, символ 1: <b> не закрыт; поставьте </b> там, где он кончается"
    )


def test_braces_of_a_message_are_no_values() -> None:
    with pytest.raises(InvalidInputError) as error:
        compile_template("{date", read_parse_mode(None, field="parse_mode"))
    assert translate(error.value.message) == (
        "строка 1, символ 1: одиночная { относится к переменной вида {channel_title}; сам символ пишется {{"
    )


def test_reasons_of_bad_lines_are_translated() -> None:
    found = parse_channel_list(b"@good_name\n@good_name\nhttps://t.me/+abc\n=1+1\n")
    assert [translate(line.reason) for line in (*found.repeated, *found.invalid)] == [
        "тот же канал, что в строке 1",
        "это закрытая ссылка-приглашение, по ней писать нельзя; укажите номер канала (-100…)",
        "это формула, а не канал",
    ]


def test_errors_of_telegram_are_translated_with_their_names() -> None:
    assert translate(timeout_error().message) == "Telegram не ответил вовремя; соединение закрыто (TIMEOUT)."
    assert translate(connect_failed_error("a.example", 443, "no route (113)").message) == (
        "Не удалось соединиться с Telegram по адресу a.example, порт 443: no route (113) (CONNECT_FAILED)."
    )
    assert translate(
        "The channel is private, or this account was removed or banned from it (CHANNEL_PRIVATE)."
    ) == ("Канал закрытый, или этот аккаунт из него удалили или заблокировали (CHANNEL_PRIVATE).")


def test_the_reason_of_a_blocked_account_is_translated() -> None:
    message = (
        "account 'default' is NEEDS_LOGIN: SESSION_REVOKED: This session was ended from another device; log in again "
        "(SESSION_REVOKED)."
    )
    assert translate(message) == (
        "состояние аккаунта «default» — «Нужен вход»: SESSION_REVOKED: Этот сеанс завершили с другого устройства; "
        "войдите заново (SESSION_REVOKED)."
    )


@pytest.mark.parametrize("name", ["", "x" * 201, "a\u202eb", "\u2800"])
def test_faults_of_names_are_translated(name: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        check_name(name, field="batch")
    assert translate(error.value.message) != error.value.message


def test_what_nobody_knows_is_shown_as_it_is() -> None:
    assert translate("something quite new; try again") == "something quite new; try again"


def test_english_is_what_the_sources_say() -> None:
    assert (
        load_language("en").errors.translate("this has to be a whole number")
        == "this has to be a whole number"
    )


def test_a_message_made_to_look_like_many_others_takes_no_time() -> None:
    hostile = "line 1 'x': campaign 'y' is z; only a; and " * 500
    begun = time.process_time()
    translate(hostile)
    assert time.process_time() - begun < 1, "with patterns that go back it took minutes"


def print_missing() -> int:
    """The entries that a translator has to write; how many there are."""
    count = 0
    for code in OTHERS:
        missing = list_missing(code)
        for sentence in missing:
            sys.stdout.write(f"# {code}: {list_sentences()[sentence]}\n{write_entry(sentence)}\n")
        count += len(missing)
    return count


if __name__ == "__main__":
    sys.exit(1 if print_missing() else 0)
