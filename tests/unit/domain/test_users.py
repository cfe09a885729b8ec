"""E-mail addresses, passwords and roles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.addresses import UNKNOWN, find_network
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.users import Role, TokenScope, check_email, check_password, parse_role, parse_scope


def test_an_address_is_kept_in_lower_case_without_blanks_around_it() -> None:
    assert check_email("  Anna@News.Example ") == "anna@news.example"
    assert check_email("admin@localhost") == "admin@localhost"
    assert len(check_email("a" * 250 + "@b.c")) == 254


@pytest.mark.parametrize(
    "value", ["", "@", "a@", "@b", "ab", "a@b@c", "a b@c", "a@b\nc", "a\0@b", "ж@b", "a" * 251 + "@b.c"]
)
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_email(value)
    assert caught.value.field == "email"


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_any_text_is_an_address_or_refused(value: str) -> None:
    try:
        email = check_email(value)
    except InvalidInputError:
        return
    assert email.isascii()
    assert email.count("@") == 1
    assert check_email(email) == email


MESSAGES = {
    "the password holds bytes that are no text",
    "the password is too short; take at least 12 characters",
    "the password is longer than 1024 bytes; take a shorter one",
    "the password contains the e-mail address; take another one",
}


@given(st.text(alphabet=st.characters(blacklist_categories=()), max_size=1_100))
def test_no_message_repeats_a_password(value: str) -> None:
    refused: InvalidInputError | None = None
    try:
        assert check_password(value, email="anna@news.example") == value
    except InvalidInputError as error:
        refused = error
    if refused is None:
        assert len(value) >= 12
        assert len(value.encode()) <= 1_024
    else:
        assert refused.field == "password"
        assert refused.message in MESSAGES


@pytest.mark.parametrize("value", ["x anna@news.example", "ANNA@news.example", "a" * 11, "я" * 513])
def test_poor_passwords_are_refused(value: str) -> None:
    with pytest.raises(InvalidInputError):
        check_password(value, email="anna@news.example")


def test_scopes_and_roles() -> None:
    assert parse_role(" admin ") is Role.ADMIN
    assert parse_scope("read") is TokenScope.READ
    assert [TokenScope.READ.limit_role(role) for role in Role] == [Role.VIEWER] * 3
    assert [TokenScope.FULL.limit_role(role) for role in Role] == list(Role)
    for parse in (parse_role, parse_scope):
        with pytest.raises(InvalidInputError):
            parse("root")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("testclient", UNKNOWN),
    ],
)
def test_guesses_are_counted_by_network(address: str | None, network: str) -> None:
    assert find_network(address) == network
