"""Numbers are taken from the wire as they are: without a float in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import MarginMode, OrderRequest, Side
from te_exchange_ccxt.api import CcxtOptions, ExchangeAdapter
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.lazy_ccxt import exchange_class
from te_exchange_ccxt.parsing import dig, first, moment, number

AWKWARD = [
    "0.1",
    "0.30000000000000004",
    "123456789.123456789123456789",
    "1e-18",
    "0.000000000000000001",
    "5E+3",
]


class Bybit(ExchangeAdapter):
    exchange_id = "bybit"


@asynccontextmanager
async def answering(
    body: str, kind: Callable[[CcxtOptions], ExchangeAdapter] = Bybit
) -> AsyncIterator[ExchangeAdapter]:
    """A client of a server that always returns the same response."""

    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    adapter = kind(
        CcxtOptions.model_validate({"api_key": "K", "secret": "S", "url": f"http://127.0.0.1:{port}"})
    )
    base: Any = await exchange_class(adapter.exchange_id)
    exchange = create_client(adapter, base)
    try:
        yield adapter
    finally:
        await close_client(exchange)
        await runner.cleanup()


@pytest.mark.real_clock
@pytest.mark.parametrize("text", AWKWARD)
async def test_a_number_or_a_text_on_the_wire_keeps_every_digit(text: str) -> None:
    for written in (text, f'"{text}"'):
        async with answering(f'{{"retCode":0,"result":{{"list":[{{"value":{written}}}]}}}}') as adapter:
            found = await adapter.exchange.private_get_v5_account_info()
            assert number(found["result"]["list"][0]["value"]) == Decimal(text)


@pytest.mark.real_clock
@pytest.mark.parametrize("text", AWKWARD[:5])
async def test_a_position_keeps_every_digit(text: str) -> None:
    row = f'{{"symbol":"BTCUSDT","side":"Sell","size":{text},"avgPrice":"{text}","leverage":"3","positionIdx":0}}'
    async with answering(f'{{"retCode":0,"result":{{"list":[{row}]}}}}') as adapter:
        adapter.exchange.set_markets([BTC])
        answer = await adapter.exchange.private_get_v5_position_list()
        parsed = adapter.exchange.parse_position(answer["result"]["list"][0])
        position = adapter.position("BTCUSDT", parsed, BTC)
        assert position.quantity == -Decimal(text)
        assert position.entry_price == Decimal(text)


def adapter() -> ExchangeAdapter:
    return ExchangeAdapter(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))


@given(st.decimals(min_value="0.000000000001", max_value=10**12, places=12))
def test_a_size_reaches_ccxt_as_it_is(size: Decimal) -> None:
    text = str(adapter().amount(size))
    assert Decimal(text) == size
    assert "e" not in text.lower()


def test_what_is_not_a_number_is_none() -> None:
    assert all(number(value) is None for value in (None, "", "abc", "NaN", "Infinity", True, [1]))
    assert first(None, "", "7", "8") == 7
    assert dig({"a": {"b": 1}}, "a", "b") == 1
    assert dig({"a": None}, "a", "b") is None


BTC = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "type": "swap",
    "spot": False,
    "swap": True,
    "linear": True,
    "inverse": False,
    "contract": True,
    "contractSize": "1",
}
MARKET = {
    "symbol": "BTC/USDT:USDT",
    "contractSize": "0.001",
    "precision": {"amount": "0.1", "price": "0.5"},
    "limits": {
        "amount": {"min": "0.1", "max": "100000"},
        "market": {"max": "5000"},
        "cost": {"min": None},
        "leverage": {"max": "125.00"},
    },
}


def test_an_instrument_counts_in_base_units() -> None:
    found = adapter().instrument("BTCUSDT", MARKET)
    assert found.quantity_step == Decimal("0.0001")
    assert found.minimum_quantity == Decimal("0.0001")
    assert found.largest_market_quantity == 5
    assert found.contract_size == Decimal("0.001")
    assert found.price_tick == Decimal("0.5")
    assert found.minimum_notional == 0
    assert found.largest_leverage == 125


def test_a_short_position_in_contracts_is_negative_in_base_units() -> None:
    row = {
        "contracts": "12.3",
        "side": "short",
        "entryPrice": "50000",
        "marginMode": "isolated",
        "leverage": "4",
    }
    position = adapter().position("BTCUSDT", row, MARKET)
    assert position.quantity == Decimal("-0.0123")
    assert position.margin_mode is MarginMode.ISOLATED


def test_an_orders_report_counts_in_base_units() -> None:
    row = {
        "status": "closed",
        "filled": "12.3",
        "average": "50000.5",
        "fee": {"cost": "0.25"},
        "amount": "12.3",
    }
    report = adapter().report("7e1", row, MARKET)
    assert (report.filled, report.average_price, report.fee) == (
        Decimal("0.0123"),
        Decimal("50000.5"),
        Decimal("0.25"),
    )


def test_an_order_states_its_id_and_reduces_only_where_asked() -> None:
    order = OrderRequest(
        client_order_id="7e1",
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=Decimal(1),
        reduce_only=False,
        leverage=1,
        margin_mode=MarginMode.ISOLATED,
        reference_price=Decimal(1),
    )
    assert adapter().order_params(order, MARKET) == {"clientOrderId": "7e1"}


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("1796700045000", datetime(2026, 12, 8, 3, 20, 45, tzinfo=UTC)),
        (1796700045000, datetime(2026, 12, 8, 3, 20, 45, tzinfo=UTC)),
        ("2026-12-08T03:20:45Z", datetime(2026, 12, 8, 3, 20, 45, tzinfo=UTC)),
        ("2026-12-08T03:20:45", None),
        ("1970-01-01T00:00:00Z", None),
        *((nothing, None) for nothing in (None, "", "0", 0, "-1", "soon", "9" * 30, "NaN", True)),
    ],
)
def test_a_time_is_read_in_either_form(stated: object, found: datetime | None) -> None:
    assert moment(stated) == found
