"""What the engine and its operator see of a paper account, one behaviour at a time."""

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
from te_exchange_paper.testing import PaperVenue

OpenVenue = Callable[..., Awaitable[PaperVenue]]
MakeOrder = Callable[..., OrderRequest]
ISOLATED, CROSS = MarginMode.ISOLATED, MarginMode.CROSS


async def test_a_new_account_has_its_balance_and_no_positions(open_venue: OpenVenue) -> None:
    account = (await open_venue(balance="2500.5")).account
    equity = await account.equity()
    assert (equity.value.wallet, equity.value.total, equity.value.free) == (Decimal("2500.5"),) * 3
    assert equity.as_of == START
    assert (await account.positions()).value == {}


async def test_an_order_fills_at_the_price_made_worse_by_slippage_and_costs_a_fee(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    account = (await open_venue(slippage="0.0002", fee="0.0006")).account
    bought = await account.place_order(order("0.1"))
    assert bought.status is OrderStatus.FILLED
    assert (bought.filled, bought.average_price) == (Decimal("0.1"), Decimal(50_010))
    assert bought.fee == Decimal("0.1") * 50_010 * Decimal("0.0006")
    sold = await account.place_order(order("-0.1"))
    assert sold.average_price == 49_990
    assert sold.fee is not None
    wallet = (await account.equity()).value.wallet
    assert wallet == 10_000 - Decimal("0.1") * 20 - bought.fee - sold.fee


async def test_slippage_rounds_to_the_tick_against_the_taker(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue(slippage="0.000001")
    assert (await venue.account.place_order(order("0.1"))).average_price == Decimal("50000.1")
    assert (await venue.account.place_order(order("-0.1"))).average_price == Decimal("49999.9")


async def test_a_position_tells_entry_profit_leverage_and_liquidation_price(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    venue = await open_venue()
    await venue.account.set_leverage("BTCUSDT", 10, ISOLATED)
    await venue.account.place_order(order("-0.2"))
    venue.market["BTCUSDT"] = Decimal(49_000)
    held = (await venue.account.positions()).value["BTCUSDT"]
    assert (held.quantity, held.entry_price, held.unrealised_pnl) == (
        Decimal("-0.2"),
        Decimal(50_000),
        Decimal(200),
    )
    assert (held.leverage, held.margin_mode) == (Decimal(10), ISOLATED)
    assert held.liquidation_price == pytest.approx(Decimal(55_000) / Decimal("1.005"))
    equity = (await venue.account.equity()).value
    assert [equity.wallet, equity.total, equity.free] == [10_000, 10_200, 9_000]


async def test_a_flat_symbol_whose_leverage_was_set_is_told_too(open_venue: OpenVenue) -> None:
    account = (await open_venue()).account
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
async def test_an_order_that_breaks_a_size_rule_is_refused_by_the_rules_name(
    open_venue: OpenVenue, order: MakeOrder, quantity: str, code: str
) -> None:
    limits = {"BTCUSDT": {"minimum_notional": 60, "largest_market_quantity": "0.4"}}
    venue = await open_venue(instruments=limits)
    with pytest.raises(OrderRejected) as refused:
        await venue.account.place_order(replace(order("1"), quantity=Decimal(quantity)))
    assert refused.value.code == code
    assert "BTCUSDT" in str(refused.value)
    assert venue.orders() == []


async def test_reduce_only_is_cut_to_the_position(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue()
    await venue.account.place_order(order("0.1"))
    report = await venue.account.place_order(order("-0.5", reduce_only=True))
    assert report.filled == Decimal("0.1")
    assert await venue.position("BTCUSDT") == 0


@pytest.mark.parametrize("held", ["0", "0.1"])
async def test_reduce_only_with_nothing_to_reduce_is_refused(
    open_venue: OpenVenue, order: MakeOrder, held: str
) -> None:
    venue = await open_venue()
    if Decimal(held):
        await venue.account.place_order(order(held))
    with pytest.raises(OrderRejected, match="nothing to reduce") as refused:
        await venue.account.place_order(order("0.1", reduce_only=True))
    assert refused.value.code == "reduce_only"
    assert await venue.position("BTCUSDT") == Decimal(held)


async def test_a_position_below_every_minimum_can_be_closed(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue()
    await venue.account.place_order(order("0.015"))
    await venue.account.close()
    coarser = await open_venue(instruments={"BTCUSDT": {"quantity_step": "0.1", "minimum_quantity": "0.1"}})
    await coarser.account.place_order(order("-0.015", reduce_only=True))
    assert await coarser.position("BTCUSDT") == 0


async def test_a_reduction_needs_no_minimum_value(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue(instruments={"BTCUSDT": {"minimum_notional": 1_000}})
    await venue.account.place_order(order("0.1"))
    await venue.account.place_order(order("-0.001", reduce_only=True))
    assert await venue.position("BTCUSDT") == Decimal("0.099")


async def test_an_order_across_zero_flips_the_position(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue()
    await venue.account.place_order(order("0.1"))
    venue.market["BTCUSDT"] = Decimal(51_000)
    await venue.account.place_order(order("-0.15"))
    held = (await venue.account.positions()).value["BTCUSDT"]
    assert (held.quantity, held.entry_price) == (Decimal("-0.05"), Decimal(51_000))
    assert (await venue.account.equity()).value.wallet == 10_100


async def test_an_order_that_margin_and_fee_do_not_cover_is_refused_whole(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    """Margin alone would fit exactly; the fee does not."""
    venue = await open_venue(fee="0.0006")
    with pytest.raises(InsufficientMargin, match=r"6\.0+ more than the 10000 that are free"):
        await venue.account.place_order(order("0.2"))
    assert await venue.position("BTCUSDT") == 0
    await venue.account.set_leverage("BTCUSDT", 2, ISOLATED)
    await venue.account.place_order(order("0.2"))
    assert (await venue.account.equity()).value.free == 10_000 - 5_000 - 6


async def test_leverage_beyond_the_instruments_is_refused(open_venue: OpenVenue) -> None:
    account = (await open_venue()).account
    for leverage in (0, 101):
        with pytest.raises(OrderRejected, match=r"outside 1 … 100"):
            await account.set_leverage("BTCUSDT", leverage, ISOLATED)


async def test_setting_the_leverage_that_is_set_is_a_success(open_venue: OpenVenue, order: MakeOrder) -> None:
    account = (await open_venue()).account
    await account.place_order(order("0.1"))
    for _ in range(2):
        await account.set_leverage("BTCUSDT", 5, ISOLATED)
        await account.set_margin_mode("BTCUSDT", ISOLATED)
    assert (await account.equity()).value.free == 9_000


async def test_the_other_margin_mode_waits_until_flat(open_venue: OpenVenue, order: MakeOrder) -> None:
    account = (await open_venue()).account
    await account.place_order(order("0.1"))
    with pytest.raises(OrderRejected) as refused:
        await account.set_margin_mode("BTCUSDT", CROSS)
    assert refused.value.code == "margin_mode"
    with pytest.raises(OrderRejected, match="the position is isolated, not cross"):
        await account.set_leverage("BTCUSDT", 5, CROSS)
    await account.place_order(order("-0.1", reduce_only=True))
    await account.set_margin_mode("BTCUSDT", CROSS)
    assert (await account.positions()).value["BTCUSDT"].margin_mode is CROSS


async def test_a_client_order_id_is_executed_once(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue()
    await venue.account.place_order(order("0.1", client_id="mine"))
    with pytest.raises(DuplicateClientOrderId):
        await venue.account.place_order(order("0.1", client_id="mine"))
    assert await venue.position("BTCUSDT") == Decimal("0.1")


async def test_a_refused_order_leaves_its_id_free(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue()
    with pytest.raises(InsufficientMargin):
        await venue.account.place_order(order("1", client_id="mine"))
    assert await venue.account.find_order("BTCUSDT", "mine") is None
    await venue.account.place_order(order("0.1", client_id="mine"))


async def test_an_order_is_found_under_its_symbol_and_id(open_venue: OpenVenue, order: MakeOrder) -> None:
    account = (await open_venue()).account
    report = await account.place_order(order("0.1", client_id="mine"))
    assert await account.find_order("BTCUSDT", "mine") == report
    assert await account.find_order("ETHUSDT", "mine") is None
    assert await account.find_order("BTCUSDT", "other") is None


@pytest.mark.parametrize("read", ["positions", "equity", "prices", "place_order"])
async def test_whoever_looks_first_sees_the_liquidation(
    open_venue: OpenVenue, order: MakeOrder, log: list[str], read: str
) -> None:
    venue = await open_venue()
    await venue.account.set_leverage("BTCUSDT", 10, ISOLATED)
    await venue.account.place_order(order("0.1"))
    await venue.account.place_order(order("1", "ETHUSDT"))
    venue.market["BTCUSDT"] = Decimal(45_000)
    look: dict[str, Callable[[], Awaitable[object]]] = {
        "positions": venue.account.positions,
        "equity": venue.account.equity,
        "prices": lambda: venue.account.prices(["BTCUSDT"]),
        "place_order": lambda: venue.account.place_order(order("0.5", "ETHUSDT")),
    }
    await look[read]()
    assert any("BTCUSDT position of 0.1 liquidated at 45000" in line for line in log)
    venue.market["BTCUSDT"] = Decimal(50_000)
    assert await venue.position("BTCUSDT") == 0
    assert (await venue.account.equity()).value.wallet == 10_000 - 500
    assert await venue.position("ETHUSDT") > 0


async def test_a_liquidation_survives_a_restart(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue()
    await venue.account.set_leverage("BTCUSDT", 10, ISOLATED)
    await venue.account.place_order(order("0.1"))
    await venue.liquidate("BTCUSDT")
    assert await venue.position("BTCUSDT") == 0
    await venue.account.close()
    await venue.connect().open()
    venue.market["BTCUSDT"] = Decimal(50_000)
    assert await venue.position("BTCUSDT") == 0
    assert (await venue.account.equity()).value.wallet == 9_500


async def test_an_order_that_would_be_liquidated_at_once_is_refused(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    venue = await open_venue(maintenance_margin="0.02")
    await venue.account.set_leverage("BTCUSDT", 100, ISOLATED)
    with pytest.raises(OrderRejected, match="use a lower one") as refused:
        await venue.account.place_order(order("0.1"))
    assert refused.value.code == "would_liquidate"
    assert await venue.position("BTCUSDT") == 0


async def test_a_fixed_price_goes_before_a_signals(open_venue: OpenVenue) -> None:
    venue = await open_venue(prices={"BTCUSDT": "40000.5"})
    prices = await venue.account.prices(["BTCUSDT", "ETHUSDT", "XRPUSDT"])
    assert prices.value == {"BTCUSDT": Decimal("40000.5"), "ETHUSDT": Decimal(2_000)}


@pytest.mark.parametrize("price", ["1E+30", "1E-30"])
async def test_a_signal_price_that_cannot_be_one_is_none(open_venue: OpenVenue, price: str) -> None:
    venue = await open_venue()
    venue.market["BTCUSDT"] = Decimal(price)
    assert (await venue.account.prices(["BTCUSDT"])).value == {}


async def test_an_absurd_price_is_still_counted(open_venue: OpenVenue, order: MakeOrder) -> None:
    venue = await open_venue(balance=10**12, instruments={"FOOUSDT": {"quantity_step": 1}})
    venue.market["FOOUSDT"] = Decimal("0.000001")
    await venue.account.place_order(order("1e15", "FOOUSDT"))
    venue.market["FOOUSDT"] = Decimal("1e12")
    assert (await venue.account.equity()).value.total == 10**12 - 10**9 + 10**27


async def test_without_a_price_an_order_waits_and_says_what_to_do(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    account = (await open_venue()).account
    with pytest.raises(NotReady, match=r"no price for XRPUSDT.*accounts\.paper\.prices\.XRPUSDT"):
        await account.place_order(order("100", "XRPUSDT"))


async def test_a_position_keeps_its_last_price_when_none_is_known(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    venue = await open_venue(slippage="0.01")
    await venue.account.place_order(order("0.1"))
    del venue.market["BTCUSDT"]
    assert (await venue.account.equity()).value.total == 10_000 - 50


async def test_a_symbol_that_is_not_offered_is_left_out_and_its_order_refused(
    open_venue: OpenVenue, order: MakeOrder
) -> None:
    account = (await open_venue()).account
    assert list(await account.instruments(["BTCUSDT", "NOSUCHUSDT", "BTCUSD"])) == ["BTCUSDT"]
    with pytest.raises(OrderRejected, match=r"accounts\.paper\.instruments\.NOSUCHUSDT") as refused:
        await account.place_order(order("1", "NOSUCHUSDT"))
    assert refused.value.code == "unknown_symbol"


async def test_an_account_that_is_not_open_knows_nothing(
    make_venue: Callable[..., PaperVenue], order: MakeOrder
) -> None:
    account = make_venue().account
    for call in (account.positions(), account.equity(), account.prices(["BTCUSDT"])):
        with pytest.raises(NotReady, match="not open"):
            await call
    with pytest.raises(NotReady, match="not open"):
        await account.place_order(order("0.1"))
