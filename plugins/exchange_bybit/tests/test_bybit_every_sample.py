"""Each recorded response of Bybit is checked or has a reason why not; here are those that no other test covers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import MarginMode, NotReady, OrderRejected, OrderStatus
from te_emulators.accounts import order, renewed
from te_emulators.bybit.client import bybit_client
from te_emulators.venues import running
from te_exchange_bybit.plugin import BYBIT
from tests.samples.accounting import complaints
from tests.samples.serving import differences, recorded, served, tells_time

pytestmark = pytest.mark.real_clock

D = Decimal
POSITIONS = "/v5/position/list"
ACCOUNT = {
    "instruments.linear (6 perpetuals, info objects)": "value: test_instruments",
    "instruments.linear BTCUSDT (newer fields symbolId/symbolType)": "value: test_other_forms_of_the_instruments",
    "instruments.linear BTC+ETH": "value: test_other_forms_of_the_instruments",
    "tickers.linear BTCUSDT": "value: test_prices_are_marks",
    "ticker inverse (extra fields preOpenPrice etc.)": "value: test_the_price_of_an_inverse_contract_is_ignored",
    "balance UTA (availableToWithdraw empty)": "value: test_equity_is_the_coins_own_row",
    "balance UTA": "value: test_a_wallet_of_other_coins_is_unknown",
    "balance UTA, account in isolated margin mode (fragment as logged in the seed)": (
        "value: test_equity_in_isolated_margin_mode_where_fields_are_empty"
    ),
    "account info": "value: test_the_account_is_unified_and_crossed",
    "positions LTC long, one-way": "value: test_a_long_position",
    "position LTC flat (symbol queried, no position)": "value: test_a_flat_row_still_states_the_leverage",
    "positions BTC/ETH/SOL": "value: test_several_positions_of_either_side",
    "position (documented full field set)": "value: test_an_inverse_position_is_nothing_of_ours",
    "order ack": "ack: test_an_order_is_acknowledged_under_its_id",
    "order ack (documented)": "ack: test_an_order_is_acknowledged_under_its_id",
    "order cancel ack": "shape: test_settings_and_cancellations_have_the_recorded_form",
    "order history: two filled market orders, one reduceOnly": "value: test_filled_orders",
    "order realtime (documented)": "value: test_orders_that_were_not_filled",
    "order history (documented)": "value: test_orders_that_were_not_filled",
    "order realtime": "value: test_orders_that_were_not_filled",
    "order partially filled then rejected/cancelled": (
        "value: test_an_order_that_was_filled_in_part_and_then_rejected"
    ),
    "set leverage ok": "ack: test_leverage_is_set",
    "switch position mode ok": ("shape: test_settings_and_cancellations_have_the_recorded_form"),
    "set margin mode failed": ("error: test_a_margin_mode_that_cannot_be_set_is_refused_with_why"),
    "server time": "value: test_the_clock_is_compared_with_theirs",
    "api key info": "value: test_a_read_only_key_is_an_error",
    "ws auth success": "push: test_acknowledgements_of_the_stream_are_not_pushes",
    "ws auth failure": "push: test_acknowledgements_of_the_stream_are_not_pushes",
    "ws subscribe ack": "push: test_acknowledgements_of_the_stream_are_not_pushes",
    "ws subscribe failure": "push: test_acknowledgements_of_the_stream_are_not_pushes",
    "ws position push": "push: test_a_pushed_short_position",
    "ws position push short": "push: test_pushed_short_positions_and_foreign_orders_are_parsed",
    "ws order push": "push: test_pushed_short_positions_and_foreign_orders_are_parsed",
    "ws order push filled": "push: test_a_pushed_order",
    "ws ticker push": "push: test_a_pushed_ticker_and_a_pushed_balance",
    "ws trade order response": "push: test_acknowledgements_of_the_stream_are_not_pushes",
    "ws execution push": "shape: test_pushes_have_the_shape_of_the_recorded_ones",
    "ws wallet push": "push: test_a_pushed_ticker_and_a_pushed_balance",
    "ws position push (closed position)": "push: test_a_pushed_hedge_position_is_recognised",
    "ws order push #2": "push: test_pushed_short_positions_and_foreign_orders_are_parsed",
}


def test_every_sample_is_checked_or_has_a_reason() -> None:
    assert complaints("bybit", ACCOUNT) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("order ack", "2c9eee09-b90e-47eb-ace0-d82c6cdc7bfa"),
        ("order ack (documented)", "1321003749386327552"),
    ],
)
async def test_an_order_is_acknowledged_under_its_id(tmp_path: Path, name: str, number: str) -> None:
    async with served(BYBIT, tmp_path) as (account, exchange):
        exchange.answer({"/v5/order/create": name})
        market = await account._market("BTCUSDT")
        assert (await account._adapter.create_order(order("0.01"), D("0.01"), market))["id"] == number
        report = await account.place_order(order("0.01", number=2))
        assert (report.status, report.filled, report.average_price) == (OrderStatus.OPEN, None, None)


async def test_leverage_is_set(tmp_path: Path) -> None:
    async with served(BYBIT, tmp_path) as (account, exchange):
        exchange.answer({"/v5/position/set-leverage": "set leverage ok"})
        await account.set_leverage("BTCUSDT", 7, MarginMode.CROSS)
        assert exchange.asked == ["/v5/position/set-leverage"]


async def test_a_margin_mode_that_cannot_be_set_is_refused_with_why(tmp_path: Path) -> None:
    async with served(BYBIT, tmp_path) as (account, exchange):
        exchange.answer({"/v5/account/set-margin-mode": "set margin mode failed"})
        for _ in range(2):
            with pytest.raises(OrderRejected, match=r"margin mode isolated.*add funds.*3400000") as refused:
                await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
            assert refused.value.code == "3400045"
        assert len(exchange.asked) == 2, "it does not count as done"


async def test_the_clock_is_compared_with_theirs(tmp_path: Path) -> None:
    async with served(BYBIT, tmp_path) as (account, exchange):
        exchange.answer({"/v5/market/time": "server time"})
        assert await tells_time(account, 1_688_639_403_423)


async def test_the_price_of_an_inverse_contract_is_ignored(tmp_path: Path) -> None:
    async with served(BYBIT, tmp_path) as (account, exchange):
        exchange.answer({"/v5/market/tickers": "ticker inverse (extra fields preOpenPrice etc.)"})
        assert (await account.prices(["BTCUSDT", "ETHUSDT"])).value == {}
        assert exchange.asked == ["/v5/market/tickers"]


async def test_an_inverse_position_is_nothing_of_ours(tmp_path: Path) -> None:
    """The documentation shows all fields of a position only for an inverse contract."""
    async with served(BYBIT, tmp_path) as (account, exchange):
        exchange.answer({POSITIONS: "position (documented full field set)"})
        (row,) = await account._adapter.fetch_positions()
        read = {name: D(str(row[name])) for name in ("contracts", "entryPrice", "leverage", "unrealizedPnl")}
        assert read == {
            "contracts": D(300),
            "entryPrice": D("27464.50441675"),
            "leverage": D(10),
            "unrealizedPnl": D("-0.00029413"),
        }
        assert row["side"] == "short"
        with pytest.raises(NotReady, match="BTCUSD"):
            await account.positions()
        await renewed(account)
        assert (await account.positions()).value == {}, "once the list is fresh"


EMULATED: dict[str, tuple[str, dict[str, Any]]] = {
    "order cancel ack": ("/v5/order/cancel", {"symbol": "BTCUSDT", "orderLinkId": "a"}),
    "switch position mode ok": ("/v5/position/switch-mode", {"symbol": "ETHUSDT", "mode": 3}),
    "set leverage ok": (
        "/v5/position/set-leverage",
        {"symbol": "BTCUSDT", "buyLeverage": "7", "sellLeverage": "7"},
    ),
}


@pytest.mark.parametrize("name", EMULATED)
async def test_settings_and_cancellations_have_the_recorded_form(name: str) -> None:
    path, body = EMULATED[name]
    expected = recorded("bybit", name)
    async with running("bybit") as server, bybit_client(server) as client:
        await client.buy("a", orderType="Limit", price="30000")
        answered = (await client.post(path, category="linear", **body)).json
    assert list(differences(answered, expected)) == []
    assert answered["retCode"] == expected["retCode"] == 0
