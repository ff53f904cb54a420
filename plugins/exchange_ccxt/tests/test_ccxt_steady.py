"""Streams use no more memory after ten thousand orders than after a few hundred."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from loguru import logger

from te_core.api import Outages
from te_core.clock import SystemClock
from te_core.testing.stream_recorder import StreamRecorder
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.client.client_factory import STREAM_CACHE_LIMITS, close_client, create_client
from te_exchange_ccxt.lazy_ccxt import exchange_class
from te_exchange_ccxt.streams.account_streams import REMEMBERED_ORDERS, AccountStreams
from te_exchange_ccxt.symbols import Symbols

pytestmark = pytest.mark.real_clock

ORDERS = 10_000
PRIVATE = "wss://stream.bybit.com/v5/private"
MARKET = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "type": "swap",
    "spot": False,
    "swap": True,
    "contract": True,
    "linear": True,
    "precision": {"amount": "0.001", "price": "0.1"},
    "limits": {},
}


@asynccontextmanager
async def following(**config: Any) -> AsyncIterator[tuple[Any, Any, AccountStreams, StreamRecorder]]:
    """Return ccxt's client with a connection that is never opened, and the streams that listen to it."""
    options = {"exchange": "bybit", "api_key": "K", "secret": "S", "config": config}
    adapter = GenericAdapter(GenericOptions.model_validate(options))
    exchange = create_client(adapter, await exchange_class("bybit"))
    exchange.set_markets([MARKET])
    seen, clock = StreamRecorder(), SystemClock()
    exchange.listener = streams = AccountStreams(
        adapter,
        seen,
        clock=clock,
        outages=Outages(clock, logger, lambda event: None, account="main"),
        symbols=lambda: Symbols((MARKET,), "USDT"),
        is_listed=lambda name: name == MARKET["symbol"],
        wanted={},
    )
    try:
        yield exchange, exchange.client(PRIVATE), streams, seen
    finally:
        await close_client(exchange)


def push(exchange: Any, client: Any, number: int) -> None:
    row = {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderId": str(number),
        "orderLinkId": f"7e{number}",
        "orderStatus": "Filled",
        "side": "Buy",
        "orderType": "Market",
        "qty": "0.01",
        "cumExecQty": "0.01",
        "avgPrice": "50000",
        "createdTime": "1700000000000",
        "updatedTime": "1700000000000",
    }
    exchange.handle_message(client, {"topic": "order", "data": [row]})


async def test_ten_thousand_orders_leave_no_more_than_a_few_hundred() -> None:
    async with following() as (exchange, client, streams, seen):
        for number in range(ORDERS):
            push(exchange, client, number)
        assert [name for name, _ in seen.orders] == [f"7e{number}" for number in range(ORDERS)], "each, once"
        assert len(exchange.orders) == STREAM_CACHE_LIMITS["ordersLimit"]
        assert (
            sum(len(known) for known in exchange.orders.hashmap.values())
            == STREAM_CACHE_LIMITS["ordersLimit"]
        )
        assert len(streams._orders) == REMEMBERED_ORDERS


async def test_an_operator_may_still_choose_ccxts_caches() -> None:
    async with following(options={"ordersLimit": 7}) as (exchange, client, _, _):
        for number in range(20):
            push(exchange, client, number)
        assert len(exchange.orders) == 7


@pytest.mark.parametrize(
    "exchange", ["bybit", "blofin", "kucoinfutures", "mexc", "okx", "bitget", "binanceusdm"]
)
async def test_every_client_is_bounded(exchange: str) -> None:
    keys = {"api_key": "K", "secret": "S", "passphrase": "P"}
    adapter = GenericAdapter(GenericOptions.model_validate({"exchange": exchange, **keys}))
    client = create_client(adapter, await exchange_class(exchange))
    try:
        assert STREAM_CACHE_LIMITS.items() <= client.options.items()
    finally:
        await close_client(client)
