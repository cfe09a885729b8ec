"""Every code that may stand beside a failed post has a sentence that an editor understands."""

import pytest

from tests.support.error_sentences import list_codes
from vestnik.console.error_codes import ERROR_CODES, find_meaning
from vestnik.console.labels import Labels
from vestnik.console.languages import NAMES, load_language
from vestnik.delivery.peers import LOOKUPS_HELD, LOOKUPS_USED_UP, NOT_AMONG_DIALOGS
from vestnik.delivery.preflights import CAMPAIGN_GONE, CONTENT_ERROR
from vestnik.domain.errors import MediaMissingError, MediaStoreError
from vestnik.domain.preflights import CHANNEL_GONE, SAME_CONTENT
from vestnik.telegram.error_names import NAME_CLASSES

OF_SURVEYS = {LOOKUPS_USED_UP, LOOKUPS_HELD, CHANNEL_GONE, SAME_CONTENT, CAMPAIGN_GONE, CONTENT_ERROR}
OWN = list_codes() | {NOT_AMONG_DIALOGS, MediaMissingError.code, MediaStoreError.code} | OF_SURVEYS


def test_the_codes_of_the_engine_are_found() -> None:
    # As far as they are known by heart: a reader of the sources that finds nothing would find nothing missing.
    assert {
        "TIMEOUT",
        "UNKNOWN_OUTCOME",
        "CONTENT_UNRENDERABLE",
        "DUPLICATE_CHANNEL",
        "CHANNEL_INACTIVE",
    } <= OWN
    assert {"EXPIRED", "NO_WORKER", "CHANNEL_NOT_ADDRESSABLE", "SECRET_UNREADABLE", "MEDIA_MISSING"} <= OWN


@pytest.mark.parametrize("code", sorted(OWN | set(NAME_CLASSES)))
def test_a_code_has_a_meaning(code: str) -> None:
    assert code in ERROR_CODES


def test_no_meaning_is_left_of_a_code_that_is_no_more() -> None:
    assert set(ERROR_CODES) <= OWN | set(NAME_CLASSES) | {"USER_MIGRATE"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("USERNAME_PURCHASE_AVAILABLE", "Nobody has this username."),
        ("CHAT_SEND_STORIES_FORBIDDEN", "The channel does not take posts of this kind."),
        ("ENTITY_BOUNDS_INVALID", "Telegram does not take the formatting of the text."),
        ("BUTTON_URL_INVALID", "Telegram does not take the post as it is; correct it."),
        ("NETWORK_MIGRATE", "Telegram had trouble of its own."),
    ],
)
def test_new_codes_of_a_known_family_are_explained(code: str, says: str) -> None:
    assert find_meaning(code) == says


@pytest.mark.parametrize("language", list(NAMES))
def test_a_code_that_nobody_knows_is_shown_itself(language: str) -> None:
    assert Labels(load_language(language)).error("SOMETHING_NEW") == "SOMETHING_NEW"
    assert Labels(load_language(language)).error(None) == ""


def test_meanings_are_said_in_the_language_of_the_reader() -> None:
    assert (
        Labels(load_language("ru")).error("CHANNEL_PRIVATE") == "Канал закрытый, или аккаунт из него удалили."
    )
    assert Labels(load_language("en")).error("CHANNEL_PRIVATE").startswith("The channel is private")
