"""Recorded responses of Bybit are parsed into the right values."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import AuthError, MarginMode, NotReady, OrderStatus, Severity
from te_exchange_bybit.adapter import BybitAdapter
from te_exchange_bybit.diagnostics import check_key
from te_exchange_bybit.options import BybitOptions
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.lazy_ccxt import exchange_class
from te_exchange_ccxt.symbols import Symbols
from tests.samples.reader import entries, response

pytestmark = pytest.mark.real_clock

D = Decimal
INSTRUMENTS = "instruments.linear (6"


def sample(name: str) -> Any:
    return response("bybit", name)


@asynccontextmanager
async def answered(*names: str) -> AsyncIterator[tuple[BybitAdapter, Symbols]]:
    """Yield an adapter whose requests return these samples in turn; the instruments are listed."""
    # Read first: it skips where the samples are absent, and nothing is open yet.
    answers = [sample(INSTRUMENTS), {"retCode": 0, "result": {"list": []}}, *map(sample, names)]
    adapter = BybitAdapter(BybitOptions.model_validate({"api_key": "K", "secret": "S"}))
    base: Any = await exchange_class("bybit")
    exchange = create_client(adapter, base)

    async def fetch(*request: Any, **more: Any) -> Any:
        return exchange.on_json_response(json.dumps(answers.pop(0)))

    exchange.fetch = fetch
    try:
        markets = await adapter.fetch_markets()
        exchange.set_markets(markets)
        yield adapter, Symbols(markets, "USDT")
    finally:
        await close_client(exchange)


async def test_instruments() -> None:
    async with answered() as (adapter, symbols):
        found = {symbol: adapter.instrument(symbol, market) for symbol, market in symbols.items()}
        assert set(found) == {f"{coin}USDT" for coin in ("BTC", "ETH", "LTC", "ADA", "XRP", "DOGE")}
        btc, doge = found["BTCUSDT"], found["DOGEUSDT"]
        assert (btc.quantity_step, btc.minimum_notional, btc.price_tick) == (D("0.001"), D(5), D("0.1"))
        assert (btc.largest_market_quantity, btc.largest_leverage) == (D("119"), 100)
        assert doge.quantity_step == 1


@pytest.mark.parametrize(
    ("name", "btc"),
    [
        ("instruments.linear BTCUSDT (newer", (D("0.001"), D("0.1"), D(500))),
        ("instruments.linear BTC+ETH", (D("0.001"), D("0.5"), D(50))),
    ],
)
async def test_other_forms_of_the_instruments(name: str, btc: tuple[Decimal, ...]) -> None:
    async with answered() as (adapter, _):
        row = sample(name)["result"]["list"][0] | {"deliveryTime": "0"}  # one fixture is a dated one
        adapter.exchange.fetch = _answers(
            adapter, {"retCode": 0, "result": {"category": "linear", "list": [row]}}
        )
        (found,) = await adapter.fetch_markets()
        instrument = adapter.instrument("BTCUSDT", found)
        assert (instrument.quantity_step, instrument.price_tick, instrument.largest_market_quantity) == btc
        assert (instrument.minimum_notional, instrument.largest_leverage) == (D(5), 100)


def _answers(adapter: BybitAdapter, *answers: Any) -> Any:
    left = [*answers, {"retCode": 0, "result": {"list": []}}]

    async def fetch(*request: Any, **more: Any) -> Any:
        return adapter.exchange.on_json_response(json.dumps(left.pop(0)))

    return fetch


async def test_a_wallet_of_other_coins_is_unknown() -> None:
    """The settle coin's row is missing, as it also is in an incomplete response."""
    (answer,) = (entry["response"] for entry in entries("bybit") if entry["name"] == "balance UTA")
    async with answered() as (adapter, _):
        adapter.exchange.fetch = _answers(adapter, answer)
        with pytest.raises(NotReady, match="no USDT balance"):
            await adapter.fetch_equity()


