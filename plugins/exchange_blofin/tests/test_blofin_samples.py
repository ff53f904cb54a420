"""Recorded answers of BloFin, fed to the parsers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import Instrument, InsufficientMargin, MarginMode, OrderStatus
from te_emulators.accounts import order
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.copy_trading import CopyTradingAdapter
from te_exchange_blofin.options import BlofinOptions
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.client.error_classification import translate_error
from te_exchange_ccxt.client.transport import find_refused_item
from te_exchange_ccxt.lazy_ccxt import BaseError, exchange_class
from tests.samples.reader import entries, response

pytestmark = pytest.mark.real_clock

D = Decimal


@asynccontextmanager
async def answering(*names: str, kind: type[BlofinAdapter] = BlofinAdapter) -> AsyncIterator[BlofinAdapter]:
    """Yield an adapter that receives the samples of those names, one after the other, and knows the contracts."""
    # Read first: it skips where the samples are absent, and nothing is open yet.
    answers = [response("blofin", name) for name in ("instruments (BTC", *names)]
    adapter = kind(BlofinOptions.model_validate({"api_key": "K", "secret": "S", "passphrase": "P"}))
    base: Any = await exchange_class("blofin")
    client = create_client(adapter, base)

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        text = json.dumps(answers.pop(0))
        found = client.on_json_response(text)
        client.handle_errors(200, "OK", url, method, {}, text, found, headers, body)
        return found

    client.fetch = fetch
    try:
        client.set_markets(await adapter.fetch_markets())
        yield adapter
        assert answers == []
    finally:
        await close_client(client)


async def test_contracts_become_instruments_in_base_units() -> None:
    async with answering() as adapter:
        found = {
            name: adapter.instrument(name, adapter.exchange.market(f"{name[:3]}/USDT:USDT"))
            for name in ("BTCUSDT", "ETHUSDT", "LTCUSDT", "ADAUSDT")
        }
        assert found["ETHUSDT"] == Instrument(
            symbol="ETHUSDT",
            quantity_step=D("0.001"),
            minimum_quantity=D("0.001"),
            price_tick=D("0.01"),
            contract_size=D("0.01"),
            largest_market_quantity=D(2000),
            largest_leverage=150,
        )
        assert (found["BTCUSDT"].quantity_step, found["BTCUSDT"].largest_market_quantity) == (
            D("0.001"),
            D(100),
        )
        assert (found["LTCUSDT"].quantity_step, found["LTCUSDT"].largest_market_quantity) == (
            D("0.01"),
            D(3500),
        )
        assert (found["ADAUSDT"].quantity_step, found["ADAUSDT"].largest_market_quantity) == (
            D(100),
            D(450_000),
        )


@pytest.mark.parametrize(
    ("name", "wallet", "total", "free"),
    [
        (
            "futures account balance",
            "61.338743775651804468",
            "61.338743775651804468",
            "61.338743775651804459",
        ),
        (
            "futures account balance (documented",
            "10013119.885958415234430699",
            "10014042.988958415234430699548",
            "9996399.4708691159703362725",
        ),
    ],
)
async def test_equity_to_the_last_digit(name: str, wallet: str, total: str, free: str) -> None:
    async with answering(name) as adapter:
        equity = await adapter.fetch_equity()
        assert (equity.wallet, equity.total, equity.free) == (D(wallet), D(total), D(free))


async def test_positions() -> None:
    async with answering("position LTC", "position BTC", "positions isolated") as adapter:
        found = {}
        for _ in range(2):
            (row,) = await adapter.fetch_positions()
            name = row["symbol"].split("/")[0]
            found[name] = adapter.position(f"{name}USDT", row, adapter.exchange.market(row["symbol"]))
        ether, _ = await adapter.fetch_positions()
        isolated = adapter.position("ETHUSDT", ether, adapter.exchange.market("ETH/USDT:USDT"))
        litecoin, bitcoin = found["LTC"], found["BTC"]
        assert (litecoin.quantity, litecoin.entry_price, litecoin.leverage) == (D(1), D("67.85"), D(3))
        assert litecoin.liquidation_price == D("6.588863861975256971")
        assert litecoin.margin_mode is MarginMode.CROSS
        assert (bitcoin.quantity, bitcoin.liquidation_price) == (D("0.0001"), None)
        assert bitcoin.unrealised_pnl == D("-0.00185303507244")
        assert (isolated.quantity, isolated.margin_mode) == (D("0.01"), MarginMode.ISOLATED)


async def test_shorts_are_negative() -> None:
    async with answering("positions isolated") as adapter:
        _, short = await adapter.fetch_positions()
        market = {**adapter.exchange.market("LTC/USDT:USDT"), "contractSize": "0.1"}
        assert adapter.position("BCHUSDT", short, market).quantity == -29


@pytest.mark.parametrize(
    ("name", "status", "filled", "price"),
    [
        ("order detail", OrderStatus.OPEN, "0", None),
        ("filled market", OrderStatus.FILLED, "1", "68.11"),
        ("open limit order", OrderStatus.OPEN, "0", None),
        ("orders pending", OrderStatus.OPEN, "0", None),
        ("orders history", OrderStatus.CANCELLED, "0", None),
    ],
)
async def test_orders(name: str, status: OrderStatus, filled: str, price: str | None) -> None:
    async with answering() as adapter:
        data = response("blofin", name)["data"]
        raw = data[0] if isinstance(data, list) else data
        market = adapter.exchange.market(raw["instId"].replace("-", "/") + ":USDT")
        report = adapter.report("x", adapter.exchange.parse_order(raw, market), market)
        assert (report.status, report.filled) == (status, D(filled))
        assert report.average_price == (D(price) if price else None)


@pytest.mark.parametrize(
    ("name", "number"), [("order ack", "1000012973229"), ("order ack (2)", "1000147281717")]
)
async def test_acknowledgements(name: str, number: str) -> None:
    async with answering(name) as adapter:
        market = adapter.exchange.market("ETH/USDT:USDT")
        placed = await adapter.create_order(order("0.001", "ETHUSDT"), D("0.1"), market)
        assert placed["id"] == number
        assert adapter.report("7e01", placed, market).status is OrderStatus.OPEN


async def test_a_refusal_inside_of_an_outer_one() -> None:
    async with answering("order rejected") as adapter:
        with pytest.raises(BaseError()) as caught:
            await adapter.create_order(
                order("0.001", "ETHUSDT"), D("0.1"), adapter.exchange.market("ETH/USDT:USDT")
            )
        told = translate_error(caught.value, adapter, what="order", sending=True)
        assert isinstance(told, InsufficientMargin)
        assert told.code == "103003"


async def test_prices() -> None:
    async with answering("tickers BTC", "mark price") as adapter:
        row = (await adapter.fetch_tickers(["BTC/USDT:USDT"]))["BTC/USDT:USDT"]
        assert adapter.price(row) == D("73355.3")
        skew = await adapter.clock_skew()
        assert skew is not None
        assert skew > 0, "it was recorded before now"


async def test_settings() -> None:
    async with answering("set leverage", "margin mode") as adapter:
        market = adapter.exchange.market("BTC/USDT:USDT")
        await adapter.set_leverage(market, 100, MarginMode.CROSS)
        await adapter.set_margin_mode(market, MarginMode.ISOLATED)
        await adapter.set_margin_mode(market, MarginMode.ISOLATED)


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        ("ws positions push (2026", "positions", ("ETH/USDT:USDT", "1", "long")),
        ("ws orders push", "orders", ("BTC/USDT:USDT", "10", "open")),
        ("ws tickers push", "tickers", ("BTC/USDT:USDT", "9999.99", None)),
    ],
)
async def test_pushes(name: str, kind: str, shown: tuple[object, ...]) -> None:
    async with answering() as adapter:
        pushed = adapter.parse_message(response("blofin", name))
        assert pushed is not None
        ((found, rows),) = pushed
        row = rows[0] if isinstance(rows, list) else rows
        assert found == kind
        values = (row["symbol"], row.get("contracts") or row.get("amount") or row.get("last"))
        assert (*values, row.get("side") if kind == "positions" else row.get("status")) == shown


async def test_a_pushed_balance() -> None:
    async with answering() as adapter:
        pushed = adapter.parse_message(response("blofin", "ws account push"))
        assert pushed is not None
        ((kind, found),) = pushed
        equity = adapter.pushed_equity(found)
        assert equity is not None
        assert (kind, equity.wallet, equity.total, equity.free) == ("balance", D(1), D(1), D(0))
        assert adapter.pushed_equity({"details": []}) is None


@pytest.mark.parametrize("name", ["ws login ok", "ws subscribe ack", "ws error"])
async def test_answers_of_streams_push_nothing(name: str) -> None:
    async with answering() as adapter:
        assert adapter.parse_message(response("blofin", name)) == ()


def test_no_recorded_success_counts_as_a_refusal() -> None:
    for entry in entries("blofin"):
        found = find_refused_item(entry["response"], BlofinAdapter.item_code)
        if entry["name"].startswith("order rejected"):
            assert found is not None
            assert (found["code"], found["msg"]) == ("103003", "Insufficient margin")
        else:
            assert found is None, entry["name"]


async def test_a_copy_trading_account() -> None:
    names = ("copy-trading account balance", "copy-trading positions by contract")
    async with answering(*names, kind=CopyTradingAdapter) as adapter:
        equity = await adapter.fetch_equity()
        assert equity.wallet == D("10013119.885958415234430699")
        assert equity.total == D("10014042.988958415234430699548")
        (row,) = await adapter.fetch_positions()
        position = adapter.position("GMTUSDT", row, {"id": "GMT-USDT", "contractSize": "1"})
        assert (position.quantity, position.leverage) == (D("2935.2"), D(3))
        assert position.entry_price == D("1.211999326885720075")


async def test_a_close_of_copy_trading() -> None:
    """One request becomes three orders, all of which are its outcome."""
    async with answering("copy-trading close by contract", kind=CopyTradingAdapter) as adapter:
        market = adapter.exchange.market("ETH/USDT:USDT")
        closing = order("-0.001", "ETHUSDT", reduce_only=True)
        placed = await adapter.create_order(closing, D("0.1"), market)
        assert adapter.report(closing.client_order_id, placed, market).status is OrderStatus.OPEN
        rows = [{"orderId": name, "filledSize": "0.1", "state": "filled"} for name in ("10000", "20000")]

        async def shown(method: str, route: str, params: Any = None) -> Any:
            del method, params
            return {"code": "0", "data": rows if route.endswith("history") else []}

        adapter.request = shown  # type: ignore[method-assign]  # of this one
        assert await adapter.query_order(closing.client_order_id, market) == {"status": "open"}
        rows.append({"orderId": "30000", "filledSize": "0.1", "state": "filled"})
        found = await adapter.query_order(closing.client_order_id, market)
        assert found is not None
        assert (found["status"], found["filled"]) == ("closed", D("0.3"))
