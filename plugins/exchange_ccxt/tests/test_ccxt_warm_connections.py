"""Connections are kept warm even if a ping fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger

from te_core.api import NotReady
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.client.connection import IDLE_AFTER, MAX_WARM_CONNECTIONS, PEAK_WINDOW, Connection


class Pinged(GenericAdapter):
    """Fails each ping in another way."""

    def __init__(self, failures: list[BaseException | None]) -> None:
        super().__init__(GenericOptions(exchange="bybit"))
        self.failures = failures
        self.pinged: list[float] = []

    async def ping(self) -> None:
        self.pinged.append(asyncio.get_running_loop().time())
        if self.failures and (failure := self.failures.pop(0)):
            raise failure


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="WARNING", format="{message}")
    yield lines
    logger.remove(sink)


@asynccontextmanager
async def kept_warm(adapter: Pinged, *, connected: bool = True) -> AsyncIterator[Connection]:
    context: Any = SimpleNamespace(clock=VirtualClock(), log=logger)
    link = Connection(context, adapter)
    link._exchange = object() if connected else None
    warmth = asyncio.create_task(link._keep_warm())
    yield link
    assert not warmth.done()
    warmth.cancel()


async def pinged(adapter: Pinged, *, connected: bool = True) -> list[float]:
    async with kept_warm(adapter, connected=connected):
        await asyncio.sleep(4.5 * IDLE_AFTER)
    return adapter.pinged


async def test_a_busy_connection_is_left_alone() -> None:
    adapter = Pinged([])
    async with kept_warm(adapter) as link:
        for _ in range(20):
            await link.call("anything", lambda: asyncio.sleep(IDLE_AFTER / 5))
        assert adapter.pinged == []
        await asyncio.sleep(1.5 * IDLE_AFTER)
        assert len(adapter.pinged) == 1


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), asyncio.CancelledError(), AssertionError()])
async def test_an_unexpected_ping_failure_is_reported_and_ends_nothing(
    failure: BaseException, told: list[str]
) -> None:
    assert len(await pinged(Pinged([failure, type(failure)("again")]))) == 4
    assert len(told) == 1, "once"
    assert type(failure).__name__ in told[0]


async def test_a_ping_that_fails_as_reads_do_is_the_next_reads_news(told: list[str]) -> None:
    assert len(await pinged(Pinged([NotReady("down"), TimeoutError(), ValueError("nonsense")]))) == 4
    assert told == []


async def test_a_ping_that_is_not_even_sent_is_tried_no_more_often(told: list[str]) -> None:
    """A loop without a wait would block everything."""
    assert await pinged(Pinged([]), connected=False) == []
    assert told == []


def together(adapter: Pinged) -> int:
    """How many of the last pings were sent at the same time."""
    return adapter.pinged.count(adapter.pinged[-1])


async def test_connections_of_a_burst_are_kept_until_it_is_long_ago() -> None:
    adapter = Pinged([])
    async with kept_warm(adapter) as link:
        await asyncio.gather(*(link.call("anything", lambda: asyncio.sleep(1)) for _ in range(50)))
        await asyncio.sleep(PEAK_WINDOW)
        assert together(adapter) == MAX_WARM_CONNECTIONS
        await asyncio.sleep(PEAK_WINDOW + 2 * IDLE_AFTER)
        assert together(adapter) == 1, "aiohttp closes what nobody uses"
        await asyncio.gather(*(link.call("anything", lambda: asyncio.sleep(1)) for _ in range(3)))
        await asyncio.sleep(2 * IDLE_AFTER)
        assert together(adapter) == 3
