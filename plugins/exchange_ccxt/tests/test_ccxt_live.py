"""Streams that are waited for, and those that say nothing."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger

from te_core.api import AuthError, ConfigError, NotReady, TradeEngineError
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.generic import GenericOptions, GenericVenue
from te_exchange_ccxt.live import GRACE, Live
from te_exchange_ccxt.memory import REREAD, SILENCE
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


MARKET = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "swap": True,
    "linear": True,
}
ROW = {"symbol": "BTC/USDT:USDT", "contracts": "2", "side": "long"}


class Pushing(Quiet):
    """Follows positions, which are pushed by ``push``; the connection itself is never silent."""

    def __init__(self) -> None:
        super().__init__(dialled=0)

    def followed(self) -> frozenset[str]:
        return frozenset({"positions"})

    async def watch_positions(self) -> Any:
        await asyncio.Event().wait()


class Confirming(Pushing):
    confirms = True


class Following:
    """The streams of one account, with what is read and what the engine was told."""

    def __init__(self, venue: Quiet) -> None:
        self.clock = VirtualClock()
        self.fails: TradeEngineError | None = None
        self.told = 0
        self.live = Live(venue, self.clock, logger, lambda: Symbols((MARKET,), "USDT"), self.reread)
        self.live.memory.heard[True] = self.clock.monotonic()

    async def reread(self, _: object) -> None:
        if self.fails is not None:
            raise self.fails
        now = self.clock.monotonic()
        self.live.memory.positions_read({}, now, now)

    def tell(self) -> None:
        self.told += 1

    def push(self, **parts: Any) -> None:
        self.live.resolved("positions", [{**ROW, **parts}])

    async def go(self, seconds: float) -> None:
        """Let time pass, with a pong every second."""
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            self.live.memory.heard[True] = self.clock.monotonic()

    def followed(self) -> bool:
        return self.live.memory.followed("positions", self.clock.monotonic())


async def test_positions_are_followed_once_one_was_pushed_where_nothing_confirms_it() -> None:
    """That something was heard tells of the connection, not of the subscription: ccxt waits for ever for some."""
    following = Following(Pushing())
    following.live.start()
    await following.go(GRACE + 60)
    assert not following.followed()
    following.push()
    await following.go(2)
    assert following.followed()
    following.live.memory.lost(private=True, now=following.clock.monotonic())
    await following.go(60)
    assert not following.followed(), "what was pushed on another connection shows nothing"
    await following.live.stop()


async def test_positions_are_followed_at_once_where_the_subscription_is_confirmed() -> None:
    following = Following(Confirming())
    following.live.start()
    await following.go(GRACE + 2)
    assert following.followed()
    await following.live.stop()


@pytest.mark.parametrize("error", [ConfigError("hedge mode"), AuthError("the key is gone")])
async def test_what_stops_an_account_is_left_to_the_engines_own_read(error: TradeEngineError) -> None:
    """A read in the background has nobody to stop; the engine's does, so it must not be spared."""
    following = Following(Confirming())
    following.live.start()
    watching = asyncio.create_task(following.live.watch(following.tell))
    await following.go(5)
    assert following.live.positions() is not None
    following.fails = error
    await following.go(REREAD)
    assert following.live.positions() is None
    assert following.told
    watching.cancel()
    await following.live.stop()


async def test_a_read_that_fails_for_a_moment_wakes_nobody() -> None:
    following = Following(Confirming())
    following.live.start()
    watching = asyncio.create_task(following.live.watch(following.tell))
    await following.go(5)
    following.fails = NotReady("busy")
    await following.go(REREAD)
    assert following.live.positions() is not None
    assert following.told == 0
    watching.cancel()
    await following.live.stop()


async def test_a_pushed_side_of_hedge_mode_is_no_position() -> None:
    """The read that it causes tells the engine."""
    following = Following(Confirming())
    following.live.start()
    watching = asyncio.create_task(following.live.watch(following.tell))
    await following.go(5)
    following.push(hedged=True)
    assert following.live.positions() is None
    assert following.told == 1
    watching.cancel()
    await following.live.stop()


async def test_a_defect_ends_no_following_in_silence() -> None:
    class Defective(Confirming):
        async def watch_positions(self) -> Any:
            await asyncio.sleep(5)
            raise RuntimeError("a defect")

    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="ERROR", format="{message}")
    following = Following(Defective())
    following.live.start()
    await following.go(10)
    logger.remove(sink)
    assert lines == ["following positions ended by a defect: RuntimeError: a defect; reading from now on\n"]
    assert not following.followed()
    await following.live.stop()
