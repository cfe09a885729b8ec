"""Figures for whoever asks: read once for many, and shown to those who may see them."""

import asyncio

from structlog.testing import capture_logs

from vestnik.api.metrics import MOST_REMEMBERED, REMEMBERED_SECONDS, Admitted, FreshFigures
from vestnik.domain.errors import DatabaseUnavailableError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Figures that are counted out; each read waits until it may answer."""

    def __init__(self) -> None:
        self.reads = 0
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.reads += 1
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return self.reads


async def test_any_number_of_scrapers_cost_one_read_in_a_while() -> None:
    clock, source = Clock(), Source()
    figures = FreshFigures(source.read, fresh_for=5.0, monotonic=clock)
    scrapers = [asyncio.create_task(figures.get()) for _ in range(20)]
    await asyncio.sleep(0)
    scrapers[0].cancel()
    source.may_answer.set()
    answers = await asyncio.gather(*scrapers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [1] * 19
    clock.now = 4.9
    assert await figures.get() == 1
    clock.now = 5.0
    assert await figures.get() == 2


async def test_a_source_that_fails_or_keeps_silent_gives_nothing_and_is_asked_again() -> None:
    clock, source = Clock(), Source()
    figures = FreshFigures(source.read, fresh_for=5.0, limit=0.05, monotonic=clock)
    with capture_logs() as logs:
        assert await figures.get() is None
        source.may_answer.set()
        clock.now = 5.0
        source.error = DatabaseUnavailableError("away")
        assert await figures.get() is None
    assert [entry["reason"] for entry in logs] == ["no answer in time", "away"]
    clock.now, source.error = 10.0, None
    assert await figures.get() == 3


async def test_what_takes_long_is_read_beside_the_scrapes_and_given_out_when_it_is_there() -> None:
    clock, source = Clock(), Source()
    figures = FreshFigures(source.read, fresh_for=60.0, is_patient=True, monotonic=clock)
    source.may_answer.set()
    assert await figures.get() == 1, "the first one waits"
    source.may_answer.clear()
    clock.now = 60.0
    assert [await figures.get() for _ in range(3)] == [1, 1, 1]
    source.may_answer.set()
    while await figures.get() == 1:  # noqa: ASYNC110 - the read beside makes no event
        await asyncio.sleep(0)
    assert await figures.get() == 2
    assert source.reads == 2
    clock.now, source.error = 120.0, DatabaseUnavailableError("away")
    assert await figures.get() == 2
    while await figures.get() is not None:  # noqa: ASYNC110 - the read beside makes no event
        await asyncio.sleep(0)
    assert await figures.get() is None, "old figures would look as if all were well"


def test_a_token_is_remembered_for_an_hour_after_it_was_last_good_and_never_as_it_is_written() -> None:
    clock = Clock()
    admitted = Admitted(monotonic=clock)
    assert not admitted.knows("first")
    admitted.remember("first")
    clock.now = REMEMBERED_SECONDS - 1
    assert admitted.knows("first")
    assert "first" not in repr(vars(admitted))
    clock.now = REMEMBERED_SECONDS
    assert not admitted.knows("first")
    admitted.remember("first")
    admitted.forget("first")
    assert not admitted.knows("first")


def test_only_so_many_tokens_are_remembered() -> None:
    admitted = Admitted()
    for number in range(MOST_REMEMBERED + 1):
        admitted.remember(str(number))
        admitted.remember("0")
    assert admitted.knows("0")
    assert not admitted.knows("1")
    assert admitted.knows(str(MOST_REMEMBERED))
