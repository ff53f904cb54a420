"""With Bybit's streams an account answers from memory exactly while that is honest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from te_core.api import ConfigError, MarginMode
from tests.emulators.accounts import order
from tests.emulators.core.faults import Fault, FaultKind
from tests.emulators.core.modes import PositionMode, PositionSide, Side
from tests.emulators.core.order import OrderRequest
from tests.emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]
D = Decimal


async def until(done: Callable[[], Any], what: str, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.02)
    assert done(), what


async def followed(account: Any) -> None:
    """Wait until everything can be answered from memory."""
    await account.prices(["BTCUSDT", "ETHUSDT"])
    live = account._live
    wanted = {"BTCUSDT": "BTC/USDT:USDT", "ETHUSDT": "ETH/USDT:USDT"}
    await until(lambda: live.positions() and live.equity() and live.prices(wanted), "all streams to live")


async def read_all(account: Any) -> tuple[Any, Any, Any]:
    return await asyncio.gather(account.equity(), account.positions(), account.prices(["BTCUSDT", "ETHUSDT"]))


def reads(server: WireServer) -> list[str]:
    return [request.kind for request in server.exchange.counts.log if request.method == "GET"]


async def test_a_signal_leads_to_the_order_without_a_read(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        server.exchange.counts.clear()
        await read_all(account)
        await account.place_order(order("0.01"))
        assert [request.kind for request in server.exchange.counts.log] == ["order"]


async def test_after_an_own_order_it_is_read_and_soon_known_again(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        server.exchange.counts.clear()
        await account.place_order(order("0.01"))
        held = (await account.positions()).value["BTCUSDT"]
        assert held.quantity == D("0.01")
        assert "positions" in reads(server), "a push alone is no proof"
        await until(lambda: account._live.positions() and account._live.equity(), "the memory to be renewed")
        server.exchange.counts.clear()
        _, positions, _ = await read_all(account)
        assert positions.value["BTCUSDT"].quantity == D("0.01")
        assert reads(server) == []


async def test_changes_by_hand_are_pushed_and_wake_the_engine(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        woken: list[None] = []
        watching = asyncio.create_task(account.watch(lambda: woken.append(None)))
        await asyncio.sleep(0)
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "BTCUSDT", D("0.5"))
        await until(lambda: woken, "the engine to be woken")
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.5")
        watching.cancel()


async def test_own_orders_do_not_wake_the_engine(bybit: Bybit) -> None:
    async with bybit(streams=True) as (_, account):
        await followed(account)
        woken: list[None] = []
        watching = asyncio.create_task(account.watch(lambda: woken.append(None)))
        await account.place_order(order("0.01"))
        await until(account._live.positions, "the memory to be renewed")
        assert woken == []
        watching.cancel()


async def test_a_closed_position_is_flat(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        owner = server.exchange.accounts["main"]

        def told() -> Any:
            held = account._live.memory.positions.get("BTCUSDT")
            return held and held.quantity

        server.exchange.trade_by_hand(owner, "BTCUSDT", D("0.5"))
        await until(lambda: told() == D("0.5"), "the position to be pushed")
        server.exchange.trade_by_hand(owner, "BTCUSDT", D("-0.5"))
        await until(lambda: told() == 0, "its end to be pushed")
        held = (await account.positions()).value.get("BTCUSDT")
        assert held is None or held.quantity == 0


async def test_prices_and_wallet_follow(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        server.exchange.set_price("BTCUSDT", D(60000))
        server.exchange.deposit(server.exchange.accounts["main"], D(500))
        memory = account._live.memory
        await until(lambda: memory.prices["BTCUSDT"] == D(60000), "the price to be pushed")
        await until(lambda: memory.equity.wallet == D(10500), "the wallet to be pushed")
        server.exchange.counts.clear()
        equity, _, prices = await read_all(account)
        assert prices.value["BTCUSDT"] == D(60000)
        assert equity.value.wallet == D(10500)
        assert reads(server) == []


async def test_another_symbol_is_read_once_and_then_followed(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        server.exchange.counts.clear()
        assert len((await account.prices(symbols)).value) == 3
        assert reads(server) == ["tickers"]
        wanted = {symbol: f"{symbol[:3]}/USDT:USDT" for symbol in symbols}
        await until(lambda: account._live.prices(wanted), "the new symbol to be followed")


async def test_the_state_carries_its_age(bybit: Bybit) -> None:
    async with bybit(streams=True) as (_, account):
        await followed(account)
        now = account._context.clock.now()
        for known in await read_all(account):
            assert known.as_of <= account._context.clock.now()
            assert (now - known.as_of).total_seconds() < 10


async def test_a_broken_connection_falls_back_to_reading_and_recovers(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        server.abort_connections()
        await until(lambda: account._live.positions() is None, "the loss to be noticed")
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "BTCUSDT", D("0.5"))
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.5")
        await followed(account)
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.5")


async def test_a_silent_stream_falls_back_to_reading(bybit: Bybit, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        server.exchange.counts.clear()
        monkeypatch.setattr("te_exchange_ccxt.memory.SILENCE", 0.5)
        monkeypatch.setattr("te_exchange_ccxt.live.SILENCE", 0.5)  # shorter than the pause between two pings
        await until(lambda: account._live.positions() is None, "the silence to be noticed")
        assert (await account.positions()).value == {}
        assert "positions" in reads(server)


async def test_a_push_that_never_came_shows_at_the_next_baseline(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("te_exchange_ccxt.memory.REREAD", 1.0)
    async with bybit(streams=True) as (server, account):
        await followed(account)
        woken: list[None] = []
        watching = asyncio.create_task(account.watch(lambda: woken.append(None)))
        for topic in ("order", "position", "wallet", "execution"):
            server.faults.add(Fault(kind=FaultKind.STREAM_GAP, topic=topic))
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "BTCUSDT", D("0.5"))
        await until(lambda: woken, "the engine to be woken")
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.5")
        assert not account._live.memory.followed("positions", account._context.clock.monotonic())
        watching.cancel()


async def test_a_refused_login_leaves_reading(bybit: Bybit) -> None:
    def refuse(server: WireServer) -> None:
        server.faults.add(Fault(kind=FaultKind.REJECTED, route="login", error="BadSignature", times=None))

    async with bybit(refuse, streams=True) as (_, account):
        await account.prices(["BTCUSDT"])
        await asyncio.sleep(2.5)
        assert account._live.positions() is None
        assert (await account.positions()).value == {}
        await account.set_leverage("BTCUSDT", 2, MarginMode.ISOLATED)


async def test_closing_ends_every_connection(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        await followed(account)
        assert server.connections
    assert not server.connections


async def test_hedge_mode_that_comes_later_is_told_to_the_engine(bybit: Bybit) -> None:
    """Its first position is pushed; from memory it would be one that could be reduced."""
    async with bybit(streams=True) as (server, account):
        await followed(account)
        woken: list[None] = []
        watching = asyncio.create_task(account.watch(lambda: woken.append(None)))
        await asyncio.sleep(0)
        owner = server.exchange.accounts["main"]
        owner.default_position_mode = PositionMode.HEDGE
        theirs = {"symbol": "BTCUSDT", "side": Side.BUY, "size": D("0.05"), "leverage": D(2)}
        server.exchange.place(owner, OrderRequest(**theirs, position_side=PositionSide.LONG))  # type: ignore[arg-type]  # parts of one kind each
        await until(lambda: woken, "the engine to be woken")
        with pytest.raises(ConfigError, match="hedge mode"):
            await account.positions()
        watching.cancel()


@pytest.mark.parametrize("numbers", [(1, 2, 2, 3), ("", "", "")])
async def test_the_stream_counts_once_each_topic_is_confirmed(bybit: Bybit, numbers: Any) -> None:
    """Until then a change would not be pushed, though something is heard. Some examples give no number back."""
    private = "wss://stream.bybit.com/v5/private"
    async with bybit() as (_, account):
        venue = account._venue
        venue.exchange.clients[private] = SimpleNamespace()
        told = []
        for number in numbers:
            told.append(venue.streams_at(private))
            ack = {"success": True, "ret_msg": "", "req_id": number, "op": "subscribe"}
            account._live.message(private, ack)
        assert set(told) == {()}
        assert venue.streams_at(private) == (True,)
        assert venue.streams_at("wss://stream.bybit.com/v5/public/linear") == (False,)
        assert venue.confirmation({**ack, "success": False}) == ""
        venue.exchange.clients.clear()
