"""Recorded answers of MEXC, fed to the parsers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import Instrument, MarginMode, OrderStatus
from te_exchange_ccxt.api import number
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.lazy_ccxt import exchange_class
from te_exchange_mexc.adapter import MexcAdapter
from te_exchange_mexc.options import MexcOptions
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock

D = Decimal
OLDER, NEWER = "contract detail BTC", "contract detail, current"


@asynccontextmanager
async def answering(*names: str) -> AsyncIterator[MexcAdapter]:
    """Yield an adapter that receives the samples of those names, one after the other, and knows the contracts."""
    answers = [response("mexc", name) for name in (OLDER, *names)]  # may skip: nothing is open yet
    adapter = MexcAdapter(MexcOptions.model_validate({"api_key": "K", "secret": "S"}))
    client = create_client(adapter, await exchange_class("mexc"))

    async def fetch(*request: Any, **more: Any) -> Any:
        return client.on_json_response(json.dumps(answers.pop(0)))

    client.fetch = fetch
    try:
        client.set_markets(await adapter.fetch_markets())
        yield adapter
    finally:
        await close_client(client)


async def test_contracts_become_instruments_in_base_units() -> None:
    async with answering(NEWER) as adapter:
        newer = {market["id"]: market for market in await adapter.fetch_markets()}
        older = adapter.exchange.markets_by_id
        bitcoin = adapter.instrument(
            "BTCUSDT", newer["BTC_USDT"] | {"precision": {"amount": "1", "price": "0.1"}}
        )
        assert bitcoin == Instrument(
            symbol="BTCUSDT",
            quantity_step=D("0.0001"),
            minimum_quantity=D("0.0001"),
            price_tick=D("0.1"),
            contract_size=D("0.0001"),
            largest_market_quantity=D(40),
            largest_leverage=500,
        )
        solana = adapter.instrument("SOLUSDT", older["SOL_USDT"][0])
        assert solana.quantity_step == D("0.1")
        assert solana.largest_market_quantity == 20_000
        ether = adapter.instrument("ETHUSDT", older["ETH_USDT"][0])
        assert ether.quantity_step == ether.price_tick == D("0.01")
        assert ether.largest_leverage == 200
        allowed = {name: adapter.tradable(market) for name, market in newer.items()}
        assert allowed == {
            "BTC_USDT": True,
            "BTC_USD": True,
            "XRP_USDT": True,
            "TUT_USDT": True,
            "BULLCOIN_USDT": False,
        }
        assert not adapter.tradable(older["BTC_USDT"][0]), "in the older recording no contract takes orders"


async def test_equity() -> None:
    async with answering("account assets") as adapter:
        equity = await adapter.fetch_equity()
        assert equity.wallet == equity.total == equity.free == D("0.03176562")


async def test_positions() -> None:
    async with answering("open positions") as adapter:
        (row,) = await adapter.fetch_positions()
        held = adapter.position("ETHUSDT", row, adapter.exchange.market("ETH/USDT:USDT"))
        assert held.quantity == D("0.01")
        assert (held.entry_price, held.leverage) == (D("1217.3"), D(100))
        assert held.margin_mode is MarginMode.ISOLATED
        assert held.liquidation_price == D("1211.2")
        assert held.unrealised_pnl is None, "MEXC does not tell it"
        assert adapter.held["ETH_USDT"]["positionId"] == 1394650


@pytest.mark.parametrize("name", ["order by externalOid", "order detail"])
async def test_orders(name: str) -> None:
    async with answering(name) as adapter:
        market = adapter.exchange.market("ETH/USDT:USDT")
        row = await adapter.find_order("_m_f95eb99b061d4eef8f64a04e9ac4dad3", market)
        assert row is not None
        report = adapter.report("_m_f95eb99b061d4eef8f64a04e9ac4dad3", row, market)
        assert (report.status, report.filled, report.average_price) == (
            OrderStatus.FILLED,
            D("0.01"),
            D("1208.35"),
        )
        assert report.fee == D("0.0072501")
        assert adapter.client_order_id(row) == "_m_f95eb99b061d4eef8f64a04e9ac4dad3"


async def test_tickers() -> None:
    async with answering("ticker BTC_USDT (2026", "tickers") as adapter:
        for price in ("77150.1", "31199.5"):
            two = await adapter.fetch_tickers(["BTC/USDT:USDT", "ETH/USDT:USDT"])
            assert {name: adapter.price(row) for name, row in two.items()} == {"BTC/USDT:USDT": D(price)}


async def test_the_acknowledgement_of_an_order(make_order: Any) -> None:
    async with answering("order ack (order/create)") as adapter:
        market = adapter.exchange.market("BTC/USDT:USDT")
        placed = await adapter.create_order(make_order("0.01"), D(100), market)
        assert placed["id"] == "739113577038255616"
        assert adapter.report("7e01", placed, market).status is OrderStatus.OPEN


async def test_a_success_without_data_is_not_a_fact() -> None:
    bare = "change leverage ok"
    async with answering(*4 * [bare]) as adapter:
        for read in (adapter.fetch_positions, adapter.fetch_equity, adapter.check):
            with pytest.raises(ValueError, match="without the requested data"):
                await read()
        with pytest.raises(ValueError, match="without the requested data"):
            await adapter.fetch_tickers(["BTC/USDT:USDT"])


async def test_settings() -> None:
    async with answering(
        "open positions", "change leverage ok", "position mode", "account assets"
    ) as adapter:
        await adapter.fetch_positions()
        await adapter.set_leverage(adapter.exchange.market("ETH/USDT:USDT"), 3, MarginMode.ISOLATED)
        with pytest.raises(Exception, match="hedge mode"):
            await adapter.check()


async def test_a_pushed_order() -> None:
    async with answering() as adapter:
        ((kind, row),) = adapter.parse_message(response("mexc", "ws order push")) or ()
        assert (kind, row["status"], number(row["filled"])) == ("orders", "closed", D(1))
        assert adapter.client_order_id(row) == "_m_95bc2b72d3784bce8f9efecbdef9fe35"


async def test_a_pushed_ticker_belongs_to_the_symbol_of_the_message() -> None:
    """The sample names another one inside."""
    async with answering() as adapter:
        ((kind, (row,)),) = adapter.parse_message(response("mexc", "ws ticker push")) or ()
        assert (kind, row["symbol"], adapter.price(row)) == ("tickers", "BTC/USDT:USDT", D("6867.4"))


@pytest.mark.parametrize("name", ["ws position push", "ws asset push", "ws order deal push", "ws filter ok"])
async def test_pushes_without_used_data_are_ignored(name: str) -> None:
    async with answering() as adapter:
        assert adapter.parse_message(response("mexc", name)) == ()
