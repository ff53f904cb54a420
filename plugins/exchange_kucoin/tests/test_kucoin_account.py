"""Peculiarities of KuCoin accounts, through ccxt and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import ConfigError, MarginMode, NotReady, OrderRejected, OrderStatus, Severity, Side
from te_emulators.accounts import renewed
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode as Mode
from te_emulators.core.modes import PositionMode, PositionSide
from te_emulators.core.modes import Side as TheirSide
from te_emulators.core.order import OrderRequest as TheirOrder
from te_emulators.kucoin.server import KucoinServer
from te_emulators.wire.call import Call, Reply, json_reply
from te_exchange_kucoin.options import KucoinOptions
from tests.samples.reader import entries

pytestmark = pytest.mark.real_clock

BTC = "XBTUSDTM"
KEYS = {"api_key": "K", "secret": "S", "passphrase": "P"}


def bodies(server: KucoinServer) -> list[dict[str, Any]]:
    """Collects what is sent to the order route."""
    seen: list[dict[str, Any]] = []
    success, failure = server.success, server.failure

    def note(call: Call) -> None:
        if call.kind == "order":
            seen.append({**json.loads(call.body), "headers": dict(call.headers)})

    def succeed(call: Call, data: object) -> Reply:
        note(call)
        return success(call, data)

    def fail(call: Call, error: Any) -> Reply:
        note(call)
        return failure(call, error)

    server.success, server.failure = succeed, fail  # type: ignore[method-assign]  # listens in
    return seen


# --- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", ["testnet", "demo"])
def test_there_is_no_test_host(test: str) -> None:
    with pytest.raises(ValueError, match=rf"KuCoin Futures has no {test} host: .* only be traded for real"):
        KucoinOptions.model_validate({**KEYS, "test": test})


def test_the_passphrase_is_needed() -> None:
    with pytest.raises(ValueError, match=r"KuCoin Futures needs passphrase: put them into \.secrets\.toml"):
        KucoinOptions.model_validate({"api_key": "K", "secret": "S"})


def test_hosts_outside_this_machine_are_refused() -> None:
    with pytest.raises(ValueError, match="allow_other_hosts"):
        KucoinOptions.model_validate({**KEYS, "url": "https://kucoin.example"})


# --- opening ---------------------------------------------------------------------------------------------------


async def test_opening_takes_four_requests_and_skips_the_account_type(open_harness: Any) -> None:
    async with open_harness() as harness:
        assert harness.requests == {"time": 1, "instruments": 1, "settings": 1, "balance": 1}


async def test_hedge_mode_is_refused_with_the_remedy(open_harness: Any) -> None:
    def hedge(server: Any) -> None:
        server.exchange.accounts["main"].default_position_mode = PositionMode.HEDGE

    with pytest.raises(ConfigError, match=r"KuCoin Futures: the account is in hedge mode: .* one-way mode"):
        async with open_harness(prepare=hedge):
            pass


async def test_hedge_mode_that_comes_later_is_noticed(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.exchange.owner.default_position_mode = PositionMode.HEDGE
        theirs = {"symbol": BTC, "side": TheirSide.BUY, "size": Decimal(1), "leverage": Decimal(2)}
        long = TheirOrder(**theirs, position_side=PositionSide.LONG)  # type: ignore[arg-type]  # parts of one kind each
        harness.kucoin.exchange.place(harness.exchange.owner, long)
        with pytest.raises(ConfigError, match="hedge mode"):
            await harness.account.positions()


# --- instruments and prices -------------------------------------------------------------------------------------


async def test_btc_is_spelled_xbt_and_counted_in_contracts(open_harness: Any) -> None:
    async with open_harness() as harness:
        found = (await harness.account.instruments(["BTCUSDT", "XBTUSDT"]))["BTCUSDT"]
        assert (found.contract_size, found.quantity_step) == (Decimal("0.001"), Decimal("0.001"))
        assert (found.minimum_quantity, found.price_tick, found.largest_leverage) == (
            Decimal("0.001"),
            Decimal("0.1"),
            125,
        )
        await harness.account.place_order(harness.order("0.005"))
        assert harness.held.size == 5


async def test_chunks_go_by_the_maximum_of_market_orders(open_harness: Any) -> None:
    async with open_harness() as harness:
        found = (await harness.account.instruments(["PROMPTUSDT"]))["PROMPTUSDT"]
        assert found.largest_market_quantity == 10_000 * 10
        older = (await harness.account.instruments(["ETHUSDT"]))["ETHUSDT"]
        assert older.largest_market_quantity == 1_000_000 * Decimal("0.01")


async def test_halted_contracts_are_not_offered(open_harness: Any) -> None:
    def halt(server: Any) -> None:
        market = server.exchange.market
        market.add(replace(market.instrument("ETHUSDTM"), tradable=False))

    async with open_harness(prepare=halt) as harness:
        assert set(await harness.account.instruments(["BTCUSDT", "ETHUSDT"])) == {"BTCUSDT"}


async def test_prices_come_in_one_request_whether_one_or_many(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.forget()
        assert (await harness.account.prices(["BTCUSDT"])).value == {"BTCUSDT": Decimal("84477")}
        assert (await harness.account.prices(["BTCUSDT", "ETHUSDT", "NONEUSDT"])).value == {
            "BTCUSDT": Decimal("84477"),
            "ETHUSDT": Decimal("1803.29"),
        }
        assert harness.requests == {"tickers": 2}
        paths = [request.path for request in harness.kucoin.exchange.counts.log]
        assert paths == ["/api/v1/ticker", "/api/v1/allTickers"]


# --- orders, leverage, margin mode ------------------------------------------------------------------------------


async def test_an_isolated_order_carries_its_leverage_and_mode(
    open_harness: Any,
) -> None:
    async with open_harness() as harness:
        sent = bodies(harness.kucoin)
        harness.forget()
        await harness.account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        await harness.account.set_leverage("BTCUSDT", 4, MarginMode.ISOLATED)
        await harness.account.place_order(harness.order())
        assert harness.requests == {"order": 1}
        assert harness.held.leverage == 4
        (body,) = sent
        assert not [name for name in body.pop("headers") if "PARTNER" in name.upper()]
        assert body == {
            "clientOid": "7e01",
            "side": "buy",
            "symbol": BTC,
            "type": "market",
            "leverage": 4,
            "marginMode": "ISOLATED",
            "size": 5,
        }


async def test_a_cross_order_has_its_leverage_set_before(open_harness: Any) -> None:
    def cross(server: Any) -> None:
        server.exchange.accounts["main"].margin_modes[BTC] = Mode.CROSS

    async with open_harness(prepare=cross) as harness:
        harness.forget()
        await harness.account.set_margin_mode("BTCUSDT", MarginMode.CROSS)
        await harness.account.set_leverage("BTCUSDT", 7, MarginMode.CROSS)
        await harness.account.place_order(harness.order(margin_mode=MarginMode.CROSS, leverage=7))
        assert harness.requests == {"leverage": 1, "order": 1}
        assert (harness.held.margin_mode, harness.held.leverage) == (Mode.CROSS, 7)
        shown = (await harness.account.positions()).value["BTCUSDT"]
        assert (shown.margin_mode, shown.leverage) == (MarginMode.CROSS, 7)


async def test_a_contract_in_the_other_mode_is_switched_by_an_order(
    open_harness: Any,
) -> None:
    async with open_harness() as harness:
        harness.forget()
        await harness.account.set_margin_mode("BTCUSDT", MarginMode.CROSS)
        assert harness.requests == {}, "only the order tells whether anything is to be switched"
        await harness.account.place_order(harness.order(margin_mode=MarginMode.CROSS))
        assert harness.requests == {"order": 2, "settings": 1}
        assert harness.kucoin.exchange.counts.orders == 1
        assert harness.held.margin_mode is Mode.CROSS


async def test_a_known_mode_is_switched_before_the_order(open_harness: Any) -> None:
    async with open_harness() as harness:
        await harness.account.place_order(harness.order())
        close = {"side": Side.SELL, "reduce_only": True, "client_order_id": "7e02"}
        await harness.account.place_order(harness.order(**close, margin_mode=MarginMode.CROSS))
        harness.forget()
        await harness.account.set_margin_mode("BTCUSDT", MarginMode.CROSS)
        await harness.account.place_order(harness.order(client_order_id="7e03", margin_mode=MarginMode.CROSS))
        assert harness.requests == {"settings": 1, "order": 1}


async def test_a_reduction_states_the_mode_of_its_position(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.kucoin.exchange.trade_by_hand(harness.exchange.owner, BTC, Decimal(5))
        await harness.account.positions()
        harness.forget()
        close = harness.order(side=Side.SELL, reduce_only=True, margin_mode=MarginMode.CROSS)
        await harness.account.place_order(close)
        assert harness.requests == {"order": 1}
        assert harness.exchange.owner.held() == []


async def test_a_mode_that_cannot_be_switched_refuses_the_order(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.kucoin.exchange.trade_by_hand(harness.exchange.owner, BTC, Decimal(5))
        with pytest.raises(OrderRejected, match="cannot change while orders or positions are open") as caught:
            await harness.account.place_order(harness.order(margin_mode=MarginMode.CROSS))
        assert caught.value.code == "50002"
        assert harness.held.size == 5


async def test_the_leverage_of_an_isolated_position_is_not_reported(open_harness: Any) -> None:
    async with open_harness() as harness:
        await harness.account.place_order(harness.order())
        harness.kucoin.exchange.set_price(BTC, Decimal(90_000))
        shown = (await harness.account.positions()).value["BTCUSDT"]
        assert shown.leverage is None, "what KuCoin shows is effective: 3.27 by now"
        assert (shown.quantity, shown.entry_price) == (Decimal("0.005"), Decimal("84477"))


async def test_parts_of_a_contract_are_refused_here(open_harness: Any) -> None:
    async with open_harness() as harness:
        for quantity in ("0.0005", "0.0015"):
            with pytest.raises(OrderRejected, match="not a multiple of the step"):
                await harness.account.place_order(harness.order(quantity))
        assert harness.kucoin.exchange.counts.orders == 0


@pytest.mark.parametrize("null", [False, True])
async def test_orders_are_found_by_client_order_id(open_harness: Any, null: bool) -> None:
    async with open_harness() as harness:
        harness.kucoin.unknown_order_is_null = null
        placed = await harness.account.place_order(harness.order())
        assert (placed.status, placed.filled) == (OrderStatus.OPEN, None), "only acknowledged"
        harness.forget()
        found = await harness.account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert (found.status, found.filled, found.average_price) == (
            OrderStatus.FILLED,
            Decimal("0.005"),
            Decimal("84477"),
        )
        assert await harness.account.find_order("BTCUSDT", "7e99") is None
        assert harness.requests == {"lookup": 2}


async def test_an_order_that_is_cut_short_is_found_cancelled(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.kucoin.faults.add(Fault(kind=FaultKind.PARTIAL_FILL, route="order", fraction=Decimal("0.4")))
        await harness.account.place_order(harness.order())
        found = await harness.account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert (found.status, found.filled) == (OrderStatus.CANCELLED, Decimal("0.002"))


# --- recorded answers ---------------------------------------------------------------------------------------------


def serve(server: KucoinServer, recorded: Mapping[str, str]) -> None:
    """Answer paths with recorded responses, by their names in the samples."""
    answers = {path: _recorded(name) for path, name in recorded.items()}
    success = server.success

    def answer(call: Call, data: object) -> Reply:
        return json_reply(answers[call.path]) if call.path in answers else success(call, data)

    server.success = answer  # type: ignore[method-assign]  # for this test


def _recorded(name: str) -> Any:
    return next(entry["response"] for entry in entries("kucoin") if entry["name"] == name)


@pytest.mark.parametrize(
    ("name", "wallet", "total", "free"),
    [
        ("account overview (logged in the seed)", "0.58268157", "0.58268157", "0.58268157"),
        ("account overview", "374.286500806", "394.439280806", "290.326799096"),
    ],
)
async def test_recorded_balances(open_harness: Any, name: str, wallet: str, total: str, free: str) -> None:
    async with open_harness() as harness:
        serve(harness.kucoin, {"/api/v1/account-overview": name})
        found = (await harness.account.equity()).value
        assert (found.wallet, found.total, found.free) == (Decimal(wallet), Decimal(total), Decimal(free))


async def test_recorded_positions(open_harness: Any) -> None:
    async with open_harness() as harness:
        serve(harness.kucoin, {"/api/v1/positions": "positions: inverse cross + linear isolated"})
        with pytest.raises(NotReady, match="ETHUSDM"):
            await harness.account.positions()
        await renewed(harness.account)
        positions = (await harness.account.positions()).value
        assert set(positions) == {"BTCUSDT"}, "an inverse contract is nothing of ours once the list is fresh"
        found = positions["BTCUSDT"]
        assert (found.quantity, found.entry_price) == (Decimal("0.001"), Decimal("67430.9"))
        assert (found.unrealised_pnl, found.liquidation_price) == (Decimal("0.89216"), Decimal("45704.44"))
        assert (found.margin_mode, found.leverage) == (MarginMode.ISOLATED, None)


async def test_recorded_tickers(open_harness: Any) -> None:
    async with open_harness() as harness:
        recorded = {
            "/api/v1/allTickers": "all tickers (live 2026-10-03)",
            "/api/v1/ticker": "ticker (live 2026-10-03)",
        }
        serve(harness.kucoin, recorded)
        assert (await harness.account.prices(["BTCUSDT", "ETHUSDT"])).value == {"BTCUSDT": Decimal("84477")}
        assert (await harness.account.prices(["BTCUSDT"])).value == {"BTCUSDT": Decimal("84477")}


async def test_recorded_contracts_of_2023(open_harness: Any) -> None:
    recorded = "contracts active (2023-11): ETH, ADA, XRP"
    async with open_harness(
        prepare=lambda server: serve(server, {"/api/v1/contracts/active": recorded})
    ) as harness:
        found = await harness.account.instruments(["ETHUSDT", "ADAUSDT", "XRPUSDT", "BTCUSDT"])
        assert {symbol: i.contract_size for symbol, i in found.items()} == {
            "ETHUSDT": Decimal("0.01"),
            "ADAUSDT": Decimal(10),
            "XRPUSDT": Decimal(10),
        }
        assert found["ETHUSDT"].largest_market_quantity == 10_000, "rows without a maximum of market orders"
        assert found["ADAUSDT"].price_tick == Decimal("0.00001")


RECORDED_ORDERS = {
    "order by id": (OrderStatus.OPEN, Decimal(0), None),
    "order by clientOid": (OrderStatus.OPEN, Decimal(0), None),
    "filled market reduceOnly order": (OrderStatus.FILLED, Decimal("0.1"), Decimal("74.7")),
}


@pytest.mark.parametrize("name", RECORDED_ORDERS)
async def test_recorded_orders(open_harness: Any, name: str) -> None:
    status, filled, average = RECORDED_ORDERS[name]
    symbol = {"XBTUSDTM": "BTCUSDT", "XRPUSDTM": "XRPUSDT", "LTCUSDTM": "LTCUSDT"}[
        _recorded(name)["data"]["symbol"]
    ]
    async with open_harness() as harness:
        await harness.account.place_order(harness.order())
        serve(harness.kucoin, {"/api/v1/orders/byClientOid": name})
        found = await harness.account.find_order(symbol, "7e01")
        assert found is not None
        assert (found.status, found.filled, found.average_price) == (status, filled, average)


async def test_an_order_is_acknowledged_as_recorded(open_harness: Any) -> None:
    async with open_harness() as harness:
        serve(harness.kucoin, {"/api/v1/orders": "order ack"})
        placed = await harness.account.place_order(harness.order())
        assert placed.status is OrderStatus.OPEN


READS = {
    "/api/v1/positions": lambda account: account.positions(),
    "/api/v1/account-overview": lambda account: account.equity(),
    "/api/v1/allTickers": lambda account: account.prices(["BTCUSDT", "ETHUSDT"]),
}


@pytest.mark.parametrize("path", READS)
async def test_an_answer_without_its_data_is_not_a_fact(open_harness: Any, path: str) -> None:
    async with open_harness() as harness:
        success = harness.kucoin.success
        harness.kucoin.success = lambda call, data: (
            json_reply({"code": "200000"}) if call.path == path else success(call, data)
        )
        with pytest.raises(NotReady):
            await READS[path](harness.account)


# --- te doctor ----------------------------------------------------------------------------------------------------


async def test_the_doctor_looks_at_account_and_key(open_harness: Any) -> None:
    async with open_harness() as harness:
        found = {(line.check, line.severity, line.text) for line in await harness.account.diagnose()}
        assert found >= {
            ("account", Severity.OK, "classic, one-way"),
            ("key", Severity.OK, "may trade contracts"),
            ("key", Severity.WARNING, "works from any address"),
        }
        key = harness.kucoin.exchange.keys["K"][0]
        key.permissions, key.allowed_ips = frozenset({"read", "withdraw"}), frozenset({"127.0.0.1"})
        lines = [line for line in await harness.account.diagnose() if line.check == "key"]
        assert [(line.severity, line.text.split(",")[0]) for line in lines] == [
            (Severity.ERROR, "may not trade contracts"),
            (Severity.WARNING, "may withdraw funds"),
        ]
        assert all(line.remedy for line in lines)
        identity = await harness.account.identity()
        assert identity.may_withdraw


@pytest.mark.parametrize(
    ("mode", "severity", "text"),
    [("UNIFIED", Severity.ERROR, "unified, one-way"), (None, Severity.WARNING, "of unknown type, one-way")],
)
async def test_the_doctor_reports_accounts_that_are_not_classic(
    open_harness: Any, mode: str | None, severity: Severity, text: str
) -> None:
    async with open_harness() as harness:
        success = harness.kucoin.success
        shown = (
            {"code": "200000", "data": {"selfAccountMode": mode}} if mode else {"code": "404000", "msg": "?"}
        )
        harness.kucoin.success = lambda call, data: (
            json_reply(shown) if call.path == "/api/ua/v1/account/mode" else success(call, data)
        )
        (line,) = [line for line in await harness.account.diagnose() if line.check == "account"]
        assert (line.severity, line.text) == (severity, text)
        assert line.remedy
