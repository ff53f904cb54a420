"""Hours of failure: how often an exchange is asked, what is logged, and how soon all is well again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger

from te_core.api import Equity, NotReady, RateLimited, TradeEngineError
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.budget import Budget, Window
from te_exchange_ccxt.client import LONGEST_DIAL, Answer, Wiring, last_answer
from te_exchange_ccxt.connection import Connection
from te_exchange_ccxt.errors import LONGEST_PAUSE, pause
from te_exchange_ccxt.generic import GenericOptions, GenericVenue
from te_exchange_ccxt.live import DISTRUST, LAST_PAUSE, Live
from te_exchange_ccxt.symbols import Symbols
from te_exchange_ccxt.trouble import Trouble

HOUR = 3600.0
ATTEMPTS = HOUR / LAST_PAUSE + 6
"""Of one stream in an hour: pauses of 1, 2, 4, 8 and 16 s come before the longest."""
MARKET = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "swap": True,
    "linear": True,
}


class Closing(GenericVenue):
    """Follows orders and positions. Each connection lasts ``lasts`` seconds, and is heard from its first moment."""

    confirms = True

    def __init__(self) -> None:
        super().__init__(GenericOptions(exchange="bybit"))
        self.lasts = 0.0
        self.watched: list[float] = []
        self.live: Live

    def followed(self) -> frozenset[str]:
        return frozenset({"orders", "positions"})

    async def watch_orders(self) -> Any:
        clock = asyncio.get_running_loop()
        self.watched.append(clock.time())
        over = clock.time() + self.lasts
        while clock.time() < over:
            await asyncio.sleep(min(0.4, self.lasts))
            self.live.memory.heard[True] = clock.time()
        raise NotReady("closed")

    async def watch_positions(self) -> Any:
        await self.watch_orders()

    def dialling(self) -> bool:
        return False

    def hang_up(self, *, private: bool) -> None:
        del private


class Following:
    """The streams of one account; ``read`` says when they were read beside, and ``fails`` makes that fail."""

    def __init__(self, venue: Closing) -> None:
        self.clock = VirtualClock()
        self.fails: TradeEngineError | None = None
        self.read: list[float] = []
        self.takes = 0.1
        self.live = venue.live = Live(
            venue, self.clock, logger, lambda: Symbols((MARKET,), "USDT"), self.reread
        )

    async def reread(self, kinds: Collection[str]) -> None:
        sent = self.clock.monotonic()
        self.read.append(sent)
        await asyncio.sleep(self.takes)
        if self.fails is not None:
            raise self.fails
        if "positions" in kinds:
            self.live.memory.positions_read({}, sent, self.clock.monotonic())
        if "equity" in kinds:
            self.live.memory.equity_read(Equity(wallet=Decimal(1), total=Decimal(1)), sent)


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO", format="{message}")
    yield lines
    logger.remove(sink)


@pytest.mark.parametrize("lasts", [0.0, 0.3, 5.0])
async def test_streams_that_are_closed_again_and_again_are_opened_ever_less_often(
    lasts: float, told: list[str]
) -> None:
    venue = Closing()
    venue.lasts = lasts
    following = Following(venue)
    following.live.start()
    await asyncio.sleep(HOUR)
    assert len(venue.watched) <= 2 * ATTEMPTS
    assert len(following.read) <= 2 * ATTEMPTS
    assert sorted(told) == [
        "stream of orders: closed; reading instead until it is back\n",
        "stream of positions: closed; reading instead until it is back\n",
    ]
    venue.lasts = 10 * HOUR
    await asyncio.sleep(2 * LAST_PAUSE + 2)
    assert following.live.positions() is not None, "after the longest pause at the latest"
    assert sorted(told[2:]) == ["stream of orders is back\n", "stream of positions is back\n"]
    await following.live.stop()


async def test_reads_that_fail_while_streams_live_are_tried_ever_less_often() -> None:
    venue = Closing()
    venue.lasts = 10 * HOUR
    following = Following(venue)
    following.fails = NotReady("down")
    following.live.start()
    await asyncio.sleep(HOUR)
    assert len(following.read) <= ATTEMPTS
    following.fails = None
    await asyncio.sleep(LAST_PAUSE + 1)
    assert following.live.positions() is not None
    await following.live.stop()


async def test_reads_that_lead_to_nothing_are_tried_ever_less_often() -> None:
    """What is pushed while a read is under way may be newer; some exchanges push positions with every price."""
    venue = Closing()
    venue.lasts = 10 * HOUR
    following = Following(venue)
    following.live.start()
    for _ in range(int(HOUR / 0.05)):
        await asyncio.sleep(0.05)
        following.live.memory.pushed_at = following.clock.monotonic()
    assert len(following.read) <= HOUR / 3 + 10
    await asyncio.sleep(4)
    assert following.live.positions() is not None
    await following.live.stop()


async def test_somebody_who_trades_without_rest_has_the_account_read_no_more_than_polled() -> None:
    """Each fill of another program has the engine read; ten a second would use up what an exchange grants."""
    venue = Closing()
    venue.lasts = 10 * HOUR
    following = Following(venue)
    told: list[float] = []
    watching = asyncio.create_task(following.live.watch(lambda: told.append(following.clock.monotonic())))
    following.live.start()
    await asyncio.sleep(10)
    for number in range(int(HOUR) * 10):
        fill = {"id": str(number), "status": "closed", "filled": "1", "symbol": MARKET["symbol"]}
        following.live.resolved("orders", [fill])
        await asyncio.sleep(0.1)
    assert told[0] == 10.0, "the first at once"
    assert len(told) <= HOUR / venue.poll + 1
    await asyncio.sleep(venue.poll)
    assert told[-1] >= HOUR + 9.9, "and the last is not forgotten"
    assert len(following.read) <= HOUR / venue.poll + 10
    watching.cancel()
    await following.live.stop()


async def test_one_that_waits_before_it_dials_again_holds_up_no_other() -> None:
    """Where connections are counted, ten accounts would come back one after the other, half a minute each."""
    clock = VirtualClock()
    wiring: Any = object.__new__(Wiring)
    wiring.dials = {"connections": 1}
    wiring.purse = Budget(clock, logger.warning).share([Window("connections", 1, 1.0)], "key")
    made: list[float] = []

    async def connect(session: object) -> None:
        del session
        made.append(clock.monotonic())

    await asyncio.gather(*(wiring._dial(None, connect, None, delay) for delay in (30.0, 30.0, 0.0, 0.0)))
    assert made == [0.0, 1.0, 30.0, 31.0]


async def test_a_stream_is_dialled_again_within_minutes_whatever_the_exchange_says() -> None:
    class Refused:
        def ws_dial_delay(self, url: str) -> float:
            del url
            return 86_400.0

    client: Any = object.__new__(type("Client", (Wiring, Refused), {}))
    assert client.ws_dial_delay("wss://x") == LONGEST_DIAL


class Garbled(Closing):
    """Pushes what nobody understands."""

    garbled = True

    def streams_at(self, url: str) -> tuple[bool, ...]:
        del url
        return (True,)

    def pushed(self, message: Any) -> Any:
        if self.garbled:
            raise AttributeError("no such field")
        return ()


async def test_pushes_that_nobody_understands_are_told_once(told: list[str]) -> None:
    venue = Garbled()
    live = Following(venue).live
    for _ in range(1000):
        await asyncio.sleep(0.01)
        assert not live.message("wss://x/private", {})
    venue.garbled = False
    for _ in range(int(DISTRUST) + 2):
        await asyncio.sleep(1)
        live.message("wss://x/private", {})
    assert told == [
        "a push could not be understood (AttributeError): reading instead\n",
        "pushes are understood again\n",
    ]


class Skewed(Closing):
    """Its clock and ours differ."""

    skew = 5000.0

    async def clock_skew(self) -> float | None:
        return self.skew

    def adjust_clock(self, skew: float) -> None:
        pass


async def test_a_clock_that_is_refused_for_hours_is_told_once(told: list[str]) -> None:
    venue = Skewed()
    context: Any = SimpleNamespace(clock=VirtualClock(), log=logger)
    link = Connection(context, venue)
    for _ in range(100):
        await link._react(Trouble.CLOCK, "equity")
    assert len(told) == 1
    assert "5.0 s ahead of the exchange's" in told[0]
    venue.skew = 0.0
    await link._react(Trouble.CLOCK, "equity")
    assert told[1:] == ["this machine's clock is right again\n"]


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7.0), ("86400", LONGEST_PAUSE), ("1795658171", LONGEST_PAUSE)]
)
async def test_no_exchange_has_us_wait_for_more_than_an_hour(said: str, seconds: float) -> None:
    last_answer.set(Answer(429, {"retry-after": said}, ""))
    assert pause(Trouble.RATE, Closing()) == seconds


async def test_after_an_hour_of_refusals_nothing_old_is_sent(told: list[str]) -> None:
    """Whoever comes during a pause is told so at once, or gives up by itself: nothing is left to be sent later."""
    clock = VirtualClock()
    budget = Budget(clock, logger.warning)
    purse = budget.share([Window("requests", 5, 1.0)], "key")
    sent: list[float] = []

    async def ask() -> None:
        async with asyncio.timeout(10), purse.turn({"requests": 1}):
            sent.append(clock.monotonic())
            await asyncio.sleep(0.1)
            purse.back_off(1.0, "the exchange's request limit is used up")

    async def account() -> None:
        while clock.monotonic() < HOUR:
            with suppress(RateLimited, TimeoutError):
                await ask()
            await asyncio.sleep(1)

    await asyncio.gather(*(account() for _ in range(20)))
    assert len(sent) <= 5 * HOUR
    assert len(told) == 1
    assert not any(budget._schedule._waiting.values())
    assert sum(len(tally.spent) for tally in budget._schedule._tallies.values()) <= 20
