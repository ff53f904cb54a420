"""The requests of a MEXC account over HTTP, with both forms of unknown behaviour."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger

from te_core.api import (
    AuthError,
    ConfigError,
    DuplicateClientOrderId,
    MarginMode,
    NotReady,
    OrderStatus,
    OutcomeUnknown,
)
from te_emulators.core.credentials import ApiKey
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import PositionMode
from te_emulators.mexc.unknowns import Duplicates
from te_exchange_mexc.options import MexcOptions

pytestmark = pytest.mark.real_clock

D = Decimal


def paths(harness: Any) -> list[str]:
    """The requests since the counts were cleared."""
    return [request.path.removeprefix("/api/v1/") for request in harness.counts.log]


async def test_opening_takes_four_small_requests(at_mexc: Any) -> None:
    async with at_mexc() as harness, harness.account():
        assert paths(harness) == [
            "contract/ping",
            "contract/detail",
            "private/position/position_mode",
            "private/account/assets",
        ]


async def test_a_pass_reads_each_thing_once(at_mexc: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        await account.instruments(["BTCUSDT", "ETHUSDT"])
        harness.counts.clear()
        equity, positions = await account.equity(), await account.positions()
        prices = await account.prices(["BTCUSDT", "ETHUSDT"])
        assert harness.counts.requests == {"balance": 1, "positions": 1, "tickers": 1}
        assert (equity.value.wallet, equity.value.total, equity.value.free) == (
            D(10_000),
            D(10_000),
            D(10_000),
        )
        assert positions.value == {}
        assert prices.value == {"BTCUSDT": D("77150.1"), "ETHUSDT": D(3000)}


async def test_an_order_carries_margin_mode_and_leverage(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        await account.instruments(["BTCUSDT"])
        harness.counts.clear()
        report = await account.place_order(make_order("0.0100"))
        assert paths(harness) == ["private/order/create"]
        assert report.status is OrderStatus.OPEN, "the answer is an acknowledgement"
        found = await account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert (found.status, found.filled, found.average_price) == (
            OrderStatus.FILLED,
            D("0.01"),
            D("77150.1"),
        )
        assert found.fee == D("0.1543002")
        held = (await account.positions()).value["BTCUSDT"]
        assert (held.quantity, held.leverage, held.margin_mode) == (D("0.01"), D(5), MarginMode.ISOLATED)
        assert held.entry_price == D("77150.1")


@pytest.mark.parametrize("mode", MarginMode)
async def test_both_margin_modes_and_directions(at_mexc: Any, make_order: Any, mode: MarginMode) -> None:
    async with at_mexc() as harness, harness.account() as account:
        for number, (quantity, held) in enumerate([("0.01", "0.01"), ("-0.004", "0.006"), ("-0.006", "0")]):
            await account.place_order(
                make_order(quantity, name=f"7e0{number}", reduce_only=number > 0, margin_mode=mode)
            )
            assert harness.owner.size("BTC_USDT") == D(held) * 10_000
            await account.positions()
        await account.place_order(make_order("-0.01", name="7e08", margin_mode=mode))
        held_now = (await account.positions()).value["BTCUSDT"]
        assert (held_now.quantity, held_now.margin_mode) == (D("-0.01"), mode)
        await account.place_order(make_order("0.01", name="7e09", reduce_only=True, margin_mode=mode))
        assert (await account.positions()).value == {}


async def test_a_position_is_closed_in_the_mode_that_it_has(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        await account.place_order(make_order("0.01"))
        await account.positions()
        changed = make_order("-0.01", name="7e02", reduce_only=True, margin_mode=MarginMode.CROSS, leverage=9)
        await account.place_order(changed)
        assert harness.owner.size("BTC_USDT") == 0


async def test_leverage_of_an_open_position_is_changed_by_its_id(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        await account.instruments(["BTCUSDT"])
        await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
        assert harness.counts.requests["leverage"] == 0, "a flat symbol gets it with its next order"
        await account.place_order(make_order("0.01"))
        await account.positions()
        await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
        assert (await account.positions()).value["BTCUSDT"].leverage == 3


async def test_equity_is_wallet_and_profit(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        await account.place_order(make_order("0.1"))
        harness.emulator.exchange.set_price("BTC_USDT", D("78150.1"))
        equity = (await account.equity()).value
        assert equity.total - equity.wallet == 100
        assert equity.wallet == harness.owner.ledger.wallet
        assert equity.free is not None
        assert equity.free < equity.wallet - 1500


async def test_contracts_without_api_orders_are_left_out_and_told_once(at_mexc: Any) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="WARNING", format="{message}")
    try:
        async with at_mexc() as harness:
            market = harness.emulator.exchange.market
            market.add(replace(market.by_base("ETH"), tradable=False))
            async with harness.account() as account:
                for _ in range(2):
                    found = await account.instruments(["BTCUSDT", "ETHUSDT", "BULLCOINUSDT", "NONEUSDT"])
                    assert set(found) == {"BTCUSDT"}
    finally:
        logger.remove(sink)
    assert [line.strip() for line in lines] == [
        f"{symbol}: MEXC accepts no orders for it through the API" for symbol in ("ETHUSDT", "BULLCOINUSDT")
    ]


async def test_hedge_mode_is_refused_with_what_to_do(at_mexc: Any) -> None:
    async with at_mexc() as harness:
        harness.owner.default_position_mode = PositionMode.HEDGE
        with pytest.raises(
            ConfigError, match="hedge mode: close its positions and switch it to one-way mode"
        ):
            async with harness.account():
                pass


async def test_an_order_refused_for_its_position_mode_has_it_checked(at_mexc: Any, make_order: Any) -> None:
    """MEXC may accept the order first; it must not be sent repeatedly."""
    async with at_mexc() as harness, harness.account() as account:
        harness.emulator.faults.add(
            Fault(kind=FaultKind.REJECTED_LATER, route="order", error="PositionModeMismatch", times=2)
        )
        for name, mode in (("7e01", PositionMode.ONE_WAY), ("7e02", PositionMode.HEDGE)):
            await account.place_order(make_order("0.01", name=name))
            harness.owner.default_position_mode = mode
            found = await account.find_order("BTCUSDT", name)
            assert found is not None
            assert (found.status, found.reason) == (OrderStatus.REJECTED, "position mode")
            if mode is PositionMode.ONE_WAY:
                assert (await account.positions()).value == {}
        with pytest.raises(ConfigError, match="switch it to one-way mode"):
            await account.positions()


async def test_a_wrong_key_stops_its_own_account_only(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness:
        second = harness.emulator.exchange.open_account("second", key="K2", secret="S2")
        async with (
            harness.account() as first,
            harness.account(name="second", api_key="K2", secret="S2") as other,
        ):
            await other.place_order(make_order("0.02"))
            assert (harness.owner.size("BTC_USDT"), second.size("BTC_USDT")) == (0, 200)
            harness.emulator.exchange.keys.pop("K2")
            with pytest.raises(AuthError, match="check api_key"):
                await other.equity()
            assert (await first.equity()).value.wallet == 10_000
        assert harness.counts.requests["instruments"] == 1, "accounts share the contracts"


async def test_two_keys_of_one_account(at_mexc: Any) -> None:
    async with at_mexc() as harness:
        harness.emulator.exchange.add_key(harness.owner, ApiKey(key="K2", secret="S2"))
        async with harness.account(name="b", api_key="K2", secret="S2") as account:
            assert (await account.equity()).value.wallet == 10_000


@pytest.mark.parametrize("seconds", [30, -30])
async def test_a_wrong_clock_is_allowed_for(at_mexc: Any, make_order: Any, seconds: int) -> None:
    async with at_mexc() as harness:
        harness.emulator.exchange.clock.skew_ms = 1000 * seconds
        async with harness.account() as account:
            await account.place_order(make_order("0.01"))
            assert harness.owner.size("BTC_USDT") == 100


async def test_a_clock_that_goes_wrong_later_is_reported_and_corrected(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        harness.emulator.exchange.clock.skew_ms = 20_000
        with pytest.raises(NotReady, match="NTP"):
            await account.place_order(make_order("0.01"))
        await account.place_order(make_order("0.01"))
        assert harness.owner.size("BTC_USDT") == 100


# --- answers that say nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["balance", "positions", "tickers"])
@pytest.mark.parametrize(
    "fault", [FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR, FaultKind.MAINTENANCE]
)
async def test_a_broken_read_is_never_an_empty_one(at_mexc: Any, kind: str, fault: FaultKind) -> None:
    async with at_mexc() as harness, harness.account() as account:
        reads = {
            "balance": account.equity,
            "positions": account.positions,
            "tickers": lambda: account.prices(["BTCUSDT"]),
        }
        harness.emulator.faults.add(
            Fault(kind=fault, route=kind, status=200 if fault is FaultKind.HTML else None)
        )
        with pytest.raises(NotReady):
            await reads[kind]()
        assert (await reads[kind]()).value is not None


async def test_a_failure_with_code_0_is_a_failure(at_mexc: Any, make_order: Any) -> None:
    """ccxt raises nothing over it."""
    async with at_mexc() as harness, harness.account() as account:
        await account.instruments(["BTCUSDT"])
        for kind, call in {
            "balance": account.equity,
            "positions": account.positions,
            "lookup": lambda: account.find_order("BTCUSDT", "7e01"),
        }.items():
            harness.emulator.refusals[kind] = (0, "")
            with pytest.raises(NotReady):
                await call()
        harness.emulator.refusals["order"] = (0, "")
        with pytest.raises(OutcomeUnknown):
            await account.place_order(make_order("0.01"))


async def test_equity_without_the_settle_coin_is_unknown(at_mexc: Any) -> None:
    async with at_mexc() as harness:
        with pytest.raises(NotReady, match="no USDC balance"):
            async with harness.account(settle="USDC"):
                pass


# --- what nobody has established -------------------------------------------------------------------------------


@pytest.mark.parametrize("null", [False, True])
async def test_an_unknown_order_is_none(at_mexc: Any, null: bool) -> None:
    async with at_mexc() as harness, harness.account() as account:
        harness.unknowns.missing_order_is_null = null
        assert await account.find_order("BTCUSDT", "7eff") is None


async def test_closing_names_the_position(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as harness, harness.account() as account:
        harness.unknowns.close_needs_position_id = True
        await account.place_order(make_order("0.01"))
        await account.positions()
        await account.place_order(make_order("-0.01", name="7e02", reduce_only=True))
        assert harness.owner.size("BTC_USDT") == 0


@pytest.mark.parametrize("kind", [5, 6])
async def test_the_type_of_market_orders_is_a_setting(at_mexc: Any, make_order: Any, kind: int) -> None:
    async with at_mexc() as harness, harness.account(market_order_type=kind) as account:
        harness.unknowns.market_types = frozenset({kind})
        await account.place_order(make_order("0.01"))
        assert harness.owner.size("BTC_USDT") == 100


def test_the_documented_type_is_the_default() -> None:
    assert MexcOptions.model_validate({"api_key": "K", "secret": "S"}).market_order_type == 5


@pytest.mark.parametrize("what", Duplicates)
async def test_a_second_order_with_one_id(at_mexc: Any, make_order: Any, what: Duplicates) -> None:
    async with at_mexc() as harness, harness.account() as account:
        harness.unknowns.duplicates = what
        await account.place_order(make_order("0.01"))
        if what is Duplicates.REFUSED:
            with pytest.raises(DuplicateClientOrderId):
                await account.place_order(make_order("0.01"))
        else:
            await account.place_order(make_order("0.01"))
        assert harness.owner.size("BTC_USDT") == (200 if what is Duplicates.EXECUTED else 100)


# --- endings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "filled", "reason"),
    [
        (
            {"kind": FaultKind.REJECTED_LATER, "error": "InsufficientMargin"},
            "rejected",
            "0",
            "balance insufficient",
        ),
        ({"kind": FaultKind.PARTIAL_FILL, "fraction": D("0.3")}, "cancelled", "0.003", "canceled"),
        ({"kind": FaultKind.PARTIAL_FILL}, "cancelled", "0", "not filled at once"),
    ],
)
async def test_how_an_accepted_order_may_end(
    at_mexc: Any, make_order: Any, fault: dict[str, Any], status: str, filled: str, reason: str
) -> None:
    async with at_mexc() as harness, harness.account() as account:
        harness.emulator.faults.add(Fault(route="order", **fault))
        await account.place_order(make_order("0.01"))
        found = await account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert (found.status, found.filled) == (OrderStatus(status), D(filled))
        assert reason in found.reason


@pytest.mark.parametrize("test", ["testnet", "demo"])
def test_there_is_no_test_host(test: str) -> None:
    with pytest.raises(ValueError, match=f"MEXC has no {test} host.*it can only be traded for real"):
        MexcOptions.model_validate({"api_key": "K", "secret": "S", "test": test})


def test_key_and_secret_are_needed() -> None:
    with pytest.raises(ValueError, match="MEXC needs secret"):
        MexcOptions.model_validate({"api_key": "K"})
