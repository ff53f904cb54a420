"""Each recorded response of BloFin is checked or has a reason why not; here are those that no other test covers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from te_core.api import Instrument, MarginMode
from te_emulators.blofin.client import BlofinClient
from te_emulators.blofin.server import BlofinServer
from te_emulators.venues import server
from te_exchange_blofin.plugin import BLOFIN
from tests.samples.accounting import complaints
from tests.samples.serving import differences, recorded, served, tells_time

pytestmark = pytest.mark.real_clock

D = Decimal
ACCOUNT = {
    "instruments (BTC, ETH, LTC, ADA info objects)": "value: test_contracts_become_instruments_in_base_units",
    "instruments BTC (documented)": "value: test_the_documented_contract",
    "tickers BTC": "value: test_prices",
    "mark price": "value: test_the_clock_is_compared_with_the_time_of_a_price",
    "futures account balance": "value: test_equity_to_the_last_digit",
    "futures account balance (documented, with positions)": "value: test_equity_to_the_last_digit",
    "asset balances of one account": "shape: test_balances_of_the_other_accounts",
    "copy-trading account balance": "value: test_a_copy_trading_account",
    "position LTC cross long": "value: test_positions",
    "position BTC cross long 0.1 contract (empty liquidationPrice)": "value: test_positions",
    "positions isolated long + cross short (documented)": "value: test_shorts_are_negative",
    "copy-trading positions by contract": "value: test_a_copy_trading_account",
    "order ack": "ack: test_acknowledgements",
    "order ack (2)": "ack: test_acknowledgements",
    "filled market reduceOnly order": "value: test_orders",
    "open limit order": "value: test_orders",
    "order detail (object, not list)": "value: test_orders",
    "orders pending": "value: test_orders",
    "orders history": "value: test_orders",
    "cancel order (list form)": "shape: test_a_cancellation_has_the_recorded_form_of_a_list",
    "close position": "shape: test_close_position_takes_all_of_it",
    "set leverage": "ack: test_settings",
    "margin mode": "value: test_the_account_s_modes_are_learnt_when_it_is_opened",
    "position mode": "value: test_the_account_s_modes_are_learnt_when_it_is_opened",
    "fills history": "shape: test_a_fill_is_answered_in_the_recorded_form",
    "copy-trading close by contract": "ack: test_a_close_of_copy_trading",
    "fill": "shape: test_a_fill_is_answered_in_the_recorded_form",
    "order rejected: outer code 1": "error: test_a_refusal_inside_of_an_outer_one",
    "ws login ok": "push: test_answers_of_streams_push_nothing",
    "ws subscribe ack": "push: test_answers_of_streams_push_nothing",
    "ws error": "push: test_answers_of_streams_push_nothing",
    "ws positions push (short)": "push: test_a_pushed_short_position",
    "ws positions push (2026-02, minimal size)": "push: test_pushes",
    "ws orders push": "push: test_pushes",
    "ws account push": "push: test_a_pushed_balance",
    "ws tickers push": "push: test_pushes",
}


@pytest.fixture
def client() -> BlofinClient:
    return BlofinClient(cast("BlofinServer", server("blofin")))


def test_every_sample_is_checked_or_has_a_reason() -> None:
    assert complaints("blofin", ACCOUNT) == []


async def test_the_documented_contract(tmp_path: Path) -> None:
    contracts = {"/api/v1/market/instruments": "instruments BTC (documented)"}
    async with served(BLOFIN, tmp_path, contracts) as (account, _):
        assert await account.instruments(["BTCUSDT", "ETHUSDT"]) == {
            "BTCUSDT": Instrument(
                symbol="BTCUSDT",
                quantity_step=D("0.0001"),
                minimum_quantity=D("0.0001"),
                price_tick=D("0.5"),
                contract_size=D("0.001"),
                largest_market_quantity=D(1000),
                largest_leverage=125,
            )
        }


async def test_the_account_s_modes_are_learnt_when_it_is_opened(tmp_path: Path) -> None:
    modes = {
        "/api/v1/account/position-mode": "position mode",
        "/api/v1/account/margin-mode": "margin mode",
    }
    async with served(BLOFIN, tmp_path, modes) as (account, exchange):
        assert exchange.asked == list(modes), "one-way, else it would have been refused"
        counts = exchange.server.exchange.counts
        counts.clear()
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        assert counts.requests == {}, "it is isolated already"
        await account.set_margin_mode("BTCUSDT", MarginMode.CROSS)
        assert [request.path for request in counts.log] == ["/api/v1/account/set-margin-mode"]


async def test_the_clock_is_compared_with_the_time_of_a_price(tmp_path: Path) -> None:
    async with served(BLOFIN, tmp_path) as (account, exchange):
        exchange.answer({"/api/v1/market/mark-price": "mark price"})
        assert await tells_time(account, 1_695_262_570_838)


async def test_a_pushed_short_position(tmp_path: Path) -> None:
    async with served(BLOFIN, tmp_path) as (account, _):
        market = await account._market("BNBUSDT")
        ((kind, (row,)),) = account._adapter.parse_message(recorded("blofin", "ws positions push (short)"))
        position = account._adapter.position("BNBUSDT", row, market)
        assert (kind, row["symbol"]) == ("positions", market["symbol"])
        assert position.quantity == -100 * D(str(market["contractSize"]))
        assert (position.entry_price, position.leverage) == (D("130.06"), D(3))
        assert (position.unrealised_pnl, position.margin_mode) == (D("-77.1"), MarginMode.CROSS)


@pytest.mark.parametrize("name", ["fill", "fills history"])
async def test_a_fill_is_answered_in_the_recorded_form(client: BlofinClient, name: str) -> None:
    async with client:
        await client.order("buy", "1")
        answered: Any = await client.get("trade/fills-history")
    assert len(answered["data"]) == 1
    assert list(differences(answered, recorded("blofin", name))) == []


async def test_a_cancellation_has_the_recorded_form_of_a_list(
    client: BlofinClient,
) -> None:
    async with client:
        client.emulator.unknowns.cancel_as_list = True
        placed = await client.order("buy", "1", orderType="limit", price="1000")
        number = placed["data"][0]["orderId"]
        answered = await client.post("trade/cancel-order", {"instId": "BTC-USDT", "orderId": number})
    expected = recorded("blofin", "cancel order (list form)")
    assert list(differences(answered, expected)) == []
    assert (answered["code"], answered["data"][0]["code"]) == ("0", "0")
    assert answered["data"][0]["orderId"] == number