async def test_several_positions_of_either_side() -> None:
    async with answered("positions BTC/ETH/SOL", "account info") as (adapter, symbols):
        rows = {row["symbol"]: row for row in await adapter.fetch_positions()}
        held = {
            name: adapter.position(name, rows[f"{name[:3]}/USDT:USDT"], symbols.market(name) or {})
            for name in ("BTCUSDT", "ETHUSDT")
        }
        btc, eth = held["BTCUSDT"], held["ETHUSDT"]
        assert (btc.quantity, btc.leverage, btc.liquidation_price) == (D("0.5"), D(10), D(45000))
        assert (eth.quantity, eth.entry_price, eth.unrealised_pnl) == (D(-5), D(3000), D(250))


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("order realtime (documented)", OrderStatus.OPEN, ""),
        ("order realtime", OrderStatus.OPEN, ""),
        ("order history (documented)", OrderStatus.CANCELLED, "EC_PostOnlyWillTakeLiquidity"),
    ],
)
async def test_orders_that_were_not_filled(name: str, status: OrderStatus, reason: str) -> None:
    async with answered() as (adapter, symbols):
        (answer,) = (entry["response"] for entry in entries("bybit") if entry["name"] == name)
        adapter.exchange.fetch = _answers(adapter, answer)
        market = symbols.market("ETHUSDT") or {}
        row = await adapter.find_order("any", market)
        assert row is not None
        report = adapter.report("any", row, market)
        assert (report.status, report.filled, report.reason) == (status, D(0), reason)


async def test_equity_is_the_coins_own_row() -> None:
    async with answered("balance UTA (avail") as (adapter, _):
        equity = await adapter.fetch_equity()
        assert (equity.wallet, equity.total) == (D("3322.25896609"), D("3304.29766609"))
        assert equity.free == equity.wallet - D("50.61831144") - 42


async def test_equity_in_isolated_margin_mode_where_fields_are_empty() -> None:
    async with answered("balance UTA, account in isolated") as (adapter, _):
        equity = await adapter.fetch_equity()
        assert (equity.wallet, equity.free) == (D("12534.90748258"), D("12534.90748258"))


async def test_a_long_position() -> None:
    async with answered("positions LTC long", "account info") as (adapter, symbols):
        (row,) = await adapter.fetch_positions()
        market = symbols.market("LTCUSDT")
        assert market is not None
        position = adapter.position("LTCUSDT", row, market)
        assert (position.quantity, position.entry_price) == (D("1.2"), D("64.59947917"))
        assert (position.leverage, position.unrealised_pnl) == (D(6), D("7.800625"))
        assert position.liquidation_price is None
        assert not adapter.hedged(row)


async def test_a_flat_row_still_states_the_leverage() -> None:
    async with answered("position LTC flat", "account info") as (adapter, symbols):
        (row,) = await adapter.fetch_positions()
        position = adapter.position("LTCUSDT", row, symbols.market("LTCUSDT") or {})
        assert (position.quantity, position.entry_price, position.leverage) == (D(0), None, D(6))


async def test_the_account_is_unified_and_crossed() -> None:
    async with answered("account info", "position LTC flat") as (adapter, _):
        await adapter.check()
        adapter.exchange.fetch = _answers(adapter, sample("account info"))
        assert await adapter._margin_mode() is MarginMode.CROSS


async def test_a_classic_account_is_refused() -> None:
    async with answered("server time") as (adapter, _):
        with pytest.raises(AuthError, match="upgrade it to a unified"):
            await adapter.check()


async def test_filled_orders() -> None:
    async with answered("order history: two filled") as (adapter, symbols):
        market = symbols.market("BTCUSDT") or {}
        row = await adapter.find_order("any", market)
        assert row is not None
        report = adapter.report("any", row, market)
        assert report.status is OrderStatus.FILLED
        assert (report.filled, report.average_price, report.fee) == (
            D("0.001"),
            D("122529.9"),
            D("0.06739145"),
        )
        assert report.reason == ""


