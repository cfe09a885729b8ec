from datetime import UTC, datetime, timedelta

import pytest

from vestnik.domain.account_logins import (
    USER_TAKEN,
    WRONG_USER,
    KnownIdentity,
    compute_next_start,
    judge_identity,
)
from vestnik.domain.transport import Identity

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ALICE = Identity(tg_id=1, name="Alice", is_bot=False)


def known(tg_id: int | None = None, name: str | None = None, namesake: str | None = None) -> KnownIdentity:
    return KnownIdentity(account="newsroom", tg_id=tg_id, tg_name=name, namesake=namesake)


@pytest.mark.parametrize("before", [known(), known(1, "Alice"), known(1, "Alice before she married")])
def test_the_first_identity_and_the_same_one_again_are_accepted(before: KnownIdentity) -> None:
    assert judge_identity(before, ALICE) is None


def test_another_user_is_refused_and_both_are_named() -> None:
    refusal = judge_identity(known(2, "Bob"), ALICE)
    assert refusal is not None
    assert refusal.code == WRONG_USER
    assert all(words in refusal.message for words in ("'newsroom'", "'Bob' (2)", "'Alice' (1)"))


def test_the_user_of_another_account_is_refused_and_that_account_is_named() -> None:
    refusal = judge_identity(known(namesake="sports"), ALICE)
    assert refusal is not None
    assert refusal.code == USER_TAKEN
    assert "'sports'" in refusal.message


def test_five_logins_may_begin_within_an_hour() -> None:
    starts = [NOW - timedelta(minutes=minutes) for minutes in (70, 50, 40, 30, 20)]
    assert compute_next_start(starts, NOW) is None
    assert compute_next_start([*starts, NOW], NOW) == NOW + timedelta(minutes=10)
    assert compute_next_start([], NOW) is None
