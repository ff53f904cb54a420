"""Each recorded response of KuCoin is checked or has a reason why not; here are those that no other test covers."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError, Instrument, MarginMode, Severity
from te_emulators.kucoin.client import client
from te_exchange_kucoin.plugin import KUCOIN
from tests.samples.accounting import complaints
from tests.samples.serving import differences, recorded, served, tells_time

pytestmark = pytest.mark.real_clock

D = Decimal
BTC = "XBTUSDTM"
FORMS = "shape: test_answers_have_the_recorded_fields"
CHANGES = "shape: test_settings_and_cancellations_have_the_recorded_form"
NO_FILLS = (
    "outside: single fills are never asked for: an order tells size, average price and fee of all of its own"
)
ACCOUNT = {
    "contracts active (live 2026-10-03): XBTUSDTM complete; PROMPTUSDTM trimmed of a few null/funding keys": (
        "shape: test_recorded_contracts_are_answered_as_recorded"
    ),
    "contracts active (2023-11): ETH, ADA, XRP": "value: test_recorded_contracts_of_2023",
    "contracts active (SDK)": "value: test_the_documented_contract",
    "all tickers (live 2026-10-03)": "value: test_recorded_tickers",
    "ticker (live 2026-10-03)": "value: test_recorded_tickers",
    "mark price": FORMS,
    "account overview (logged in the seed)": "value: test_recorded_balances",
    "account overview": "value: test_recorded_balances",
    "positions: inverse cross + linear isolated": "value: test_recorded_positions",
    "position details": FORMS,
    "margin mode": FORMS,
    "switch margin mode": "ack: test_a_margin_mode_is_switched",
    "batch switch margin mode": CHANGES,
    "cross leverage get": FORMS,
    "cross leverage set": "ack: test_the_leverage_of_cross_positions_is_set",
    "max open size": "outside: nobody asks for it: the free margin is known, and a refusal says the rest",
    "order request body": "shape: test_an_order_is_sent_in_the_documented_form",
    "order ack": "ack: test_an_order_is_acknowledged_under_its_id",
    "order cancel by id": CHANGES,
    "order cancel by clientOid": CHANGES,
    "order by id": "value: test_recorded_orders",
    "order by clientOid": "value: test_recorded_orders",
    "order list": FORMS,
    "recent closed orders": "shape: test_finished_orders_have_the_recorded_form",
    "fills": NO_FILLS,
    "server time": "value: test_the_clock_is_compared_with_theirs",
    "service status": FORMS,
    "ws private token": FORMS,
    "ws public token": FORMS,
    "api key info": "value: test_the_doctor_reads_the_recorded_key",
    "filled market reduceOnly order": "value: test_recorded_orders",
    "fill of a market order": NO_FILLS,
    "missing auth headers": "error: test_a_message_about_missing_headers_is_an_error_of_the_key",
    "ws order push": "push: test_a_pushed_order_is_passed_on_once_partly_filled",
    "ws position push": "shape: test_pushes_have_the_recorded_fields",
    "ws wallet push": "push: test_a_pushed_wallet",
    "ws margin mode push": "push: test_pushed_settings_change_nothing",
    "ws cross leverage push": "push: test_pushed_settings_change_nothing",
    "ws tickerV2 push": "shape: test_pushes_have_the_recorded_fields",
    "ws ticker push": "push: test_a_pushed_price",
    "ws mark/index price push": "shape: test_pushes_have_the_recorded_fields",
    "ws order match push": "push: test_a_pushed_order_is_passed_on_once_partly_filled",
}


def test_every_sample_is_checked_or_has_a_reason() -> None:
    assert complaints("kucoin", ACCOUNT) == []


# --- requests -----------------------------------------------------------------------------------------------------


async def test_the_documented_contract(tmp_path: Path) -> None:
    contracts = {"/api/v1/contracts/active": "contracts active (SDK)"}
    async with served(KUCOIN, tmp_path, contracts) as (account, _):
        assert await account.instruments(["BTCUSDT", "ETHUSDT"]) == {
            "BTCUSDT": Instrument(
                symbol="BTCUSDT",
                quantity_step=D("0.001"),
                minimum_quantity=D("0.001"),
                price_tick=D("0.1"),
                contract_size=D("0.001"),
                largest_market_quantity=D(1000),
                largest_leverage=125,
            )
        }


async def test_a_margin_mode_is_switched(tmp_path: Path) -> None:
    path = "/api/v2/position/changeMarginMode"
    async with served(KUCOIN, tmp_path) as (account, exchange):
        exchange.answer({path: "switch margin mode"})
        account._adapter.modes[BTC] = MarginMode.CROSS
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        assert exchange.asked == [path], "once it is known to be switched"


async def test_the_leverage_of_cross_positions_is_set(tmp_path: Path) -> None:
    path = "/api/v2/changeCrossUserLeverage"
    async with served(KUCOIN, tmp_path) as (account, exchange):
        exchange.answer({path: "cross leverage set"})
        await account.set_leverage("BTCUSDT", 3, MarginMode.CROSS)
        assert exchange.asked == [path]


async def test_an_order_is_acknowledged_under_its_id(open_harness: Any, tmp_path: Path) -> None:
    async with open_harness() as harness, served(KUCOIN, tmp_path / "other") as (account, exchange):
        exchange.answer({"/api/v1/orders": "order ack"})
        placed = await account._adapter.create_order(harness.order(), D(5), await account._market("BTCUSDT"))
        assert placed["id"] == "234125150956625920"


async def test_an_order_is_sent_in_the_documented_form(open_harness: Any, tmp_path: Path) -> None:
    documented = recorded("kucoin", "order request body")
    limit_only, optional = {"price", "timeInForce"}, {"remark", "reduceOnly"}
    async with open_harness() as harness, served(KUCOIN, tmp_path / "other") as (account, exchange):
        exchange.answer({"/api/v1/orders": "order ack"})
        await account.place_order(harness.order())
        await account.place_order(harness.order(client_order_id="7e02", reduce_only=True))
    increase, reduction = (json.loads(body) for body in exchange.sent)
    assert set(increase) | limit_only | optional == set(documented)
    assert set(reduction) == {*increase, "reduceOnly"}
    for body in (increase, reduction):
        assert list(differences(body, {name: documented[name] for name in body})) == []
        assert (body["symbol"], body["type"], body["marginMode"]) == (BTC, "market", "ISOLATED")


async def test_the_clock_is_compared_with_theirs(tmp_path: Path) -> None:
    async with served(KUCOIN, tmp_path) as (account, exchange):
        exchange.answer({"/api/v1/timestamp": "server time"})
        assert await tells_time(account, 1_729_260_030_774)


async def test_the_doctor_reads_the_recorded_key(tmp_path: Path) -> None:
    async with served(KUCOIN, tmp_path) as (account, exchange):
        exchange.answer({"/api/v1/user/api-key": "api key info"})
        lines = [line for line in await account.diagnose() if line.check == "key"]
        assert lines
        assert {line.severity for line in lines} == {Severity.OK}, "it trades, is bound and cannot withdraw"


async def test_a_message_about_missing_headers_is_an_error_of_the_key(tmp_path: Path) -> None:
    async with served(KUCOIN, tmp_path) as (account, exchange):
        exchange.answer({"/api/v1/account-overview": "missing auth headers"})
        with pytest.raises(AuthError, match=r"KuCoin Futures: equity: the key is wrong.*400001"):
            await account.equity()


CHANGED: dict[str, tuple[str, str, Any]] = {
    "switch margin mode": (
        *("POST", "/api/v2/position/changeMarginMode"),
        {"symbol": "ETHUSDTM", "marginMode": "ISOLATED"},
    ),
    "batch switch margin mode": (
        *("POST", "/api/v2/position/batchChangeMarginMode"),
        {"symbols": ["ETHUSDTM", BTC], "marginMode": "CROSS"},
    ),
    "cross leverage set": (
        *("POST", "/api/v2/changeCrossUserLeverage"),
        {"symbol": "ETHUSDTM", "leverage": "3"},
    ),
    "order cancel by id": ("DELETE", "/api/v1/orders/{id}", None),
    "order cancel by clientOid": ("DELETE", f"/api/v1/orders/client-order/c1?symbol={BTC}", None),
}


@pytest.mark.parametrize("name", CHANGED)
async def test_settings_and_cancellations_have_the_recorded_form(name: str) -> None:
    method, path, body = CHANGED[name]
    async with client() as kucoin:
        placed = await kucoin.order(type="limit", price="1000")
        answered = await kucoin.ask(method, path.format(id=placed.data["orderId"]), body)
    assert list(differences(answered.body, recorded("kucoin", name))) == []


async def test_finished_orders_have_the_recorded_form() -> None:
    async with client() as kucoin:
        await kucoin.order()
        answered = await kucoin.ask("GET", "/api/v1/recentDoneOrders")
    newer = [".data[].positionSide: only here"]
    assert list(differences(answered.body, recorded("kucoin", "recent closed orders"))) == newer


# --- pushes: sent on the connections of an account that follows its streams ------------------------------------------


def push(harness: Any, name: str, *, private: bool = True) -> None:
    message = recorded("kucoin", name)
    connections = [each for each in harness.kucoin.connections if (each.account is not None) is private]
    assert connections
    for connection in connections:
        connection.reply(message)


async def becomes(read: Any, value: object) -> None:
    """Wait until a push has arrived over real sockets."""
    async with asyncio.timeout(20):
        while read() != value:
            await asyncio.sleep(0.02)


async def test_a_pushed_wallet(open_harness: Any) -> None:
    async with open_harness(streams=True) as harness, harness.following() as seen:
        push(harness, "ws wallet push")
        expected = [(D("81.072921258"), D("81.273621258"), D("26.144281178"))]
        await becomes(lambda: [(one.wallet, one.total, one.free) for one in seen.equities], expected)


async def test_a_pushed_price(open_harness: Any) -> None:
    async with open_harness(streams=True) as harness, harness.following() as seen:
        push(harness, "ws ticker push", private=False)
        await becomes(lambda: seen.prices.get("BTCUSDT"), D("90147.7"))


async def test_a_pushed_order_is_passed_on_once_partly_filled(open_harness: Any) -> None:
    """Both are somebody else's orders; the match is of a contract that settles in another coin."""
    async with open_harness(streams=True) as harness, harness.following() as seen:
        push(harness, "ws order push")
        push(harness, "ws wallet push")
        await becomes(lambda: len(seen.equities), 1)
        assert (seen.orders, seen.changes) == ([], 0), "nothing has changed yet"
        push(harness, "ws order match push")
        push(harness, "ws order match push")
        push(harness, "ws wallet push")
        await becomes(lambda: len(seen.equities), 2)
        assert (seen.orders, seen.changes) == ([], 1), "a read finds out what it is, once"


@pytest.mark.parametrize("name", ["ws margin mode push", "ws cross leverage push"])
async def test_pushed_settings_change_nothing(open_harness: Any, name: str) -> None:
    """They are not subscribed; later messages on the connection are still received."""
    async with open_harness(streams=True) as harness, harness.following() as seen:
        before = dict(harness.account._adapter.modes)
        push(harness, name)
        push(harness, "ws wallet push")
        await becomes(lambda: [one.total for one in seen.equities], [D("81.273621258")])
        assert harness.account._adapter.modes == before
