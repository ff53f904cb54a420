"""A MEXC account passes on its stream's orders and prices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import Feed
from te_core.testing.stream_recorder import StreamRecorder, watching
from te_emulators.core.faults import Fault, FaultKind

pytestmark = pytest.mark.real_clock

D = Decimal
WANTED = ["BTCUSDT", "ETHUSDT"]
PUSHED = {Feed.ORDERS, Feed.PRICES}


async def until(done: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(20):
            while not done():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"waited too long for {what}")


@asynccontextmanager
async def followed(at_mexc: Any) -> AsyncIterator[tuple[Any, Any, StreamRecorder]]:
    """An account with all of MEXC's pushes."""
    async with at_mexc() as harness, harness.account(streams=True) as account, watching(account) as seen:
        await account.prices(WANTED)
        await until(lambda: seen.live == PUSHED, "everything to be followed")
        yield harness, account, seen


async def test_orders_and_prices_are_passed_on_without_extra_reads(at_mexc: Any, make_order: Any) -> None:
    async with followed(at_mexc) as (harness, account, seen):
        harness.emulator.exchange.set_price("ETH_USDT", D(3100))
        await until(lambda: seen.prices.get("ETHUSDT") == 3100, "the price")
        harness.counts.clear()
        await account.place_order(make_order("0.01"))
        await until(lambda: ("7e01", "BTCUSDT") in seen.orders, "our order")
        await asyncio.sleep(1)
        assert harness.counts.requests == {"order": 1}
        assert not seen.unannounced


async def test_what_is_pushed_of_the_balance_is_not_passed_on(at_mexc: Any) -> None:
    """It lacks what an equity needs, so that feed is never up, and the engine reads it."""
    async with followed(at_mexc) as (harness, _, seen):
        harness.emulator.exchange.deposit(harness.owner, D(500))
        await asyncio.sleep(0.5)
        assert seen.equities == []
        assert seen.live == PUSHED


async def test_orders_by_hand_are_passed_on(at_mexc: Any) -> None:
    async with followed(at_mexc) as (harness, account, seen):
        harness.emulator.exchange.trade_by_hand(harness.owner, "BTC_USDT", D(50))
        await until(lambda: bool(seen.orders), "the order")
        assert [symbol for _, symbol in seen.orders] == ["BTCUSDT"]
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.005")


async def test_a_refused_login_is_an_outage_and_tried_again(at_mexc: Any) -> None:
    async with at_mexc() as harness, harness.account(streams=True) as account:
        harness.emulator.faults.add(
            Fault(kind=FaultKind.REJECTED, route="login", error="BadSignature", times=None)
        )
        async with watching(account) as seen:
            await account.prices(WANTED)
            await until(lambda: harness.counts.requests["login"] >= 3, "logins to be tried again")
            assert Feed.ORDERS not in seen.live
            outages = account._context.outages
            assert "stream of orders" in outages.failing_parts
            harness.emulator.faults.clear()
            await until(lambda: seen.live == PUSHED, "everything to be followed")
            await until(lambda: "stream of orders" not in outages.failing_parts, "the outage to end")


async def test_a_login_that_is_never_answered_brings_up_prices_only(at_mexc: Any) -> None:
    async with at_mexc() as harness, harness.account(streams=True) as account:
        harness.emulator.faults.add(Fault(kind=FaultKind.TIMED_OUT, route="login", times=None))
        async with watching(account) as seen:
            await account.prices(WANTED)
            await until(lambda: Feed.PRICES in seen.live, "prices")
            await asyncio.sleep(2.5)
            assert seen.live == {Feed.PRICES}


@pytest.mark.parametrize("kind", [FaultKind.STREAM_CLOSED, FaultKind.STREAM_SILENT])
async def test_a_stream_that_ends_is_reported_and_followed_again(
    at_mexc: Any, kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(at_mexc) as (harness, _, seen):
        monkeypatch.setattr("te_exchange_ccxt.streams.account_streams.HEARTBEAT_TIMEOUT", 6.0)
        harness.emulator.faults.add(Fault(kind=kind, topic="order"))
        harness.emulator.exchange.trade_by_hand(harness.owner, "BTC_USDT", D(50))
        await until(lambda: not seen.live, "the loss to be reported")
        await until(lambda: seen.live == PUSHED, "everything to be followed again")
        harness.emulator.exchange.trade_by_hand(harness.owner, "BTC_USDT", D(50))
        await until(lambda: bool(seen.orders), "the next order")


async def test_without_streams_there_is_no_connection(at_mexc: Any) -> None:
    async with at_mexc() as harness, harness.account() as account, watching(account) as seen:
        await account.prices(WANTED)
        await asyncio.sleep(0.7)
        assert harness.emulator.connections == set()
        assert seen.calls == []
