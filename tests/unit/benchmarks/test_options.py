"""Reading the command line of the benchmarks."""

import pytest

from benchmarks.options import FULL_RUNS, MEASURES, Request, parse_request


def test_without_a_wish_everything_is_measured_once_and_quickly() -> None:
    assert parse_request([]) == Request(
        measures=tuple(MEASURES), full=False, as_json=False, runs=1, peers=None
    )


def test_measures_run_in_their_own_order() -> None:
    assert parse_request(["pause", "start"]).measures == ("start", "pause")


def test_the_full_profile_takes_medians_unless_told_otherwise() -> None:
    assert parse_request(["--full"]).runs == FULL_RUNS
    assert parse_request(["--full", "--runs", "2"]).runs == 2


def test_peers_are_named_or_left_out() -> None:
    assert parse_request(["--peers", "b, a,b"]).peers == ("b", "a")
    assert parse_request(["--no-peers"]).peers == ()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["drian"], "there is no measure 'drian'; there are drain, start"),
        (["--runs", "0"], "'0' is not a number of runs from 1 to 100"),
        (["--runs", "few"], "'few' is not a number of runs"),
        (["--peers", ","], "name at least one, or say --no-peers"),
        (["--peers", "a", "--no-peers"], "not allowed with"),
    ],
)
def test_what_makes_no_sense_is_named(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse_request(arguments)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err
