"""Streams that are waited for, and those that say nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from loguru import logger

from te_core.api import NotReady
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.generic import GenericOptions, GenericVenue
from te_exchange_ccxt.live import Live
from te_exchange_ccxt.memory import SILENCE
from te_exchange_ccxt.symbols import Symbols


class Quiet(GenericVenue):
    """Follows orders, of which nothing is ever heard; the connection takes ``dialled`` seconds."""

    def __init__(self, dialled: float) -> None:
        super().__init__(GenericOptions(exchange="bybit"))
        self.until = asyncio.get_running_loop().time() + dialled
        self.hung_up: list[tuple[float, bool]] = []

    def followed(self) -> frozenset[str]:
        return frozenset({"orders"})

    async def watch_orders(self) -> Any:
        await asyncio.Event().wait()

    def dialling(self) -> bool:
        return asyncio.get_running_loop().time() < self.until

    def hang_up(self, *, private: bool) -> None:
        self.hung_up.append((asyncio.get_running_loop().time(), private))


async def follow(venue: Quiet, seconds: float) -> list[str]:
    """Follow for some seconds; gives what was logged."""
    told: list[str] = []
    sink = logger.add(lambda line: told.append(str(line)), level="WARNING", format="{message}")

    async def reread(_: object) -> None:
        pass

    live = Live(venue, VirtualClock(), logger, lambda: Symbols((), "USDT"), reread)
    live.start()
    await asyncio.sleep(seconds)
    await live.stop()
    logger.remove(sink)
    return told


async def test_a_stream_that_waits_for_its_turn_to_connect_is_not_silent() -> None:
    """An address may open one connection a second at some exchanges: the last of ten accounts waits."""
    venue = Quiet(dialled=40)
    assert await follow(venue, 40 + SILENCE - 1) == []
    assert venue.hung_up == []


async def test_a_silent_stream_is_hung_up_told_once_and_tried_again() -> None:
    venue = Quiet(dialled=0)
    told = await follow(venue, 3 * SILENCE)
    assert told == ["stream of orders: silent for 13 s; reading instead until it is back\n"]
    assert [private for _, private in venue.hung_up] == [True, True]


class Broken(Quiet):
    """Follows prices, of which one is pushed; then that ends while the connection stays."""

    def followed(self) -> frozenset[str]:
        return frozenset({"tickers"})

    async def watch_tickers(self, symbols: Any) -> Any:
        del symbols
        await asyncio.sleep(20)
        raise NotReady("unsubscribed")


async def test_prices_from_before_a_gap_are_no_present_prices() -> None:
    clock = VirtualClock()

    async def reread(_: object) -> None:
        pass

    live = Live(Broken(dialled=0), clock, logger, lambda: Symbols((), "USDT"), reread)
    wanted = {"BTCUSDT": "BTC/USDT:USDT"}
    live.start()
    assert live.prices(wanted) is None
    for second in range(25):
        await asyncio.sleep(1)
        live.memory.heard[False] = clock.monotonic()  # pongs
        if second == 2:
            live.memory.prices["BTCUSDT"] = Decimal(50000)
        if second == 10:
            assert live.prices(wanted) is not None
    assert live.memory.followed("tickers", clock.monotonic())
    assert live.prices(wanted) is None
    await live.stop()
