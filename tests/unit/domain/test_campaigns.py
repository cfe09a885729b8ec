from datetime import UTC, datetime
from decimal import Decimal

import pytest

from vestnik.domain.campaigns import ShownStatus, check_rate, check_retry_limit, derive_status, parse_mode
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.states import AccountState, CampaignStatus, DerivedPause, Mode, PauseReason

LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "rate"), [("20", "20"), ("0.33", "0.33"), (" 1e1 ", "10"), ("0.001", "0.001"), ("1000", "1000")]
)
def test_rates(text: str, rate: str) -> None:
    assert check_rate(text) == Decimal(rate)


def test_a_rate_is_kept_to_three_places() -> None:
    assert check_rate("0.33333") == Decimal("0.333")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "from 0.001 to 1000"),
        ("-1", "from 0.001 to 1000"),
        ("0.0004", "from 0.001 to 1000"),
        ("1000.01", "from 0.001 to 1000"),
        ("1e999999999", "from 0.001 to 1000"),
        ("nan", "from 0.001 to 1000"),
        ("sNaN", "from 0.001 to 1000"),
        ("Infinity", "from 0.001 to 1000"),
        ("fast", "not a number"),
        ("", "not a number"),
        ("0,33", "decimal point"),
    ],
)
def test_rates_that_are_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        check_rate(text)


def test_retry_limits() -> None:
    assert [check_retry_limit(number) for number in (0, 3, 20)] == [0, 3, 20]
    for number in (-1, 21):
        with pytest.raises(InvalidInputError, match="from 0 to 20"):
            check_retry_limit(number)


def test_modes() -> None:
    assert [parse_mode(word) for word in ("test", "LIVE", " Production ")] == [
        Mode.TEST,
        Mode.LIVE,
        Mode.LIVE,
    ]
    with pytest.raises(InvalidInputError, match="TEST"):
        parse_mode("dry-run")


@pytest.mark.parametrize(
    ("stored", "reason", "state", "hold", "shown"),
    [
        ("RUNNING", None, "ACTIVE", None, ShownStatus(status=CampaignStatus.RUNNING)),
        (
            "RUNNING",
            None,
            "ACTIVE",
            LATER,
            ShownStatus(status=CampaignStatus.PAUSED, pause_reason=DerivedPause.FLOOD_WAIT, resumes_at=LATER),
        ),
        (
            "RUNNING",
            None,
            "NEEDS_LOGIN",
            LATER,
            ShownStatus(status=CampaignStatus.PAUSED, pause_reason=DerivedPause.ACCOUNT_BLOCKED),
        ),
        (
            "PAUSED",
            "OPERATOR",
            "ACTIVE",
            LATER,
            ShownStatus(status=CampaignStatus.PAUSED, pause_reason=PauseReason.OPERATOR),
        ),
        ("DRAFT", None, "DISABLED", LATER, ShownStatus(status=CampaignStatus.DRAFT)),
        ("COMPLETED", None, "LIMITED", LATER, ShownStatus(status=CampaignStatus.COMPLETED)),
    ],
)
def test_the_shown_status(
    stored: str, reason: str | None, state: str, hold: datetime | None, shown: ShownStatus
) -> None:
    assert (
        derive_status(
            CampaignStatus(stored),
            None if reason is None else PauseReason(reason),
            account_state=AccountState(state),
            hold_until=hold,
        )
        == shown
    )
