"""Whatever faults a seed generates, the exchange's own books stay right and nothing fails inside it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from decimal import Decimal

import aiohttp
import pytest

from te_emulators.bybit.client import BybitClient, bybit_client
from te_emulators.bybit.signature import sign_stream
from te_emulators.core.fault_files import faults_of_seed
from te_emulators.core.faults import FaultScript
from te_emulators.core.limits import RateLimits
from te_emulators.venues import running
from te_emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock
LINEAR = {"category": "linear"}


async def listen(server: WireServer) -> None:
    """A client that reconnects repeatedly and accepts whatever arrives."""
    async with aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError, ValueError):
                async with session.ws_connect(f"{server.ws_url}/v5/private") as socket:
                    expires = str(server.exchange.clock.ms() + 5_000)
                    await socket.send_json(
                        {"op": "auth", "args": ["K", expires, sign_stream("S", expires=expires)]}
                    )
                    await socket.send_json({"op": "subscribe", "args": ["position", "order", "wallet"]})
                    async for _ in socket:
                        pass
            await asyncio.sleep(0.02)


async def trade(client: BybitClient, turn: int) -> None:
    side = "Sell" if turn % 3 == 1 else "Buy"
    steps = (
        client.get("/v5/account/wallet-balance", accountType="UNIFIED"),
        client.get("/v5/position/list", **LINEAR, settleCoin="USDT"),
        client.get("/v5/market/tickers", **LINEAR, symbol="BTCUSDT"),
        client.post(
            "/v5/position/set-leverage",
            **LINEAR,
            symbol="BTCUSDT",
            buyLeverage=str(5 + turn % 3),
            sellLeverage=str(5 + turn % 3),
        ),
        client.buy(f"o{turn}", "0.01", side=side),
        client.get("/v5/order/realtime", **LINEAR, symbol="BTCUSDT", orderLinkId=f"o{turn}"),
    )
    for step in steps:
        try:
            await step
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("seed", range(6))
async def test_the_books_stay_right(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    script = FaultScript(faults_of_seed(seed, number=60, spread=15))
    async with (
        running("bybit", faults=script, limits=RateLimits(())) as server,
        bybit_client(server) as client,
    ):
        listener = asyncio.create_task(listen(server))
        for turn in range(25):
            await trade(client, turn)
        await server.listen()
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)
        account = server.exchange.accounts["main"]
        for symbol in ("BTCUSDT", "ETHUSDT"):
            orders = [order for order in account.orders.values() if order.request.symbol == symbol]
            assert account.size(symbol) == sum((o.request.side.sign * o.filled for o in orders), Decimal(0))
        assert server.exchange.counts.doubled == []
        assert len(server.exchange.counts.faults) > 10
        ids = itertools.chain.from_iterable(server.exchange.counts.executed)
        assert set(ids) <= {"main", *(f"o{turn}" for turn in range(25))}
    assert not [record.getMessage() for record in caplog.records]
