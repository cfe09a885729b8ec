"""Everything that a page names has words: settings, alerts, states of accounts."""

from vestnik.console.account_words import STATES
from vestnik.console.alert_words import WORDS
from vestnik.console.setting_words import GROUPS
from vestnik.console.settings import SOURCES
from vestnik.domain.installation import SettingSource
from vestnik.domain.states import AccountState
from vestnik.services.alerts import AlertKind
from vestnik.settings import describe_settings, load_settings


def test_every_setting_is_explained_once() -> None:
    explained = [name for group in GROUPS.values() for name in group]
    assert sorted(explained) == sorted(view.name for view in describe_settings(load_settings()))
    assert set(SOURCES) == set(SettingSource)


def test_every_alert_says_what_to_do_and_where() -> None:
    assert set(WORDS) == set(AlertKind)
    for words in WORDS.values():
        assert words.title
        assert words.cure
        assert words.path.startswith("/")


def test_every_state_of_an_account_that_does_not_post_has_a_cure() -> None:
    assert set(STATES) == set(AccountState)
    assert all(words.cure for state, words in STATES.items() if state is not AccountState.ACTIVE)
