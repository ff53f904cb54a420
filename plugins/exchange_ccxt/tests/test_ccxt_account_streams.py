"""Streams are passed on as facts: when they are up, alive and down, and what was pushed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger

from te_core.api import Event, Feed, NotReady, Outages
from te_core.testing.stream_recorder import StreamRecorder
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.streams.account_streams import (
    FEEDS,
    HEARTBEAT_TIMEOUT,
    LAST_PAUSE,
    PARSE_ERROR_MEMORY,
    REFUSAL_GRACE,
    AccountStreams,
)
from te_exchange_ccxt.symbols import Symbols

HOUR = 3600.0
ATTEMPTS = HOUR / LAST_PAUSE + 6
"""Attempts of one stream in an hour: pauses of 1, 2, 4, 8 and 16 s come before the longest."""
PRIVATE = "wss://x/private"
PUBLIC = "wss://x/public"
MARKET = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "swap": True,
    "linear": True,
}
POSITION = {"symbol": "BTC/USDT:USDT", "contracts": "2", "side": "long"}
ORDER = {"symbol": "BTC/USDT:USDT", "id": "1", "status": "closed", "filled": "2", "clientOrderId": "7e1"}
TICKER = {"symbol": "BTC/USDT:USDT", "markPrice": "50000"}


class Adapter(GenericAdapter):
    """Streams ``kinds``; each connection lasts ``lasts`` seconds and takes ``dialled`` to open."""

    def __init__(
        self, *kinds: str, lasts: float = 10 * HOUR, dialled: float = 0, confirms: bool = False
    ) -> None:
        super().__init__(GenericOptions(exchange="bybit"))
        self.kinds = frozenset(kinds)
        self.lasts = lasts
        self.confirms = confirms  # type: ignore[misc]  # of this one
        self.until = asyncio.get_running_loop().time() + dialled
        self.hung_up: list[bool] = []
        self.watched = 0
        self.defect: Exception | None = None

    def followed(self) -> frozenset[str]:
        return self.kinds

    def streams_at(self, url: str) -> tuple[bool, ...]:
        return (url == PRIVATE,)

    def confirmed(self, url: str) -> set[str]:
        del url
        return set()

    async def watch_orders(self) -> Any:
        self.watched += 1
        await asyncio.sleep(self.lasts)
        raise self.defect or NotReady("closed")

    watch_positions = watch_balance = watch_orders

    async def watch_tickers(self, symbols: Any) -> Any:
        del symbols
        await self.watch_orders()

    def connecting(self) -> bool:
        return asyncio.get_running_loop().time() < self.until

    def disconnect(self, *, private: bool) -> None:
        self.hung_up.append(private)


class Following:
    """The streams of one account, with a message every second unless ``silent``."""

    def __init__(self, adapter: Adapter) -> None:
        self.clock = VirtualClock()
        self.adapter = adapter
        self.seen = StreamRecorder()
        self.events: list[Event] = []
        self.silent = False
        self.wanted = {"BTCUSDT": "BTC/USDT:USDT"}
        self.streams = AccountStreams(
            adapter,
            self.seen,
            clock=self.clock,
            outages=Outages(self.clock, logger, self.events.append, account="main"),
            symbols=lambda: Symbols((MARKET,), "USDT"),
            is_listed=lambda name: name == "BTC/USDC:USDC",
            wanted=self.wanted,
        )

    def hear(self) -> None:
        for url in (PRIVATE, PUBLIC):
            self.streams.message(url, "pong")

    async def go(self, seconds: float) -> None:
        """Advance the time."""
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            if not self.silent:
                self.hear()

    def push(self, kind: str, row: dict[str, Any], **parts: Any) -> None:
        self.streams.message(PUBLIC if kind == "tickers" else PRIVATE, {})
        names = {"positions": "positions", "orders": "orders", "balance": "balance", "tickers": "ticker"}
        found = {**row, **parts}
        self.streams.resolved(names[kind], found if kind == "balance" else [found])

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


@asynccontextmanager
async def following(adapter: Adapter) -> AsyncIterator[Following]:
    found = Following(adapter)
    task = asyncio.create_task(found.streams.run())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO", format="{message}")
    yield lines
    logger.remove(sink)


async def test_a_feed_is_up_once_it_was_heard_and_not_refused() -> None:
    async with following(Adapter("orders")) as found:
        found.silent = True
        await found.go(REFUSAL_GRACE + 2)
        assert not found.seen.live, "nothing was heard"
        found.hear()
        await found.go(2)
        assert found.seen.calls == [("up", Feed.ORDERS)]


async def test_a_message_shows_that_the_feeds_of_its_connection_live() -> None:
    async with following(Adapter("orders", "balance", "tickers")) as found:
        await found.go(REFUSAL_GRACE + 3)
        found.seen.calls.clear()
        found.streams.message(PRIVATE, "pong")
        assert [set(call[1:]) for call in found.seen.calls] == [{Feed.EQUITY, Feed.ORDERS}]
        found.streams.message(PUBLIC, "pong")
        assert found.seen.calls[-1] == ("alive", Feed.PRICES)


async def test_without_confirmation_positions_are_up_after_a_push() -> None:
    """A message proves that the connection is alive, not the subscription: ccxt waits for ever for some."""
    async with following(Adapter("positions")) as found:
        await found.go(REFUSAL_GRACE + 60)
        assert not found.seen.live
        found.push("positions", POSITION)
        assert found.seen.live == {Feed.POSITIONS}
        found.streams.lose(PRIVATE)
        await found.go(60)
        assert not found.seen.live, "what was pushed on another connection shows nothing"


async def test_with_confirmation_positions_are_up_at_once() -> None:
    async with following(Adapter("positions", confirms=True)) as found:
        await found.go(REFUSAL_GRACE + 2)
        assert found.seen.live == {Feed.POSITIONS}


async def test_every_kind_of_push_is_passed_on() -> None:
    async with following(Adapter("positions", "orders", "balance", "tickers")) as found:
        await found.go(3)
        found.push("positions", POSITION)
        found.push("orders", ORDER)
        found.push("balance", {"USDT": {"total": "7", "free": "5"}})
        found.push("tickers", TICKER)
        seen = found.seen
        assert seen.positions["BTCUSDT"].quantity == 2
        assert seen.orders == [("7e1", "BTCUSDT")]
        assert [(one.total, one.free) for one in seen.equities] == [(Decimal(7), Decimal(5))]
        assert seen.prices == {"BTCUSDT": Decimal(50000)}
        assert not seen.unannounced


async def test_a_first_push_shows_that_its_kind_is_pushed() -> None:
    async with following(Adapter("positions", "orders")) as found:
        await asyncio.sleep(0)
        found.push("positions", POSITION)
        assert found.seen.calls[0] == ("up", Feed.POSITIONS)
        assert Feed.ORDERS not in found.seen.live


@pytest.mark.parametrize(
    ("parts", "passed"),
    [
        ({"status": "open", "filled": "0"}, False),
        ({"status": "open", "filled": "1"}, True),
        ({"status": "canceled", "filled": "0"}, True),
        ({"status": "closed", "filled": "2"}, True),
    ],
)
async def test_orders_are_passed_on_when_they_are_filled_or_end(parts: dict[str, str], passed: bool) -> None:
    async with following(Adapter("orders")) as found:
        for _ in range(2):  # ccxt repeats them out of its cache
            found.push("orders", ORDER, **parts)
        assert len(found.seen.orders) == passed


async def test_an_order_without_a_client_order_id_has_none() -> None:
    async with following(Adapter("orders")) as found:
        found.push("orders", ORDER, clientOrderId=None)
        assert found.seen.orders == [("", "BTCUSDT")]


async def test_a_position_in_an_unknown_market_causes_a_read() -> None:
    async with following(Adapter("positions")) as found:
        found.push("positions", POSITION, symbol="NEW/USDT:USDT")
        assert (found.seen.changes, found.seen.positions) == (1, {})
        found.push("positions", POSITION, symbol="BTC/USDC:USDC")
        assert (found.seen.changes, found.seen.positions) == (1, {}), "it pays in another coin"


async def test_a_pushed_side_of_hedge_mode_is_not_a_position() -> None:
    """The read that it triggers raises the error."""
    async with following(Adapter("positions", confirms=True)) as found:
        found.push("positions", POSITION, hedged=True)
        assert (found.seen.changes, found.seen.positions) == (1, {})


async def test_prices_are_followed_once_one_was_asked_for() -> None:
    adapter = Adapter("tickers")
    async with following(adapter) as found:
        wanted, found.wanted = dict(found.wanted), found.wanted
        found.wanted.clear()
        await found.go(5)
        assert adapter.watched == 0
        found.wanted.update(wanted)
        await found.go(5)
        assert adapter.watched == 1
        found.wanted["ETHUSDT"] = "ETH/USDT:USDT"
        await found.go(2)
        assert adapter.watched == 2
        assert found.seen.live == {Feed.PRICES}, "another symbol interrupts nobody"


async def test_a_stream_waiting_to_connect_is_not_silent() -> None:
    """An address may open one connection a second at some exchanges: the last of ten accounts waits."""
    adapter = Adapter("orders", dialled=40)
    async with following(adapter) as found:
        found.silent = True
        await found.go(40 + HEARTBEAT_TIMEOUT - 1)
        assert adapter.hung_up == []
        assert not found.events


async def test_a_silent_stream_is_closed_reported_once_and_retried() -> None:
    adapter = Adapter("orders")
    async with following(adapter) as found:
        await found.go(5)
        found.silent = True
        await found.go(3 * HEARTBEAT_TIMEOUT)
        assert found.seen.calls[-1] == ("down", Feed.ORDERS)
        assert adapter.hung_up == [True, True]
        assert [event.text for event in found.events] == ["stream of orders: no message for 13 s"]


@pytest.mark.parametrize("lasts", [0.0, 0.3, 5.0])
async def test_streams_closed_repeatedly_are_reopened_less_often(lasts: float) -> None:
    adapter = Adapter("orders", "positions", lasts=lasts, confirms=True)
    async with following(adapter) as found:
        await found.go(HOUR)
        assert adapter.watched <= 2 * ATTEMPTS
        reported = found.kinds()
        assert reported.count("outage") <= 2
        adapter.lasts = 10 * HOUR
        async with asyncio.timeout(LAST_PAUSE + REFUSAL_GRACE + 2):
            while found.seen.live != {Feed.ORDERS, Feed.POSITIONS}:
                await found.go(1)
        if lasts > REFUSAL_GRACE:
            assert found.kinds() == reported, "it may be closed again, as before"
        await found.go(LAST_PAUSE + 2)
        assert found.kinds() == [*reported, "recovery"]


async def test_a_short_break_is_over_as_soon_as_the_stream_is_up_again() -> None:
    """It is not reported: reconnecting is routine."""
    adapter = Adapter("orders", lasts=60)
    async with following(adapter) as found:
        await found.go(600)
        assert adapter.watched > 5
        assert found.events == []


async def test_one_that_ccxt_cancels_is_followed_again() -> None:
    """It cancels tasks that wait for a push when it closes a connection."""
    adapter = Adapter("orders", lasts=5)
    adapter.defect = asyncio.CancelledError()  # type: ignore[assignment]  # as ccxt raises it
    async with following(adapter) as found:
        await found.go(60)
        assert adapter.watched > 3
        assert found.kinds() == ["outage"]


async def test_a_defect_ends_watching_for_everybody_to_see() -> None:
    adapter = Adapter("positions", "orders", lasts=5)
    adapter.defect = RuntimeError("a defect")
    found = Following(adapter)
    with pytest.raises(RuntimeError, match="a defect"):
        await found.streams.run()
    assert not found.seen.live


async def test_what_is_not_watched_any_more_is_down() -> None:
    async with following(Adapter("orders", "tickers")) as found:
        await found.go(REFUSAL_GRACE + 3)
        assert found.seen.live == {Feed.ORDERS, Feed.PRICES}
    assert not found.seen.live


async def test_unparsable_messages_end_their_feeds_and_are_logged_once() -> None:
    adapter = Adapter("orders", "tickers")

    def broken(message: Any) -> Any:
        raise AttributeError("no such field")

    async with following(adapter) as found:
        await found.go(5)
        adapter.parse_message = broken  # type: ignore[method-assign]  # for a while
        for _ in range(1000):
            await asyncio.sleep(0.01)
            assert not found.streams.message(PRIVATE, {})
        assert found.seen.live == {Feed.PRICES}
        await found.go(20)
        assert [event.text for event in found.events] == [
            "stream of messages: cannot parse a stream message (AttributeError)"
        ]
        adapter.parse_message = lambda message: ()  # type: ignore[method-assign]
        await found.go(PARSE_ERROR_MEMORY + 2)
        assert found.kinds() == ["outage", "recovery"]
        assert found.seen.live == {Feed.ORDERS, Feed.PRICES}


async def test_an_exchange_that_pushes_nothing_is_watched_for_ever() -> None:
    async with following(Adapter()) as found:
        await found.go(60)
        assert found.seen.calls == []


def test_every_kind_has_a_feed() -> None:
    assert set(FEEDS.values()) == set(Feed)
