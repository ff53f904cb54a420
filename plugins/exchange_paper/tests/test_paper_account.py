"""A paper account as the engine and its operator see it, one behaviour at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from te_core.api import (
    DuplicateClientOrderId,
    InsufficientMargin,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderRequest,
    OrderStatus,
)
from te_core.testing.virtual_clock import START
from te_exchange_paper.testing import PaperHarness

OpenExchange = Callable[..., Awaitable[PaperHarness]]
MakeOrder = Callable[..., OrderRequest]
ISOLATED, CROSS = MarginMode.ISOLATED, MarginMode.CROSS


async def test_a_new_account_has_its_balance_and_no_positions(open_exchange: OpenExchange) -> None:
    account = (await open_exchange(balance="2500.5")).account
    equity = await account.equity()
    assert (equity.value.wallet, equity.value.total, equity.value.free) == (Decimal("2500.5"),) * 3
    assert equity.as_of == START
    assert (await account.positions()).value == {}


async def test_an_order_fills_with_slippage_and_costs_a_fee(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    account = (await open_exchange(slippage="0.0002", fee="0.0006")).account
    bought = await account.place_order(order("0.1"))
    assert bought.status is OrderStatus.FILLED
    assert (bought.filled, bought.average_price) == (Decimal("0.1"), Decimal(50_010))
    assert bought.fee == Decimal("0.1") * 50_010 * Decimal("0.0006")
    sold = await account.place_order(order("-0.1"))
    assert sold.average_price == 49_990
    assert sold.fee is not None
    wallet = (await account.equity()).value.wallet
    assert wallet == 10_000 - Decimal("0.1") * 20 - bought.fee - sold.fee


async def test_slippage_rounds_to_the_tick_against_the_taker(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange(slippage="0.000001")
    assert (await exchange.account.place_order(order("0.1"))).average_price == Decimal("50000.1")
    assert (await exchange.account.place_order(order("-0.1"))).average_price == Decimal("49999.9")


async def test_a_position_has_entry_profit_leverage_and_liquidation(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange()
    await exchange.account.set_leverage("BTCUSDT", 10, ISOLATED)
    await exchange.account.place_order(order("-0.2"))
    exchange.market["BTCUSDT"] = Decimal(49_000)
    held = (await exchange.account.positions()).value["BTCUSDT"]
    assert (held.quantity, held.entry_price, held.unrealised_pnl) == (
        Decimal("-0.2"),
        Decimal(50_000),
        Decimal(200),
    )
    assert (held.leverage, held.margin_mode) == (Decimal(10), ISOLATED)
    assert held.liquidation_price == pytest.approx(Decimal(55_000) / Decimal("1.005"))
    equity = (await exchange.account.equity()).value
    assert [equity.wallet, equity.total, equity.free] == [10_000, 10_200, 9_000]


async def test_a_flat_symbol_whose_leverage_was_set_is_reported_too(open_exchange: OpenExchange) -> None:
    account = (await open_exchange()).account
    await account.set_leverage("ETHUSDT", 7, CROSS)
    held = (await account.positions()).value["ETHUSDT"]
    assert (held.quantity, held.entry_price, held.leverage, held.margin_mode) == (
        Decimal(0),
        None,
        Decimal(7),
        CROSS,
    )


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.0105", "quantity_step"),
        ("0.001", "minimum_notional"),
        ("0.0001", "minimum_quantity"),
        ("0.5", "largest_market_quantity"),
        ("NaN", "quantity"),
        ("Infinity", "quantity"),
    ],
)
async def test_an_order_that_breaks_a_size_rule_is_refused_by_its_name(
    open_exchange: OpenExchange, order: MakeOrder, quantity: str, code: str
) -> None:
    limits = {"BTCUSDT": {"minimum_notional": 60, "largest_market_quantity": "0.4"}}
    exchange = await open_exchange(instruments=limits)
    with pytest.raises(OrderRejected) as refused:
        await exchange.account.place_order(replace(order("1"), quantity=Decimal(quantity)))
    assert refused.value.code == code
    assert "BTCUSDT" in str(refused.value)
    assert exchange.orders() == []


async def test_reduce_only_is_cut_to_the_position(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    await exchange.account.place_order(order("0.1"))
    report = await exchange.account.place_order(order("-0.5", reduce_only=True))
    assert report.filled == Decimal("0.1")
    assert await exchange.position("BTCUSDT") == 0


@pytest.mark.parametrize("held", ["0", "0.1"])
async def test_reduce_only_with_nothing_to_reduce_is_refused(
    open_exchange: OpenExchange, order: MakeOrder, held: str
) -> None:
    exchange = await open_exchange()
    if Decimal(held):
        await exchange.account.place_order(order(held))
    with pytest.raises(OrderRejected, match="nothing to reduce") as refused:
        await exchange.account.place_order(order("0.1", reduce_only=True))
    assert refused.value.code == "reduce_only"
    assert await exchange.position("BTCUSDT") == Decimal(held)


async def test_a_position_below_every_minimum_can_be_closed(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange()
    await exchange.account.place_order(order("0.015"))
    await exchange.account.close()
    coarser = await open_exchange(
        instruments={"BTCUSDT": {"quantity_step": "0.1", "minimum_quantity": "0.1"}}
    )
    await coarser.account.place_order(order("-0.015", reduce_only=True))
    assert await coarser.position("BTCUSDT") == 0


async def test_a_reduction_needs_no_minimum_value(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange(instruments={"BTCUSDT": {"minimum_notional": 1_000}})
    await exchange.account.place_order(order("0.1"))
    await exchange.account.place_order(order("-0.001", reduce_only=True))
    assert await exchange.position("BTCUSDT") == Decimal("0.099")


async def test_an_order_across_zero_flips_the_position(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    await exchange.account.place_order(order("0.1"))
    exchange.market["BTCUSDT"] = Decimal(51_000)
    await exchange.account.place_order(order("-0.15"))
    held = (await exchange.account.positions()).value["BTCUSDT"]
    assert (held.quantity, held.entry_price) == (Decimal("-0.05"), Decimal(51_000))
    assert (await exchange.account.equity()).value.wallet == 10_100


async def test_an_order_beyond_margin_and_fee_is_refused_whole(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    """Margin alone would fit exactly; the fee does not."""
    exchange = await open_exchange(fee="0.0006")
    with pytest.raises(InsufficientMargin, match=r"6\.0+ more than the 10000 that are free"):
        await exchange.account.place_order(order("0.2"))
    assert await exchange.position("BTCUSDT") == 0
    await exchange.account.set_leverage("BTCUSDT", 2, ISOLATED)
    await exchange.account.place_order(order("0.2"))
    assert (await exchange.account.equity()).value.free == 10_000 - 5_000 - 6


async def test_leverage_beyond_the_instruments_is_refused(open_exchange: OpenExchange) -> None:
    account = (await open_exchange()).account
    for leverage in (0, 101):
        with pytest.raises(OrderRejected, match=r"outside 1 … 100"):
            await account.set_leverage("BTCUSDT", leverage, ISOLATED)


async def test_setting_the_leverage_that_is_set_is_a_success(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    account = (await open_exchange()).account
    await account.place_order(order("0.1"))
    for _ in range(2):
        await account.set_leverage("BTCUSDT", 5, ISOLATED)
        await account.set_margin_mode("BTCUSDT", ISOLATED)
    assert (await account.equity()).value.free == 9_000


async def test_the_other_margin_mode_waits_until_flat(open_exchange: OpenExchange, order: MakeOrder) -> None:
    account = (await open_exchange()).account
    await account.place_order(order("0.1"))
    with pytest.raises(OrderRejected) as refused:
        await account.set_margin_mode("BTCUSDT", CROSS)
    assert refused.value.code == "margin_mode"
    with pytest.raises(OrderRejected, match="the position is isolated, not cross"):
        await account.set_leverage("BTCUSDT", 5, CROSS)
    await account.place_order(order("-0.1", reduce_only=True))
    await account.set_margin_mode("BTCUSDT", CROSS)
    assert (await account.positions()).value["BTCUSDT"].margin_mode is CROSS


async def test_a_client_order_id_is_executed_once(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    await exchange.account.place_order(order("0.1", client_id="mine"))
    with pytest.raises(DuplicateClientOrderId):
        await exchange.account.place_order(order("0.1", client_id="mine"))
    assert await exchange.position("BTCUSDT") == Decimal("0.1")


async def test_a_refused_order_leaves_its_id_free(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    with pytest.raises(InsufficientMargin):
        await exchange.account.place_order(order("1", client_id="mine"))
    assert await exchange.account.find_order("BTCUSDT", "mine") is None
    await exchange.account.place_order(order("0.1", client_id="mine"))


async def test_an_order_is_found_under_its_symbol_and_id(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    account = (await open_exchange()).account
    report = await account.place_order(order("0.1", client_id="mine"))
    assert await account.find_order("BTCUSDT", "mine") == report
    assert await account.find_order("ETHUSDT", "mine") is None
    assert await account.find_order("BTCUSDT", "other") is None


@pytest.mark.parametrize("read", ["positions", "equity", "prices", "place_order"])
async def test_the_first_read_shows_the_liquidation(
    open_exchange: OpenExchange, order: MakeOrder, log: list[str], read: str
) -> None:
    exchange = await open_exchange()
    await exchange.account.set_leverage("BTCUSDT", 10, ISOLATED)
    await exchange.account.place_order(order("0.1"))
    await exchange.account.place_order(order("1", "ETHUSDT"))
    exchange.market["BTCUSDT"] = Decimal(45_000)
    look: dict[str, Callable[[], Awaitable[object]]] = {
        "positions": exchange.account.positions,
        "equity": exchange.account.equity,
        "prices": lambda: exchange.account.prices(["BTCUSDT"]),
        "place_order": lambda: exchange.account.place_order(order("0.5", "ETHUSDT")),
    }
    await look[read]()
    assert any("BTCUSDT position of 0.1 liquidated at 45000" in line for line in log)
    exchange.market["BTCUSDT"] = Decimal(50_000)
    assert await exchange.position("BTCUSDT") == 0
    assert (await exchange.account.equity()).value.wallet == 10_000 - 500
    assert await exchange.position("ETHUSDT") > 0


async def test_a_liquidation_survives_a_restart(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    await exchange.account.set_leverage("BTCUSDT", 10, ISOLATED)
    await exchange.account.place_order(order("0.1"))
    await exchange.liquidate("BTCUSDT")
    assert await exchange.position("BTCUSDT") == 0
    await exchange.account.close()
    await exchange.connect().open()
    exchange.market["BTCUSDT"] = Decimal(50_000)
    assert await exchange.position("BTCUSDT") == 0
    assert (await exchange.account.equity()).value.wallet == 9_500


async def test_an_order_that_would_be_liquidated_at_once_is_refused(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange(maintenance_margin="0.02")
    await exchange.account.set_leverage("BTCUSDT", 100, ISOLATED)
    with pytest.raises(OrderRejected, match="use a lower one") as refused:
        await exchange.account.place_order(order("0.1"))
    assert refused.value.code == "would_liquidate"
    assert await exchange.position("BTCUSDT") == 0


async def test_a_fixed_price_goes_before_a_signals(open_exchange: OpenExchange) -> None:
    exchange = await open_exchange(prices={"BTCUSDT": "40000.5"})
    prices = await exchange.account.prices(["BTCUSDT", "ETHUSDT", "XRPUSDT"])
    assert prices.value == {"BTCUSDT": Decimal("40000.5"), "ETHUSDT": Decimal(2_000)}


@pytest.mark.parametrize("price", ["1E+30", "1E-30"])
async def test_a_signal_price_that_cannot_be_one_is_none(open_exchange: OpenExchange, price: str) -> None:
    exchange = await open_exchange()
    exchange.market["BTCUSDT"] = Decimal(price)
    assert (await exchange.account.prices(["BTCUSDT"])).value == {}


async def test_an_absurd_price_is_still_counted(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange(balance=10**12, instruments={"FOOUSDT": {"quantity_step": 1}})
    exchange.market["FOOUSDT"] = Decimal("0.000001")
    await exchange.account.place_order(order("1e15", "FOOUSDT"))
    exchange.market["FOOUSDT"] = Decimal("1e12")
    assert (await exchange.account.equity()).value.total == 10**12 - 10**9 + 10**27


async def test_without_a_price_an_order_waits_with_a_remedy(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    account = (await open_exchange()).account
    with pytest.raises(NotReady, match=r"no price for XRPUSDT.*accounts\.paper\.prices\.XRPUSDT"):
        await account.place_order(order("100", "XRPUSDT"))


async def test_a_position_keeps_its_last_price_when_none_is_known(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange(slippage="0.01")
    await exchange.account.place_order(order("0.1"))
    del exchange.market["BTCUSDT"]
    assert (await exchange.account.equity()).value.total == 10_000 - 50


async def test_a_symbol_not_offered_is_left_out_and_its_order_refused(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    account = (await open_exchange()).account
    assert list(await account.instruments(["BTCUSDT", "NOSUCHUSDT", "BTCUSD"])) == ["BTCUSDT"]
    with pytest.raises(OrderRejected, match=r"accounts\.paper\.instruments\.NOSUCHUSDT") as refused:
        await account.place_order(order("1", "NOSUCHUSDT"))
    assert refused.value.code == "unknown_symbol"


async def test_an_account_that_is_not_open_knows_nothing(
    make_exchange: Callable[..., PaperHarness], order: MakeOrder
) -> None:
    account = make_exchange().account
    for call in (account.positions(), account.equity(), account.prices(["BTCUSDT"])):
        with pytest.raises(NotReady, match="not open"):
            await call
    with pytest.raises(NotReady, match="not open"):
        await account.place_order(order("0.1"))
