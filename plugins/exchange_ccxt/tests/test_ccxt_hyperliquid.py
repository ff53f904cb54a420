"""Hyperliquid through the generic plugin: its recorded responses are parsed, and nothing extra is signed.

Every recorded response is checked here or has a reason why not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import (
    AuthError,
    Instrument,
    InsufficientMargin,
    MarginMode,
    OrderStatus,
    RateLimited,
    TradeEngineError,
)
from te_emulators.accounts import connected, order
from te_emulators.standins.hyperliquid import PRIVATE_KEY, WALLET
from te_emulators.venues import running
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.client.error_classification import classify_error, translate_error
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.lazy_ccxt import BaseError, exchange_class
from te_exchange_ccxt.plugin import CCXT
from te_exchange_ccxt.responses import last_response
from tests.samples.accounting import complaints
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock

D = Decimal
KEYS = {"wallet_address": f"0x{'1' * 40}", "private_key": f"0x{'1' * 64}"}
SWAPS = {"options": {"fetchMarkets": {"types": ["swap"]}, "enableUnifiedMargin": False}}
CONTRACTS = "metaAndAssetCtxs (four"
UNUSED = "outside: the plugin never asks for it, since "
ACCOUNT = {
    "metaAndAssetCtxs (four coins; index in universe = asset id on the exchange, here re-packed)": (
        "value: test_contracts_are_in_base_units_worth_ten_dollars_at_least"
    ),
    "meta (one coin, newer fields)": UNUSED + "the answer with prices has the same rows",
    "meta sample": UNUSED + "the answer with prices has the same rows",
    "clearinghouseState: cross short SOL + cross long ETH": "value: test_equity",
    "clearinghouseState: isolated short HYPE": "value: test_positions",
    "order filled (market = IOC limit)": "ack: test_an_order_is_the_only_thing_that_is_signed",
    "order rejected inside statuses": "error: test_refusals",
    "whole request rejected": "error: test_refusals",
    "rate limit": "error: test_refusals",
    "updateLeverage ok": "ack: test_leverage",
    "orderStatus open": UNUSED + "orders are looked up in the lists of open and closed ones",
    "orderStatus unknown": "error: test_an_order_that_there_is_not",
    "frontendOpenOrders": "value: test_an_order_is_looked_for_among_open_ones",
    "fills": UNUSED + "what an order was filled at stands in the order",
    "http_spot_clearinghouse_state": "outside: balances of spot, which perpetuals are not margined with",
    "ws_allmids": "push: test_pushed_prices",
}


class Exchange:
    """Returns recorded responses, one after the other, and records the requests."""

    def __init__(self, adapter: GenericAdapter, client: Any) -> None:
        self.adapter = adapter
        self.client = client
        self.answers: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        client.fetch = self.fetch

    def answer(self, *names: str) -> None:
        self.answers += [response("hyperliquid", name) for name in names]

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.asked.append(json.loads(body))
        text = json.dumps(self.answers.pop(0))
        found = self.client.on_json_response(text)
        self.client.handle_errors(200, "OK", url, method, {}, text, found, headers, body)
        return found

    def market(self, coin: str) -> Any:
        return self.client.market(f"{coin}/USDC:USDC")


@asynccontextmanager
async def hyperliquid() -> AsyncIterator[Exchange]:
    """An exchange whose contracts are known."""
    response("hyperliquid", CONTRACTS)  # skips where the samples are absent, and nothing is open yet
    options = {"exchange": "hyperliquid", "settle": "USDC", "config": SWAPS, **KEYS}
    adapter = GenericAdapter(GenericOptions.model_validate(options))
    base: Any = await exchange_class("hyperliquid")
    exchange = Exchange(adapter, create_client(adapter, base))
    try:
        exchange.answer(CONTRACTS)
        exchange.client.set_markets(await adapter.fetch_markets())
        exchange.asked.clear()
        last_response.set(None)  # as an account does before each request
        yield exchange
        assert exchange.answers == []
    finally:
        await close_client(exchange.client)


def test_every_sample_is_checked_or_has_a_reason() -> None:
    assert complaints("hyperliquid", ACCOUNT, plugin="ccxt") == []


async def test_contracts_are_in_base_units_worth_ten_dollars_at_least() -> None:
    async with hyperliquid() as exchange:
        coins = ("BTC", "ETH", "SOL", "ADA")
        found = [exchange.adapter.instrument(f"{coin}USDC", exchange.market(coin)) for coin in coins]
        assert found[0] == Instrument(
            symbol="BTCUSDC",
            quantity_step=D("0.00001"),
            minimum_quantity=D(0),
            minimum_notional=D(10),
            price_tick=D(1),
            contract_size=D(1),
            largest_leverage=50,
        )
        assert [each.quantity_step for each in found[1:]] == [D("0.0001"), D("0.01"), D(1)]


async def test_equity() -> None:
    async with hyperliquid() as exchange:
        exchange.answer("clearinghouseState: cross short SOL + cross long ETH")
        equity = await exchange.adapter.fetch_equity()
        assert (equity.total, equity.free) == (D("11524.216934"), D("11329.807934"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "clearinghouseState: cross short SOL + cross long ETH",
            {
                "SOL": (D("-0.5"), D("138.76"), D(20), MarginMode.CROSS),
                "ETH": (D("1.6"), D(1100), D(20), MarginMode.CROSS),
            },
        ),
        (
            "clearinghouseState: isolated short HYPE",
            {"HYPE": (D(-4), D("47.9932"), D(10), MarginMode.ISOLATED)},
        ),
    ],
)
async def test_positions(name: str, expected: dict[str, tuple[object, ...]]) -> None:
    async with hyperliquid() as exchange:
        exchange.answer(name)
        found = {}
        for row in await exchange.adapter.fetch_positions():
            coin = row["symbol"].partition("/")[0]
            held = exchange.adapter.position(f"{coin}USDC", row, {"contractSize": "1"})
            found[coin] = (held.quantity, held.entry_price, held.leverage, held.margin_mode)
            assert not exchange.adapter.hedged(row)
        assert found == expected


async def test_prices_are_of_one_request() -> None:
    async with hyperliquid() as exchange:
        exchange.answer(CONTRACTS)
        found = await exchange.adapter.fetch_tickers(["BTC/USDC:USDC", "ETH/USDC:USDC"])
        prices = {name: exchange.adapter.price(row) for name, row in found.items()}
        assert prices == {"BTC/USDC:USDC": D("67695.5"), "ETH/USDC:USDC": D("3688.45")}


async def test_pushed_prices() -> None:
    async with hyperliquid() as exchange:
        pushed: dict[str, Any] = {}
        client = type(
            "Client", (), {"url": "wss://x", "resolve": lambda _, *it: pushed.update({it[1]: it[0]})}
        )
        exchange.client.handle_message(client(), response("hyperliquid", "ws_allmids"))
        (name,) = pushed
        assert exchange.adapter.kind_resolved(name) == "tickers"
        rows = {row["symbol"]: exchange.adapter.price(row) for row in pushed[name].values()}
        assert (rows["BTC/USDC:USDC"], rows["SOL/USDC:USDC"]) == (D("80868.5"), D("94.8775"))


async def test_leverage() -> None:
    async with hyperliquid() as exchange:
        exchange.answer("updateLeverage ok")
        await exchange.adapter.set_leverage(exchange.market("ETH"), 5, MarginMode.ISOLATED)
        (asked,) = exchange.asked
        assert asked["action"] == {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 5}


async def test_an_order_is_the_only_thing_that_is_signed() -> None:
    """ccxt would first approve a fee for itself, which every later order pays, and name itself as the referrer."""
    async with hyperliquid() as exchange:
        exchange.answer("order filled (market = IOC limit)")
        placed = await exchange.adapter.create_order(
            order("0.02", "ETHUSDC"), D("0.02"), exchange.market("ETH")
        )
        report = exchange.adapter.report("7e01", placed, exchange.market("ETH"))
        assert (report.filled, report.average_price) == (D(1), D("25.585"))
        (asked,) = exchange.asked
        assert asked["action"]["type"] == "order"
        assert "builder" not in asked["action"]
        (sent,) = asked["action"]["orders"]
        assert (sent["a"], sent["b"], sent["s"], sent["t"]) == (1, True, "0.02", {"limit": {"tif": "Ioc"}})
        assert sent["c"] == f"0x{order('0.02', 'ETHUSDC').client_order_id}"


@pytest.mark.parametrize(
    ("name", "expected", "remedy"),
    [
        ("order rejected inside statuses", InsufficientMargin, "free margin"),
        ("whole request rejected", AuthError, "key is wrong"),
        ("rate limit", RateLimited, "limit is used up"),
    ],
)
async def test_refusals(name: str, expected: type[TradeEngineError], remedy: str) -> None:
    async with hyperliquid() as exchange:
        exchange.answer(name)
        with pytest.raises(BaseError()) as caught:
            await exchange.adapter.create_order(order("0.02", "ETHUSDC"), D("0.02"), exchange.market("ETH"))
        told = translate_error(caught.value, exchange.adapter, what="order", sending=True)
        assert type(told) is expected
        assert remedy in str(told)


async def test_an_order_is_looked_for_among_open_ones() -> None:
    async with hyperliquid() as exchange:
        exchange.answer("frontendOpenOrders")
        (row,) = await exchange.client.fetch_open_orders("ADA/USDC:USDC")
        report = exchange.adapter.report("7e01", row, exchange.market("ADA"))
        assert (report.status, report.filled) == (OrderStatus.OPEN, D(0))
        assert exchange.adapter.client_order_id(row) is None
        assert exchange.adapter.client_order_id({**row, "clientOrderId": "0x7e01"}) == "7e01"


async def test_an_order_that_there_is_not() -> None:
    async with hyperliquid() as exchange:
        exchange.answer("orderStatus unknown")
        with pytest.raises(BaseError()) as caught:
            await exchange.client.fetch_order("1")
        assert classify_error(caught.value, exchange.adapter)[0] is ErrorKind.NOT_FOUND


async def test_an_account_opens_and_trades(tmp_path: Path) -> None:
    """ccxt copies tables that it builds when it reads the contracts; the plugin reads them with another client."""
    keys = {"wallet_address": WALLET, "private_key": PRIVATE_KEY}
    options = {"exchange": "hyperliquid", "settle": "USDC", "config": SWAPS, **keys}
    async with (
        running("hyperliquid", coin="USDC") as server,
        connected(CCXT, server, tmp_path, **options) as account,
    ):
        await account.place_order(order("0.02", "ETHUSDC"))
        assert (await account.positions()).value["ETHUSDC"].quantity == D("0.02")
