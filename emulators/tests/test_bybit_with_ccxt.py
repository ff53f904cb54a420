"""ccxt, as published, trades on the emulated Bybit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_emulators.clients import ccxt, credentials, redirect
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.venues import running
from te_emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock
BTC = "BTC/USDT:USDT"


@asynccontextmanager
async def client(server: WireServer, *, pro: bool = False, **config: Any) -> AsyncIterator[Any]:
    """With only linear markets loaded."""
    linear = {"fetchMarkets": {"types": ["linear"]}, "watchPositions": {"fetchPositionsSnapshot": False}}
    exchange = ccxt(pro=pro).bybit(
        {
            **credentials(),
            "has": {"fetchCurrencies": False},
            "enableRateLimit": False,
            "options": linear,
            **config,
        }
    )
    redirect(exchange.urls["api"], server)
    try:
        await exchange.load_markets()
        yield exchange
    finally:
        await exchange.close()


async def test_the_whole_way_from_flat_to_long_to_short_and_back() -> None:
    async with running("bybit") as server, client(server) as bybit:
        account = server.exchange.accounts["main"]
        assert (await bybit.fetch_balance())["USDT"]["total"] == 10_000
        assert (await bybit.fetch_tickers([BTC]))[BTC]["markPrice"] == 51444.4
        await bybit.set_leverage(5, BTC)
        placed = await bybit.create_order(BTC, "market", "buy", 0.012, None, {"clientOrderId": "abc-1"})
        assert (placed["clientOrderId"], placed["status"]) == ("abc-1", None)
        (position,) = await bybit.fetch_positions()
        assert (position["side"], position["contracts"], position["leverage"]) == ("long", 0.012, 5)
        assert position["entryPrice"] == position["markPrice"] == 51444.4
        await bybit.create_order(BTC, "market", "sell", 0.03)
        assert account.size("BTCUSDT") == Decimal("-0.018")
        await bybit.create_order(BTC, "market", "buy", 0.018, None, {"reduceOnly": True, "positionIdx": 0})
        assert await bybit.fetch_positions() == []
        (found,) = await bybit.fetch_open_orders(BTC, None, None, {"orderLinkId": "abc-1"})
        assert (found["status"], found["filled"], found["average"]) == ("closed", 0.012, 51444.4)
        assert server.exchange.counts.executed == {("main", "abc-1"): 1}


async def test_errors_arrive_as_ccxt_s_classes() -> None:
    names = ccxt()
    async with running("bybit") as server, client(server) as bybit:

        async def error(call: Awaitable[Any]) -> type[Exception]:
            with pytest.raises(ccxt().BaseError) as caught:
                await call
            return caught.type

        def buy(amount: float, **parameters: Any) -> Any:
            return bybit.create_order(BTC, "market", "buy", amount, None, parameters)

        await buy(0.001, clientOrderId="a")
        assert await error(buy(0.001, clientOrderId="a")) is names.InvalidOrder
        assert await error(buy(100)) is names.InsufficientFunds
        assert await error(buy(0.01, reduceOnly=True)) is names.InvalidOrder
        assert await error(bybit.set_leverage(10, BTC)) is names.BadRequest
        assert await error(bybit.set_leverage(500, BTC)) is names.BadRequest
        assert await error(bybit.set_position_mode(False, BTC)) is names.NoChange
        assert await error(bybit.set_margin_mode("isolated", BTC)) is names.ExchangeError
        assert await error(bybit.cancel_order("none", BTC)) is names.OrderNotFound
        faults = {
            "BadKey": names.AuthenticationError,
            "BadSignature": names.AuthenticationError,
            "ExpiredKey": names.AuthenticationError,
            "PermissionRefused": names.PermissionDenied,
            "IpRefused": names.PermissionDenied,
            "BadTimestamp": names.InvalidNonce,
            "RateLimited": names.RateLimitExceeded,
            "Busy": names.ExchangeError,
        }
        for name, expected in faults.items():
            server.faults.add(Fault(kind=FaultKind.REJECTED, route="balance", error=name))
            assert await error(bybit.fetch_balance()) is expected, name
        broken = {
            FaultKind.DROPPED: names.NetworkError,
            FaultKind.HTML: names.ExchangeNotAvailable,
            FaultKind.SERVER_ERROR: names.ExchangeNotAvailable,
            FaultKind.RATE_LIMITED: names.RateLimitExceeded,
        }
        for kind, expected in broken.items():
            # aiohttp itself sends a GET again when a connection that was kept alive breaks
            server.faults.add(Fault(kind=kind, route="balance", times=2 if kind is FaultKind.DROPPED else 1))
            assert issubclass(await error(bybit.fetch_balance()), expected), kind


async def test_modes() -> None:
    async with running("bybit") as server, client(server) as bybit:
        account = server.exchange.accounts["main"]
        await bybit.set_margin_mode("isolated", BTC)
        assert account.default_margin_mode is MarginMode.ISOLATED
        assert (await bybit.fetch_margin_mode(BTC))["marginMode"] == "isolated"
        await bybit.set_position_mode(True, BTC)
        assert account.position_mode("BTCUSDT") is PositionMode.HEDGE
        await bybit.create_order(BTC, "market", "buy", 0.01, None, {"hedged": True})
        await bybit.create_order(BTC, "market", "sell", 0.02, None, {"hedged": True})
        assert account.size("BTCUSDT", PositionSide.LONG) == Decimal("0.01")
        assert account.size("BTCUSDT", PositionSide.SHORT) == Decimal("-0.02")
        assert {(p["side"], p["contracts"]) for p in await bybit.fetch_positions()} == {
            ("long", 0.01),
            ("short", 0.02),
        }


async def test_a_client_with_nothing_set_loads_its_markets() -> None:
    async with running("bybit") as server:
        bybit = ccxt().bybit({**credentials(), "enableRateLimit": False})
        redirect(bybit.urls["api"], server)
        try:
            await bybit.load_markets()
            assert len(bybit.markets) == 25
            await bybit.create_order(BTC, "market", "buy", 0.01)
        finally:
            await bybit.close()
        assert not server.exchange.counts.requests["unknown"]


async def test_streams_report_what_happened() -> None:
    async with running("bybit") as server, client(server, pro=True) as bybit:

        async def soon(call: Awaitable[Any]) -> Any:
            async with asyncio.timeout(30):
                return await call

        first = await soon(bybit.watch_tickers([BTC]))
        assert first[BTC]["markPrice"] == 51444.4
        watching = [
            asyncio.create_task(soon(call()))
            for call in (bybit.watch_positions, bybit.watch_orders, bybit.watch_balance)
        ]
        async with asyncio.timeout(30):
            while sum(len(getattr(stream, "topics", ())) for stream in server.connections) < 4:
                await asyncio.sleep(0.02)
        await bybit.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "a"})
        positions, orders, balance = await asyncio.gather(*watching)
        assert [(p["side"], p["contracts"]) for p in positions] == [("long", 0.01)]
        assert [(o["clientOrderId"], o["status"], o["filled"]) for o in orders] == [("a", "closed", 0.01)]
        assert balance["USDT"]["total"] == pytest.approx(10_000 - 514.444 * 0.00055)
        server.exchange.set_price("BTCUSDT", Decimal(52_000))
        assert (await soon(bybit.watch_tickers([BTC])))[BTC]["markPrice"] == 52_000
        sent = await soon(bybit.create_order_ws(BTC, "market", "sell", 0.01, None, {"clientOrderId": "b"}))
        assert sent["clientOrderId"] == "b"
        assert server.exchange.accounts["main"].size("BTCUSDT") == 0


async def test_a_stream_with_a_wrong_secret_is_refused() -> None:
    async with running("bybit") as server, client(server, pro=True, secret="wrong") as bybit:
        with pytest.raises(ccxt().AuthenticationError):
            async with asyncio.timeout(30):
                await bybit.watch_orders()