async def test_an_order_that_was_filled_in_part_and_then_rejected() -> None:
    async with answered("order partially filled then") as (adapter, symbols):
        market = symbols.market("BTCUSDT") or {}
        row = await adapter.find_order("any", market)
        assert row is not None
        report = adapter.report("any", row, market)
        assert (report.status, report.filled) == (OrderStatus.REJECTED, D("0.005"))
        assert report.reason == "INSUFFICIENT_MARGIN"


async def test_an_acknowledgement_does_not_state_the_fill() -> None:
    async with answered("order ack") as (adapter, symbols):
        market = symbols.market("BTCUSDT") or {}
        row = await adapter.exchange.create_order("BTC/USDT:USDT", "market", "buy", "0.01")
        report = adapter.report("7e1", row, market)
        assert (report.status, report.filled) == (OrderStatus.OPEN, None)


async def test_prices_are_marks() -> None:
    async with answered("tickers.linear BTCUSDT") as (adapter, _):
        (ticker,) = (await adapter.fetch_tickers(["BTC/USDT:USDT"])).values()
        assert adapter.price(ticker) == D("51444.40")


async def test_a_pushed_short_position() -> None:
    async with answered() as (adapter, symbols):
        ((kind, (row,)),) = adapter.parse_message(sample("ws position push"))
        position = adapter.position("ETHUSDT", row, symbols.market("ETHUSDT") or {})
        assert (kind, position.quantity, position.leverage) == ("positions", D("-0.01"), D(30))
        assert position.entry_price == D("3641.075")


async def test_a_pushed_hedge_position_is_recognised() -> None:
    async with answered() as (adapter, _):
        ((_, (row,)),) = adapter.parse_message(sample("ws position push (closed"))
        assert adapter.hedged(row)


async def test_a_pushed_order() -> None:
    async with answered() as (adapter, symbols):
        ((kind, (row,)),) = adapter.parse_message(sample("ws order push filled"))
        report = adapter.report("x", row, symbols.market("BTCUSDT") or {})
        assert (kind, adapter.client_order_id(row)) == ("orders", "test-client-order-001")
        assert (report.status, report.filled) == (OrderStatus.FILLED, D("0.1"))


async def test_pushed_short_positions_and_foreign_orders_are_parsed() -> None:
    async with answered() as (adapter, symbols):
        ((_, (row,)),) = adapter.parse_message(sample("ws position push short"))
        position = adapter.position("ETHUSDT", row, symbols.market("ETHUSDT") or {})
        assert (position.quantity, position.leverage, position.unrealised_pnl) == (
            D("-0.01"),
            D(30),
            D("-0.00255"),
        )
        ((_, (row,)),) = adapter.parse_message(sample("ws order push"))
        report = adapter.report("client-1", row, symbols.market("BTCUSDT") or {})
        assert (report.status, report.filled, report.reason) == (OrderStatus.CANCELLED, D(0), "CancelByUser")
        option = [entry["response"] for entry in entries("bybit") if entry["name"] == "ws order push"][-1]
        assert adapter.parse_message(option) == [("orders", [])], "an option's"


async def test_a_pushed_ticker_and_a_pushed_balance() -> None:
    async with answered() as (adapter, _):
        ((kind, (ticker,)),) = adapter.parse_message(sample("ws ticker push"))
        assert (kind, ticker["symbol"], adapter.price(ticker)) == ("tickers", "BTC/USDT:USDT", D("17217.33"))
        ((kind, balance),) = adapter.parse_message(sample("ws wallet push"))
        assert (kind, adapter.pushed_equity(balance)) == ("balance", None), "it is about another coin"


async def test_acknowledgements_of_the_stream_are_not_pushes() -> None:
    async with answered() as (adapter, _):
        for name in (
            *("ws auth success", "ws auth failure", "ws subscribe ack", "ws subscribe failure"),
            "ws trade order response",
        ):
            assert adapter.parse_message(sample(name)) == ()


def test_a_read_only_key_is_an_error() -> None:
    found = list(check_key(sample("api key info")["result"]))
    assert [finding.severity for finding in found] == [Severity.ERROR]
