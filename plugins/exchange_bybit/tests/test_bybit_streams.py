"""A Bybit account passes on its streams' messages as facts, and every read queries the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from te_core.api import Feed, MarginMode
from te_core.testing.stream_recorder import StreamRecorder, watching
from te_emulators.accounts import order
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import PositionMode, PositionSide, Side
from te_emulators.core.order import OrderRequest
from te_emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]
D = Decimal
ALL = {Feed.POSITIONS, Feed.EQUITY, Feed.PRICES, Feed.ORDERS}
WANTED = ["BTCUSDT", "ETHUSDT"]


async def until(done: Callable[[], Any], what: str, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.02)
    assert done(), what


@asynccontextmanager
async def followed(bybit: Bybit, *prepare: Any) -> AsyncIterator[tuple[WireServer, Any, StreamRecorder]]:
    """An account with all pushes."""
    async with bybit(*prepare, streams=True) as (server, account), watching(account) as seen:
        await account.prices(WANTED)
        await until(lambda: seen.live == ALL, "everything to be followed")
        yield server, account, seen


def reads(server: WireServer) -> list[str]:
    return [request.kind for request in server.exchange.counts.log if request.method == "GET"]


async def test_every_read_asks_the_exchange(bybit: Bybit) -> None:
    """Whether a push may replace a read is for the engine to judge."""
    async with followed(bybit) as (server, account, _):
        for _ in range(2):
            server.exchange.counts.clear()
            now = account._context.clock.now()
            found = await asyncio.gather(account.equity(), account.positions(), account.prices(WANTED))
            assert sorted(reads(server)) == ["account", "balance", "positions", "tickers"]
            assert all(known.as_of >= now for known in found)


async def test_nothing_is_read_without_a_request(bybit: Bybit) -> None:
    async with followed(bybit) as (server, account, seen):
        server.exchange.counts.clear()
        await account.place_order(order("0.01"))
        await until(lambda: "BTCUSDT" in seen.positions, "the position to be pushed")
        await asyncio.sleep(1.5)
        assert server.exchange.counts.kinds == ["order"]


async def test_own_orders_are_passed_on_like_any_other(bybit: Bybit) -> None:
    async with followed(bybit) as (_, account, seen):
        sent = order("0.01")
        await account.place_order(sent)
        await until(lambda: (sent.client_order_id, "BTCUSDT") in seen.orders, "the order's end")
        await until(lambda: "BTCUSDT" in seen.positions, "the position")
        assert seen.positions["BTCUSDT"].quantity == D("0.01")
        await until(lambda: seen.equities, "the fee")
        assert not seen.unannounced


async def test_changes_by_hand_and_their_end_are_passed_on(bybit: Bybit) -> None:
    async with followed(bybit) as (server, _, seen):
        owner = server.exchange.accounts["main"]
        for change, held in (("0.5", "0.5"), ("-0.5", "0")):
            seen.orders.clear()
            server.exchange.trade_by_hand(owner, "BTCUSDT", D(change))
            await until(lambda: seen.orders, "the order")
            await until(lambda: bool(seen.positions), "the position")
            while seen.positions["BTCUSDT"].quantity != D(held):
                await asyncio.sleep(0.02)
            assert seen.orders == [("", "BTCUSDT")], "it has no client order id"


async def test_a_push_does_not_state_the_margin_mode(bybit: Bybit) -> None:
    """It belongs to the account and is missing in the rows; the value of a read may have changed since."""
    async with followed(bybit) as (server, account, seen):
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "BTCUSDT", D("0.5"))
        await until(lambda: seen.positions, "the position")
        assert seen.positions["BTCUSDT"].margin_mode is None
        assert (await account.positions()).value["BTCUSDT"].margin_mode is not None


async def test_prices_and_wallet_are_passed_on(bybit: Bybit) -> None:
    async with followed(bybit) as (server, _, seen):
        server.exchange.set_price("BTCUSDT", D(60000))
        server.exchange.deposit(server.exchange.accounts["main"], D(500))
        await until(lambda: seen.prices.get("BTCUSDT") == D(60000), "the price")
        await until(lambda: seen.equities, "the wallet")
        assert seen.equities[-1].wallet == D(10500)


async def test_prices_of_a_symbol_that_is_asked_for_later_are_followed(bybit: Bybit) -> None:
    async with followed(bybit) as (server, account, seen):
        await account.prices(["SOLUSDT"])
        await asyncio.sleep(1)
        server.exchange.set_price("SOLUSDT", D(123))
        await until(lambda: seen.prices.get("SOLUSDT") == D(123), "its price")


async def test_a_broken_connection_is_reported_and_made_again(bybit: Bybit) -> None:
    async with followed(bybit) as (server, _, seen):
        server.abort_connections()
        await until(lambda: not seen.live, "the loss to be reported")
        await until(lambda: seen.live == ALL, "everything to be followed again")
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "BTCUSDT", D("0.5"))
        await until(lambda: seen.positions, "the position")


async def test_a_silent_connection_is_given_up_and_made_again(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with followed(bybit) as (server, _, seen):
        made = set(server.connections)
        monkeypatch.setattr(
            "te_exchange_ccxt.streams.account_streams.HEARTBEAT_TIMEOUT", 0.5
        )  # shorter than the pause between two pings
        await until(lambda: Feed.POSITIONS not in seen.live, "the silence to be noticed")
        monkeypatch.undo()
        await until(lambda: seen.live == ALL, "everything to be followed again")
        assert not made & set(server.connections)


async def test_a_refused_login_brings_nothing_up(bybit: Bybit) -> None:
    def refuse(server: WireServer) -> None:
        server.faults.add(Fault(kind=FaultKind.REJECTED, route="login", error="BadSignature", times=None))

    async with bybit(refuse, streams=True) as (_, account), watching(account) as seen:
        await account.prices(["BTCUSDT"])
        await until(lambda: seen.live, "prices")
        await asyncio.sleep(1.5)
        assert seen.live == {Feed.PRICES}
        assert (await account.positions()).value["BTCUSDT"].quantity == 0
        await account.set_leverage("BTCUSDT", 2, MarginMode.ISOLATED)


async def test_what_is_not_watched_any_more_has_no_connection(bybit: Bybit) -> None:
    async with bybit(streams=True) as (server, account):
        assert not server.connections, "streams are opened for whoever watches"
        for _ in range(2):
            async with watching(account) as seen:
                await account.prices(WANTED)
                while seen.live != ALL:
                    await asyncio.sleep(0.02)
                assert server.connections
            assert not seen.live
            await until(lambda: not server.connections, "the connections to be closed")


async def test_without_streams_there_is_no_connection(bybit: Bybit) -> None:
    async with bybit() as (server, account), watching(account) as seen:
        await account.prices(WANTED)
        await asyncio.sleep(0.7)
        assert not seen.calls
        assert not server.connections


async def test_closing_ends_every_connection(bybit: Bybit) -> None:
    async with followed(bybit) as (server, _, _):
        assert server.connections
    assert not server.connections


async def test_a_push_of_hedge_mode_asks_for_a_read(bybit: Bybit) -> None:
    """Passed on as a position, it would seem reducible."""
    async with followed(bybit) as (server, account, seen):
        owner = server.exchange.accounts["main"]
        owner.default_position_mode = PositionMode.HEDGE
        theirs = {"symbol": "BTCUSDT", "side": Side.BUY, "size": D("0.05"), "leverage": D(2)}
        server.exchange.place(owner, OrderRequest(**theirs, position_side=PositionSide.LONG))  # type: ignore[arg-type]  # parts of one kind each
        await until(lambda: seen.changes, "the change")
        assert not seen.positions
        assert "hedge mode" in (await account.positions()).value["BTCUSDT"].obstacle


@pytest.mark.parametrize("numbers", [(1, 2, 2, 3), ("", "", "")])
async def test_the_stream_counts_once_each_topic_is_confirmed(bybit: Bybit, numbers: Any) -> None:
    """Until then a change would not be pushed, although messages arrive. Some examples return no number."""
    private = "wss://stream.bybit.com/v5/private"
    async with bybit() as (_, account):
        adapter = account._adapter
        adapter.exchange.clients[private] = SimpleNamespace()
        told = []
        for number in numbers:
            told.append(adapter.streams_at(private))
            ack = {"success": True, "ret_msg": "", "req_id": number, "op": "subscribe"}
            adapter.confirmed(private).add(adapter.confirmation(ack))
        assert set(told) == {()}
        assert adapter.streams_at(private) == (True,)
        assert adapter.streams_at("wss://stream.bybit.com/v5/public/linear") == (False,)
        assert adapter.confirmation({**ack, "success": False}) == ""
        adapter.exchange.clients.clear()
