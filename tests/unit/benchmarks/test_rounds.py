"""Measuring by turns."""

from collections.abc import Callable

import pytest

from benchmarks.rounds import describe_failure, run_rounds
from vestnik.domain.errors import InvalidInputError


class Contest:
    """Everybody's result is how many had had their turn before."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def make(self, name: str, error: BaseException | None = None, fails_from: int = 0) -> Callable[[], float]:
        def act() -> float:
            if error is not None and self.order.count(name) >= fails_from:
                self.order.append(f"{name} failed")
                raise error
            self.order.append(name)
            return float(len(self.order))

        return act


def test_every_other_round_goes_the_other_way() -> None:
    contest = Contest()
    peers = {"a": contest.make("a"), "b": contest.make("b")}
    rounds = run_rounds("drain", contest.make("ours"), peers, 3)
    assert contest.order == ["ours", "a", "b", "b", "a", "ours", "ours", "a", "b"]
    assert rounds.ours == [1, 6, 7]
    assert rounds.peers == {"a": [2, 5, 8], "b": [3, 4, 9]}
    assert rounds.summarize_ours(lambda value: 10 * value).median == 60
    assert rounds.summarize_peers(lambda value: value)["b"].most == 9


@pytest.mark.parametrize("error", [ValueError("no\nsuch queue"), SystemExit("no such queue")])
def test_a_peer_that_fails_is_left_out_with_its_reason(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    contest = Contest()
    peers = {"bad": contest.make("bad", error, fails_from=1), "good": contest.make("good")}
    rounds = run_rounds("drain", contest.make("ours"), peers, 3)
    assert contest.order.count("bad failed") == 1
    assert list(rounds.peers) == ["good"]
    assert len(rounds.ours) == len(rounds.peers["good"]) == 3
    assert rounds.failures == {"bad": f"{type(error).__name__}: {str(error).splitlines()[-1]}"}
    assert "bad was not measured" in capsys.readouterr().err


def test_our_own_failure_ends_the_measure() -> None:
    contest = Contest()
    with pytest.raises(ValueError, match="ours"):
        run_rounds("drain", contest.make("ours", ValueError("ours")), {"a": contest.make("a")}, 1)


def test_a_failure_is_told_in_one_line_with_words() -> None:
    assert (
        describe_failure(RuntimeError("  | first\n  | the cause\n  +-----------"))
        == "RuntimeError: the cause"
    )
    assert describe_failure(TimeoutError()) == "TimeoutError"
    assert describe_failure(InvalidInputError("too few", field="jobs")) == "InvalidInputError: too few"
