"""Connections come back to the pool whatever happens to those who asked for them."""

import asyncio
import gc
import random
import warnings

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_connection


async def test_cancelled_statements_lose_no_connection(engine: AsyncEngine) -> None:
    async def ask() -> None:
        async with open_connection(engine) as connection:
            await connection.execute(text("SELECT pg_sleep(0.001)"))

    rng = random.Random(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(150):
            task = asyncio.create_task(ask())
            await asyncio.sleep(rng.random() * (0.003 if number % 5 else 0.03))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*(ask() for _ in range(20)))
        gc.collect()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_an_error_inside_gives_the_connection_back(engine: AsyncEngine) -> None:
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            async with open_connection(engine):
                raise ZeroDivisionError
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
